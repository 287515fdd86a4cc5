"""`ao logs`: the journal's end, and what comes after it."""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import click

from ao_core.wire import Connection, Message
from ao_mcp.cli.blocks import Text, as_json
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import CALL_DEADLINE, Place, pass_place
from ao_mcp.cli.screen import show

_PAGE = 1_000
_PATIENCE = 45.0


@click.command("logs")
@click.argument("session", required=False)
@click.option("-n", "count", default=50, show_default=True, type=click.IntRange(0, 100_000),
              help="How many lines.")  # fmt: skip
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from here on.")
@click.option("--engine", is_flag=True, help="The end of the engine's own log instead.")
@json_option
@pass_place
def command(
    place: Place, session: str | None, count: int, follow: bool, engine: bool, machine: bool
) -> int:
    """Show what happened, to all or to one SESSION."""
    if engine:
        if session:
            raise click.UsageError("`--engine` is about no session.")
        return _engine(place, count, follow, machine)
    with place.connect() as connection:
        lines, cursor = _last(connection, session, count)
        if not follow:
            _put({"lines": lines, "cursor": cursor}, machine=machine)
            return FINE
        _stream(lines, machine=machine)
        with suppress(KeyboardInterrupt):
            for coming in _coming(connection, session, cursor):
                _stream(coming, machine=machine)
    return FINE


def _engine(place: Place, count: int, follow: bool, machine: bool) -> int:
    from ao_mcp.cli.engine_log import EngineLog

    with EngineLog(place.home / "engine.log") as log:
        lines = log.last(count)
        if not follow:
            _put({"lines": lines}, machine=machine)
            return FINE
        _stream(lines, machine=machine)
        with suppress(KeyboardInterrupt):
            for coming in log.coming():
                _stream(coming, machine=machine)
    return FINE


def _last(connection: Connection, session: str | None, count: int) -> tuple[list[str], int]:
    """The last lines, and where they end."""
    after = 0
    if session is None:
        engine = connection.call("about", {}, CALL_DEADLINE)
        after = max(0, engine["events"] - count)
        if after < engine.get("first", 1) - 1:  # they are no longer all kept
            after = 0
    else:
        connection.call("show", {"session": session}, CALL_DEADLINE)  # raises if there is none
    kept: deque[str] = deque(maxlen=count)
    for page in _pages(connection, session, after):
        kept.extend(page["lines"])
        after = page["cursor"]
    return list(kept), after


def _pages(connection: Connection, session: str | None, after: int) -> Iterator[Message]:
    full = True
    while full:
        asked: Mapping[str, object] = {"after": after, "limit": _PAGE, "session": session}
        page = connection.call("events", asked, CALL_DEADLINE)
        yield page
        after, full = page["cursor"], len(page["lines"]) == _PAGE


def _coming(connection: Connection, session: str | None, cursor: int) -> Iterator[list[str]]:
    """Lines as they are written. `wait` is the bell; the journal is read from the cursor on."""
    sessions = [session] if session else []
    while True:
        asked = {"sessions": sessions, "until": "any", "cursor": cursor, "seconds": _PATIENCE}
        connection.call("wait", asked, CALL_DEADLINE)
        for page in _pages(connection, session, cursor):
            cursor = page["cursor"]
            yield page["lines"]


def _put(reply: Message, *, machine: bool) -> None:
    if machine:
        click.echo(as_json(reply))
    else:
        show([Text("\n".join(reply["lines"]))])


def _stream(lines: Sequence[str], *, machine: bool) -> None:
    if machine:
        for line in lines:
            click.echo(json.dumps({"line": line}))
    elif lines:
        show([Text("\n".join(lines))])
