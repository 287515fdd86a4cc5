"""`ao restart`: an engine of this version in place of the one that runs. No agent ends by it.

The home's lock goes from the old engine through this command to the new one, so that no client of
another version starts an engine of its own in between.
"""

import select
import signal
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from ao_core.errors import TimedOut
from ao_mcp import start
from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.ending import DEADLINE, watched
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import CALL_DEADLINE, Place, pass_place
from ao_mcp.cli.working import Working

if TYPE_CHECKING:
    from ao_core.engine.home import Running
    from ao_core.files import FileLock

_PAUSE = 0.002


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
    previous, lock = _seized(place)
    with lock:
        until = time.monotonic() + start.START_DEADLINE
        start.start_engine(place.home, place.environment, until, lock.descriptor)
    with place.connect() as connection:
        engine = connection.call("about", {}, CALL_DEADLINE)
        version = connection.greeting.version
    return Restarted(previous, version, engine["pid"], engine["home"], engine["live"])


def _seized(place: Place) -> "tuple[str | None, FileLock]":
    """End the engine that runs and take the home's lock; tells which version ended."""
    from ao_core.engine.home import running, take

    ended: list[Running] = []
    until = time.monotonic() + DEADLINE
    while (lock := take(place.home)) is None:
        told = running(place.home)
        if told and told not in ended and _asked_to_end(told):
            ended.append(told)
        if time.monotonic() > until:
            raise _stubborn(*(one.pid for one in ended))
        # not until its process ends: the lock goes before that, and clients want it as well
        select.select([], [], [], _PAUSE)
    return next((one.version for one in ended), None), lock


def _asked_to_end(told: "Running") -> bool:
    """Tell an engine to end, if it is the one that was told of."""
    with watched(told.pid) as process:  # from here on, nobody else can take its number
        if told.lives:
            process.signal(signal.SIGTERM)  # which needs no protocol that both of us speak
            return True
    return False


def _stubborn(*pids: int) -> TimedOut:
    who = f", process {pids[-1]}," if pids else ""
    hint = "See the end of `ao logs --engine`."
    if pids:
        hint = f"`kill -9 {pids[-1]}`, then `ao start`: the next engine takes up its agents."
    return TimedOut(f"The engine{who} did not end within {DEADLINE:g} s.", hint=hint)


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
