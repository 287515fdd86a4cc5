"""`ao plugins`: what there is for each slot, and whether it can be used here."""

from typing import TYPE_CHECKING

import click

from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import Place, pass_place
from ao_mcp.cli.render import table
from ao_mcp.cli.screen import show

if TYPE_CHECKING:
    from ao_core.registry import Listing


@click.command("plugins")
@json_option
@pass_place
def command(place: Place, machine: bool) -> int:
    """Show the plugins, and which of them can be used here."""
    import anyio

    rows = [_row(one) for one in anyio.run(survey, place)]
    if machine:
        click.echo(as_json({"plugins": rows}))
    else:
        show([table(rows)])
    return FINE


async def survey(place: Place) -> "list[Listing]":
    """Every plugin, looked at in the environment that the engine and this caller have."""
    import ao_plugins
    from ao_core.engine.login import login_environment
    from ao_core.registry import Registry
    from ao_mcp.start import engine_environment

    login = await login_environment(engine_environment(place.environment))
    registry = Registry(ao_plugins.INDEX, place.environment)
    return list(await registry.everything(login, place.environment))


def _row(one: "Listing") -> dict[str, object]:
    return {
        "slot": one.slot,
        "name": one.name,
        "source": one.source,
        "available": one.available,
        "problem": one.problem,
        "detail": one.detail,
    }
