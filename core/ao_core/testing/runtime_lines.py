"""What runtimes must do that hold programs by their pipes.

Inherit `PipedContract`. Its fixtures: `runtime` (opened, and able to end a host: `end_host`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.slots.runtime import Command, Direction, Entry, Line, Piped, Runtime, Start
from ao_core.testing.runtime import ENV, python

ECHO = """
import os
while data := os.read(0, 65536):
    os.write(1, b"<" + data + b">")
"""


def transcript(entries: list[Entry]) -> list[tuple[Direction, bytes]]:
    """Who said what, pieces of one speaker joined."""
    told: list[tuple[Direction, bytes]] = []
    for entry in entries:
        if told and told[-1][0] is entry.direction:
            told[-1] = (entry.direction, told[-1][1] + entry.data)
        else:
            told.append((entry.direction, entry.data))
    return told


async def heard_until(line: Line, text: bytes) -> list[Entry]:
    """The entries up to the one with which the program has said a text."""
    found: list[Entry] = []
    with anyio.fail_after(20):
        async for entry in line.entries():
            found.append(entry)
            said = b"".join(one.data for one in found if one.direction is Direction.SAID)
            if text in said:
                return found
    raise AssertionError(f"it never said {text!r}")


async def all_of(line: Line) -> list[Entry]:
    """The entries to the end of the program."""
    with anyio.fail_after(30):
        return [entry async for entry in line.entries()]


class PipedContract:
    """Programs held by their pipes: what they say is kept, what they are told is told once."""

    @pytest.fixture
    def piped(self, runtime: Runtime[Any]) -> Piped:
        assert isinstance(runtime, Piped)
        return runtime

    @pytest.fixture
    def pipe(self, tmp_path: Path) -> Callable[..., Start]:
        def make(code: str = ECHO, *args: str, id: str = "app-1") -> Start:
            return Start(id, tmp_path, Command(python(code, *args), ENV), piped=True)

        return make

    async def test_both_directions_come_in_order(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(pipe())
        async with piped.line(handle) as line:
            assert (line.note, line.begins, line.known) == (b"", 0, 0)
            assert await line.write(b"one")
            first = await heard_until(line, b"<one>")
            assert await line.write(b"two")
            found = await heard_until(line, b"<two>")
        assert transcript(first) == [(Direction.TOLD, b"one"), (Direction.SAID, b"<one>")]
        assert transcript(found) == [
            (Direction.TOLD, b"one"),
            (Direction.SAID, b"<one>"),
            (Direction.TOLD, b"two"),
            (Direction.SAID, b"<two>"),
        ]
