"""The team as it changes. Each change is heard from `wait`; nothing is asked for by the clock."""

import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

import click

from ao_core.errors import AoError
from ao_core.wire import Connection, Message
from ao_mcp.cli.blocks import Block, Text
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.place import CALL_DEADLINE
from ao_mcp.cli.screen import console, on_terminal, renderable
from ao_mcp.cli.team import put, snapshot, view

_PATIENCE = 45.0
_EVENTS_SHOWN = 8


def watch(connection: Connection, project: str | None, *, machine: bool) -> int:
    """Show every change until the person has seen enough."""
    states = changes(connection, project)
    with suppress(KeyboardInterrupt):
        if machine or not (on_terminal() and sys.stdin.isatty()):
            for state in states:
                _print(state, machine=machine)
        else:
            _live(connection, states)
    return FINE


def changes(connection: Connection, project: str | None) -> Iterator[Message]:
    """A snapshot now, and one after each change, with the latest events."""
    events: list[str] = []
    state: Message = {**snapshot(connection, project), "events": events}
    cursor = state["engine"]["events"]  # was read before the sessions: nothing falls between
    while True:
        yield state
        news: Message = {"reached": False}
        while not news["reached"]:
            asked = {"until": "any", "cursor": cursor, "seconds": _PATIENCE}
            news = connection.call("wait", asked, CALL_DEADLINE)
            cursor = news["cursor"]
        events = [*events, *news["events"]][-_EVENTS_SHOWN:]
        state = {**snapshot(connection, project), "events": events}


def _print(state: Message, *, machine: bool) -> None:
    if machine:
        click.echo(json.dumps(state))
    else:
        put(state, machine=False)
        click.echo()
    sys.stdout.flush()


def _live(connection: Connection, states: Iterator[Message]) -> None:
    from rich.live import Live

    with _bell() as (ring, heard), _keys(), _told_of_ends():
        feed = _Feed(states, ring)
        feed.start()
        try:
            with Live(console=console(), screen=True, auto_refresh=False) as live:
                while (state := feed.latest()) is not None:
                    live.update(renderable(_page(state)), refresh=True)
                    if _leaves(heard):
                        return
        finally:
            feed.end(connection)
    feed.complain()


def _page(state: Message) -> list[Block]:
    if not state:
        return [Text("…")]
    events = [Text("\n".join(state["events"]), "dim")] if state["events"] else []
    return [*view(state), Text("q ends this view, and nothing else", "dim"), *events]


def _leaves(heard: int) -> bool:
    """Wait for news, a key or another size of the window; whether the key was `q`."""
    ready, _, _ = select.select([sys.stdin, heard], [], [])
    if heard in ready:
        os.read(heard, 4096)
    # nothing to read though there is something: the terminal is gone
    return sys.stdin in ready and os.read(sys.stdin.fileno(), 64)[:1] in (b"q", b"Q", b"")


class _Feed(threading.Thread):
    """Reads the changes, as the terminal cannot be watched while a call is waited for."""

    def __init__(self, states: Iterator[Message], ring: int) -> None:
        super().__init__(daemon=True)
        self._states, self._ring = states, ring
        self._arrived: SimpleQueue[Message | None] = SimpleQueue()
        self._last: Message | None = {}
        self._error: AoError | None = None
        self._ended = False

    def run(self) -> None:
        """Put every change, then None."""
        try:
            for state in self._states:
                self._put(state)
        except AoError as error:
            self._error = None if self._ended else error
        self._put(None)

    def latest(self) -> Message | None:
        """The last change so far; None where there will be no more."""
        with suppress(Empty):
            while True:
                self._last = self._arrived.get_nowait()
        return self._last

    def end(self, connection: Connection) -> None:
        """Hang up, which ends the call that is waited for."""
        self._ended = True
        opened, _ = connection.detach()
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
        self.join()

    def complain(self) -> None:
        """Raise what ended it, unless we did."""
        if self._error:
            raise self._error

    def _put(self, state: Message | None) -> None:
        self._arrived.put(state)
        with suppress(BlockingIOError):  # it rings already
            os.write(self._ring, b".")


@contextmanager
def _bell() -> Generator[tuple[int, int]]:
    """A pipe: its first end rings, the other hears. A resized window rings it as well."""
    heard, ring = os.pipe()
    os.set_blocking(ring, False)
    before = signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    resized = signal.signal(signal.SIGWINCH, _nothing)
    try:
        yield ring, heard
    finally:
        signal.signal(signal.SIGWINCH, resized)
        signal.set_wakeup_fd(before)
        os.close(heard)
        os.close(ring)


def _nothing(number: int, frame: object) -> None:
    """A signal with a handler wakes; one without does not."""


@contextmanager
def _keys() -> Generator[None]:
    """Keys come at once and are not shown; the terminal is put back afterwards."""
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


@contextmanager
def _told_of_ends() -> Generator[None]:
    """An end by signal leaves the terminal as clean as `q` does."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, leave) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
