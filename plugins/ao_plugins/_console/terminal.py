"""The terminal in raw mode, and the one place where the worker waits."""

import os
import selectors
import signal
import sys
import termios
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

from ao_plugins._console.asides import Asides
from ao_plugins._console.keys import Key, Keyboard

_ESCAPE_WAIT = 0.05
_ON, _OFF = "\x1b[?2004h", "\x1b[?2004l\x1b[?25h\r\n"


class Reader(Protocol):
    """Whoever is told what happened. `due` is when it wants to be woken."""

    over: int | None

    @property
    def due(self) -> float | None: ...
    def key(self, key: Key) -> None: ...
    def wake(self) -> None: ...
    def resized(self) -> None: ...
    def paint(self) -> None: ...


class Terminal:
    """Waits for keys, for a moment, for a change of size, and for work done on threads."""

    def __init__(self, *, shared: bool = False) -> None:
        """`shared`: others write to it as well, who count on what a terminal makes of a newline."""
        self._shared = shared
        self._asides = Asides()
        self._keyboard = Keyboard()

    def write(self, text: str) -> None:
        """Put text on the screen."""
        data = text.encode(errors="replace")
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]

    def aside(self, work: Callable[[], Callable[[], None]]) -> None:
        """Do something on a thread; what it returns is called here afterwards."""
        self._asides.do(work)

    def call(self, then: Callable[[], None]) -> None:
        """Have this called from where it waits; for handlers of signals."""
        self._asides.call(then)

    def serve(self, reader: Reader, begin: Callable[[], None]) -> int:
        """Begin once keys and pastes are told apart, and go on until the reader has had enough;
        returns its status.
        """
        with self._raw(), self._signals(reader), self._selector() as selector:
            self.write(_ON)
            try:
                begin()
                while reader.over is None:
                    reader.paint()
                    self._turn(selector, reader)
            finally:
                self.write(_OFF)
        return reader.over

    def _turn(self, selector: selectors.BaseSelector, reader: Reader) -> None:
        ready = selector.select(self._pause(reader))
        for key, _ in ready:
            self._read(key.fd, reader)
        if not ready:
            for escape in self._keyboard.settle():
                reader.key(escape)
        if reader.due is not None and reader.due <= monotonic():
            reader.wake()

    def _pause(self, reader: Reader) -> float | None:
        pauses = [_ESCAPE_WAIT] if self._keyboard.undecided else []
        if reader.due is not None:
            pauses.append(max(0.0, reader.due - monotonic()))
        return min(pauses, default=None)

    def _read(self, descriptor: int, reader: Reader) -> None:
        if descriptor == self._asides.read_end:
            return self._asides.settle()
        data = os.read(descriptor, 65536)
        if not data:
            reader.over = 0
        for key in self._keyboard.feed(data):
            reader.key(key)

    def _selector(self) -> selectors.DefaultSelector:
        selector = selectors.DefaultSelector()
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(self._asides.read_end, selectors.EVENT_READ)
        return selector

    @contextmanager
    def _signals(self, reader: Reader) -> Generator[None]:
        def changed(_signal: int, _frame: object) -> None:
            self._asides.call(reader.resized)

        before = signal.signal(signal.SIGWINCH, changed)
        woken = signal.set_wakeup_fd(self._asides.write_end, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken)
            signal.signal(signal.SIGWINCH, before)

    @contextmanager
    def _raw(self) -> Generator[None]:
        descriptor = sys.stdin.fileno()
        if not os.isatty(descriptor):
            yield
            return
        before = termios.tcgetattr(descriptor)
        tty.setraw(descriptor, termios.TCSANOW)  # what was typed already is kept
        if self._shared:
            mode = termios.tcgetattr(descriptor)
            mode[1] |= termios.OPOST | termios.ONLCR
            termios.tcsetattr(descriptor, termios.TCSANOW, mode)
        try:
            yield
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
