"""The team and its engine at one moment, and how that is shown."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from ao_core.wire import Connection, Message
from ao_mcp.cli.blocks import Block, Text, as_json
from ao_mcp.cli.place import CALL_DEADLINE
from ao_mcp.cli.render import team
from ao_mcp.cli.screen import show

_PAGE = 500


def snapshot(connection: Connection, project: str | None = None) -> Message:
    """The engine's facts, the projects and the sessions that have not ended."""
    engine = connection.call("about", {}, CALL_DEADLINE)
    engine["version"] = connection.greeting.version
    asked: dict[str, object] = {"limit": _PAGE, "project": project}
    listed = connection.call("list", asked, CALL_DEADLINE)
    sessions, after = listed["sessions"], listed["next"]
    while after:
        page = connection.call("list", {**asked, "cursor": after}, CALL_DEADLINE)
        sessions, after = [*sessions, *page["sessions"]], page["next"]
    return {"engine": engine, "projects": listed["projects"], "sessions": sessions}


def view(state: Message) -> Sequence[Block]:
    """The team, and a line about its engine."""
    if state["engine"] is None:
        return [Text("The engine is not running. `ao start` starts it and shows its team.")]
    team_now = team(state["sessions"]) if state["sessions"] else Text("No workers.")
    return [team_now, Text(_engine(state["engine"]), "dim")]


def put(state: Message, *, machine: bool) -> None:
    """Show a snapshot."""
    if machine:
        click.echo(as_json(state))
    else:
        show(view(state))


def _engine(engine: Mapping[str, Any]) -> str:
    sessions = f"{engine['live']} live of {engine['sessions']} sessions"
    known = (
        f"engine {engine['version']}, process {engine['pid']}, {sessions}, home {engine['home']}"
    )
    if url := engine.get("http"):
        return f"{known}, HTTP at {url}"
    return f"{known}, no HTTP: {engine['http_problem']}" if engine.get("http_problem") else known
