"""`ao restart`: an engine of this version in place of the one that runs. No agent ends by it."""

import signal
import time
from dataclasses import asdict, dataclass

import click

from ao_core.errors import TimedOut, VersionMismatch
from ao_mcp import __version__
from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.ending import DEADLINE, await_end, watched
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import CALL_DEADLINE, Place, pass_place
from ao_mcp.cli.working import Working

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Restarted:
    """The engine that was ended, if one ran, and the one that runs now."""

    previous: str | None
    version: str
    pid: int
    home: str
    live: int


@click.command("restart")
@json_option
@pass_place
def command(place: Place, machine: bool) -> int:
    """Put an engine of this version in place; agents go on."""
    with Working("" if machine else "starting the engine again"):
        done = _restart(place)
    click.echo(as_json(asdict(done)) if machine else _said(done))
    return FINE


def _restart(place: Place) -> Restarted:
    previous = _end(place)
    for _ in range(_TRIES):
        if done := _begun(place, previous):
            return done
    message = "Clients of another version start their own engine again and again."
    raise VersionMismatch(message, hint="Upgrade or close them, then run `ao restart` again.")


def _begun(place: Place, previous: str | None) -> Restarted | None:
    """Start ours; None where a client of another version was faster, whose engine is ended."""
    try:
        with place.connect() as connection:
            version = connection.greeting.version
            if version == __version__:
                engine = connection.call("about", {}, CALL_DEADLINE)
                live, home = engine["live"], engine["home"]
                return Restarted(previous, version, engine["pid"], home, live)
    except VersionMismatch:
        if _end(place) is None:  # it is no engine that stands in the way, but the store
            raise
        return None
    _end(place)
    return None


def _end(place: Place) -> str | None:
    """End the engine that runs; its version, None where there is none."""
    try:
        connection = place.connect_running()
    except VersionMismatch:  # only its protocol is unknown to us; the process can be ended
        return _end_unheard(place)
    if connection is None:
        return _end_unheard(place)
    with connection, watched(connection.call("about", {}, CALL_DEADLINE)["pid"]) as process:
        process.signal(signal.SIGTERM)
        await_end(connection, process)
    return connection.greeting.version


def _end_unheard(place: Place) -> str | None:
    """End an engine that cannot be talked to, by what the home tells of it."""
    from ao_core.engine.home import running

    told = running(place.home)
    if told is None or not told.lives:
        return None
    with watched(told.pid) as process:
        process.signal(signal.SIGTERM)
        if not process.ended(time.monotonic() + DEADLINE):
            message = f"The engine, process {told.pid}, neither answers nor ends."
            hint = f"`kill -9 {told.pid}`, then `ao start`: the next engine takes up its agents."
            raise TimedOut(message, hint=hint)
    return told.version


def _said(done: Restarted) -> str:
    """What was done, for people."""
    if done.previous is None:
        said = f"No engine ran; version {done.version} was started"
    elif done.previous == done.version:
        said = f"The engine was started again: version {done.version}"
    else:
        said = f"The engine went from version {done.previous} to {done.version}"
    agents = {0: "no agent runs", 1: "1 agent goes on"}.get(done.live, f"{done.live} agents go on")
    return f"{said}, process {done.pid}; {agents}."
