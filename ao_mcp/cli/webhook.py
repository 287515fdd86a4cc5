"""`ao webhook`: have a host tell of changes by itself, and see what it tells."""

import json
import time
from contextlib import suppress
from threading import Event

import click

from ao_core.errors import EngineRestarted, EngineUnreachable, TimedOut
from ao_core.wire import Connection, Message
from ao_mcp.cli.blocks import Aside, Block, Facts, Text, as_json, cell
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import CALL_DEADLINE, Place, pass_place
from ao_mcp.cli.screen import show

_PATIENCE = 45.0
_AWAY, _LOOK = 30.0, 0.2


@click.group("webhook")
def command() -> None:
    """Have a host tell of changes by itself."""


@command.command("setup")
@click.option("--project", metavar="ID", help="The project that is to be told.")
@click.option("--url", help="Where the host reaches this machine, such as https://ao.example.com.")
@click.option("--write", is_flag=True, help="Order it from the host, with your credentials.")
@click.option("--new", is_flag=True, help="Make another secret; the one before is refused at once.")
@json_option
@pass_place
def setup(
    place: Place, project: str | None, url: str | None, write: bool, new: bool, machine: bool
) -> int:
    """Show what to enter at the host, its secret with it; made if there is none yet."""
    asked: dict[str, object] = {"project": project or place.project, "url": url}
    doing = "" if machine else "asking the host" if write else ""
    shown = place.ask("webhook", {**asked, "write": write, "new": new}, doing)
    if machine:
        click.echo(as_json(shown))
    else:
        show(_view(shown))
    return FINE


def _view(shown: Message) -> list[Block]:
    facts = {
        "payload URL": shown["url"] or "none yet",
        "content type": shown["content_type"],
        "secret": shown["secret"],
        "events": ", ".join(shown["events"]),
    }
    where = f"The webhook of {shown['repository']} for project {shown['project']}"
    blocks: list[Block] = [Text(where, "bold"), Facts(tuple(facts.items()))]
    if done := shown.get("done"):
        blocks.append(Text(f"Done: {done}."))
    if problem := shown.get("problem"):
        blocks.append(Aside(problem))
    if relay := shown.get("relay"):
        blocks.append(Aside(f"Or, while it runs, for trying it out:\n  {relay}"))
    return [*blocks, Aside("`ao webhook listen` shows what arrives.")]


@command.command("listen")
@click.option("--once", is_flag=True, help="Show what has arrived so far, and end.")
@json_option
@pass_place
def listen(place: Place, once: bool, machine: bool) -> int:
    """Show what hosts deliver, and what was made of it, until Ctrl-C."""
    if not once and not machine:
        show([Aside("Waiting for deliveries; Ctrl-C ends this and nothing else.")])
    with suppress(KeyboardInterrupt):
        connection = place.connect()
        while True:
            with connection, suppress(EngineRestarted, TimedOut):
                _tell(connection, once=once, machine=machine)
                return FINE
            connection = _reached(place)
    return FINE


def _tell(connection: Connection, *, once: bool, machine: bool) -> None:
    """All of it, from the first; another engine counts anew."""
    cursor, more = 0, True
    while more:
        asked = {"after": cursor, "seconds": 0.0 if once else _PATIENCE}
        news = connection.call("deliveries", asked, CALL_DEADLINE)
        cursor, more = news["cursor"], not once
        for one in news["deliveries"]:
            click.echo(json.dumps(one) if machine else _line(one))


def _reached(place: Place) -> Connection:
    """Another engine may be on its way; one that was ended on purpose is not started for this."""
    until, pause = time.monotonic() + _AWAY, Event()
    while time.monotonic() < until:
        if found := place.connect_running():
            return found
        pause.wait(_LOOK)
    raise EngineUnreachable("The engine was stopped.", hint="`ao start`, then say it again.")


def _line(one: Message) -> str:
    """When, what, and what became of it."""
    looked = ", ".join(one["sessions"])
    end = f"{one['made_of_it']}{f': {looked}' if looked else ''}"
    what = " ".join(filter(None, [str(one["scm"]), str(one["event"]), str(one["repository"])]))
    return cell(f"{one['at']}  {what or 'somebody'}  {end}")
