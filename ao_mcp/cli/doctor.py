"""`ao doctor`: everything that work depends on, each with its remedy."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from ao_mcp.cli.blocks import Block, Table, Text, as_json
from ao_mcp.cli.checks import FAIL, WARN, Check
from ao_mcp.cli.outcome import FAILED, FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import Place, pass_place
from ao_mcp.cli.screen import show
from ao_mcp.cli.working import Working
from ao_mcp.usage import Usage, usage


@click.command("doctor")
@json_option
@pass_place
def command(place: Place, machine: bool) -> int:
    """Check this machine, this home and this project. Changes nothing."""
    import anyio

    with Working("" if machine else "looking"):
        used = usage(place.home)
        checks = anyio.run(_every, place, used)
    blocked = any(check.state == FAIL for check in checks)
    if machine:
        found = {"ok": not blocked, "checks": [asdict(check) for check in checks]}
        click.echo(as_json(found | {"disk": asdict(used)}))
    else:
        show(_view(checks))
    return FAILED if blocked else FINE


async def _every(place: Place, used: Usage) -> list[Check]:
    import anyio

    from ao_mcp.cli import (
        checks,
        client_checks,
        home_checks,
        host_checks,
        http_checks,
        machine_checks,
    )

    return [
        checks.python(),
        await checks.git(place),
        *checks.home(place),
        await anyio.to_thread.run_sync(home_checks.store, place),
        *await anyio.to_thread.run_sync(home_checks.engine, place),
        *await anyio.to_thread.run_sync(home_checks.configuration, place),
        *await checks.plugins(place),
        *await anyio.to_thread.run_sync(home_checks.notifiers, place),
        *await anyio.to_thread.run_sync(host_checks.hosts, place),
        *await anyio.to_thread.run_sync(client_checks.clients, place),
        *await anyio.to_thread.run_sync(http_checks.http, place),
        *await anyio.to_thread.run_sync(machine_checks.github, place),
        *await anyio.to_thread.run_sync(http_checks.webhooks, place),
        await machine_checks.sleep(place),
        await anyio.to_thread.run_sync(machine_checks.disk, place, used),
        checks.isolation(),
    ]


def _view(checks: Sequence[Check]) -> Sequence[Block]:
    rows = tuple(row for check in checks for row in _rows(check))
    states = [check.state for check in checks]
    if FAIL in states:
        said = f"{states.count(FAIL)} to mend before work can start."
    else:
        said = "Work can start." + (f" {states.count(WARN)} to look at." if WARN in states else "")
    return [Table(("state", "check", "found"), rows), Text(said, "bold")]


def _rows(check: Check) -> list[tuple[str, str, str]]:
    rows = [(check.state, check.name, check.found)]
    return [*rows, ("", "", f"-> {check.remedy}")] if check.remedy else rows
