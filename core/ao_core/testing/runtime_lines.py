"""What runtimes must do that hold programs by their pipes.

Inherit `PipedContract`, and give the fixtures `runtime` (opened) and `keeper`: the process that
holds a program's pipes.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from ao_core.errors import BadRequest, NotInstalled, Unavailable, WrongState
from ao_core.model.session import RuntimeHandle, RuntimeReason, RuntimeState
from ao_core.process import alive
from ao_core.slots.runtime import Command, Direction, Entry, Line, Piped, Runtime, Start
from ao_core.testing.runtime import ENV, ended, python, restarted, until

ECHO = """
import os
while data := os.read(0, 65536):
    os.write(1, b"<" + data + b">")
"""
RECORD_LINES = """
import sys
with open("heard", "ab", 0) as file:
    for line in sys.stdin.buffer:
        file.write(line)
        print("heard", line[:8].decode(), flush=True)
"""
POUR = """
import os, sys
left, block = int(sys.argv[1]), bytes(range(256)) * 256
with open(1, "wb", 0, closefd=False) as out:
    while left:
        left -= out.write(block[:left])
open("poured", "w").close()
sys.stdin.read()
"""

# An engine of its own: it starts an agent, or takes over one, and writes numbered lines to it.
_ENGINE = """
import importlib, itertools, json, sys
from pathlib import Path
import anyio
from ao_core.plugin import Scope
from ao_core.slots.runtime import Command, Start

async def main(told):
    kind = getattr(importlib.import_module(told["module"]), told["name"])
    config = kind.config_type.model_validate(told["config"])
    scope = Scope(state=Path(told["state"]), environment=told["environment"])
    async with kind(config, scope) as runtime:
        command = Command(tuple(told["argv"]), told["env"])
        handle = await runtime.create(Start("app-1", Path(told["at"]), command, piped=True))
        print("started", flush=True)
        async with runtime.line(handle) as line:
            for number in itertools.count(1):
                assert await line.write(b"%07d %s\\n" % (number, b"x" * told["size"]))

anyio.run(main, json.loads(sys.argv[1]))
"""


def said(entries: list[Entry]) -> bytes:
    """All that the program said."""
    return b"".join(one.data for one in entries if one.direction is Direction.SAID)


def told(entries: list[Entry]) -> list[bytes]:
    """What the program was told, piece by piece."""
    return [one.data for one in entries if one.direction is Direction.TOLD]


async def heard_until(line: Line, text: bytes) -> list[Entry]:
    """The entries up to the one with which the program has said a text."""
    found: list[Entry] = []
    with anyio.fail_after(20):
        async with aclosing(line.entries()) as entries:
            async for entry in entries:
                found.append(entry)
                if text in said(found):
                    return found
    raise AssertionError(f"it never said {text!r}")


async def all_of(line: Line) -> list[Entry]:
    """The entries to the end of the program."""
    with anyio.fail_after(30):
        return [entry async for entry in line.entries()]


@asynccontextmanager
async def another_engine(
    runtime: Runtime[Any], start: Start, size: int = 10
) -> AsyncGenerator["subprocess.Popen[bytes]"]:
    """A process that starts an agent by itself and writes to it for as long as it may."""
    kind, scope = type(runtime), runtime.scope
    order = {
        "module": kind.__module__, "name": kind.__name__, "size": size,
        "config": runtime.config.model_dump(mode="json"), "state": str(scope.state),
        "environment": dict(scope.environment), "argv": start.command.argv,
        "env": dict(start.command.env), "at": str(start.workspace),
    }  # fmt: skip
    engine = await anyio.to_thread.run_sync(
        lambda: subprocess.Popen(
            [sys.executable, "-c", _ENGINE, json.dumps(order)],
            stdout=subprocess.PIPE, start_new_session=True,
        )
    )  # fmt: skip
    assert engine.stdout
    try:
        assert await anyio.to_thread.run_sync(engine.stdout.readline) == b"started\n"
        yield engine
    finally:
        engine.kill()
        engine.communicate()


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
            await heard_until(line, b"<one>")
            assert await line.write(b"two")
            found = await heard_until(line, b"<two>")
        order = [Direction.TOLD, Direction.SAID, Direction.TOLD, Direction.SAID]
        assert [one.data for one in found] == [b"one", b"<one>", b"two", b"<two>"]
        assert [one.direction for one in found] == order
        ends = [one.end for one in found]
        assert ends == sorted({*ends})

    async def test_a_piped_program_has_no_terminal(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start]
    ) -> None:
        code = "import os; print([os.isatty(n) for n in range(3)], 'TERM' in os.environ)"
        async with piped.line(await runtime.create(pipe(code))) as line:
            assert said(await all_of(line)) == b"[False, False, False] False\n"

    async def test_another_engine_is_told_all_of_it_again_and_speaks_on(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(pipe())
        async with piped.line(handle) as line:
            await line.write(b"one")
            before = await heard_until(line, b"<one>")
        async with restarted(runtime) as other:
            assert isinstance(other, Piped)
            async with other.line(handle) as line:
                assert line.known == before[-1].end
                assert await heard_until(line, b"<one>") == before
                assert await line.write(b"two")
                assert said(await heard_until(line, b"<two>")) == b"<one><two>"

    async def test_what_is_marked_is_told_no_more_and_the_note_stands_for_it(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start]
    ) -> None:
        handle, note = await runtime.create(pipe()), os.urandom(1 << 20)
        async with piped.line(handle) as line:
            await line.write(b"one")
            end = (await heard_until(line, b"<one>"))[-1].end
            await line.mark(end, note)
            assert await line.write(b"two")
            with pytest.raises(BadRequest):
                await line.mark(end, note + b"x")
        async with restarted(runtime) as other:
            assert isinstance(other, Piped)
            async with other.line(handle) as line:
                assert (line.note, line.begins) == (note, end)
                found = await heard_until(line, b"<two>")
                assert (told(found), said(found)) == ([b"two"], b"<two>")

    async def test_a_write_by_who_has_not_seen_the_last_one_is_refused(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(pipe())
        async with restarted(runtime) as other, piped.line(handle) as late:
            assert isinstance(other, Piped)
            async with other.line(handle) as line:
                assert await line.write(b"[1]")
                assert await line.write(b"[2]")  # its own are no surprise
                assert not await late.write(b"late")
                assert b"[1][2]" in b"".join(told(await heard_until(late, b"[2]")))
                assert await late.write(b"[3]")
                assert not await line.write(b"late")
                found = await heard_until(line, b"[3]")
        assert told(found) == [b"[1]", b"[2]", b"[3]"]

    async def test_the_log_of_the_dead_can_be_read_and_marked_but_they_are_told_nothing(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(pipe("print('last words', flush=True); input()"))
        async with piped.line(handle) as line:
            await line.write(b"go\n")
            found = await all_of(line)
        await ended(runtime, handle)
        async with piped.line(handle) as line:
            assert (line.begins, line.known) == (0, found[-1].end)
            assert await all_of(line) == found
            assert (told(found), said(found)) == ([b"go\n"], b"last words\n")
            with pytest.raises(WrongState):
                await line.write(b"x")
            await line.mark(line.known, b"note")
        async with piped.line(handle) as line:
            assert (line.note, await all_of(line)) == (b"note", [])
        await runtime.destroy(handle)
        with pytest.raises(WrongState):
            async with piped.line(handle):
                raise AssertionError("there is no line to the gone")

    async def test_what_follows_comes_while_one_waits_and_ends_with_the_program(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(pipe())
        found: list[Entry] = []
        async with piped.line(handle) as line, anyio.create_task_group() as group:

            async def listen() -> None:
                found.extend(await all_of(line))

            group.start_soon(listen)
            for text in (b"[1]", b"[2]", b"[3]"):
                assert await line.write(text)
            await heard_until(line, b"[3]")
            os.kill(await _pid(runtime, handle), signal.SIGTERM)
        assert b"[3]>" in said(found)

    async def test_who_does_not_read_on_holds_up_nobody(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start],
        keeper: Callable[[RuntimeHandle], int], tmp_path: Path,
    ) -> None:  # fmt: skip
        size = 20_000_000
        handle = await runtime.create(pipe(POUR, str(size)))
        async with piped.line(handle) as idle, piped.line(handle) as line:
            entries = idle.entries()
            await anext(entries)
            seen = 0
            async with aclosing(line.entries()) as moving:
                with anyio.fail_after(30):
                    while seen < size:
                        seen += len((await anext(moving)).data)
            await until(anyio.Path(tmp_path / "poured").exists)
            assert psutil.Process(keeper(handle)).memory_info().rss < 30_000_000
            await entries.aclose()

    async def test_fifty_megabytes_come_through_unchanged(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start]
    ) -> None:
        size, seen, heard = 50_000_000, 0, hashlib.sha256()
        handle = await runtime.create(pipe(POUR, str(size)))
        async with piped.line(handle) as line, aclosing(line.entries()) as entries:
            with anyio.fail_after(40):
                while seen < size:
                    entry = await anext(entries)
                    heard.update(entry.data)
                    seen += len(entry.data)
                    if seen % 10_000_000 < len(entry.data):
                        await line.mark(entry.end, b"so far")
        block = bytes(range(256)) * 256
        whole = hashlib.sha256((block * (size // len(block) + 1))[:size])
        assert (seen, heard.digest()) == (size, whole.digest())

    async def test_a_message_of_megabytes_arrives_whole(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start], tmp_path: Path
    ) -> None:
        handle = await runtime.create(pipe(RECORD_LINES))
        message = b"0000001 " + b"y" * 5_000_000 + b"\n"
        async with piped.line(handle) as line:
            assert await line.write(message)
            assert told(await heard_until(line, b"heard 0000001")) == [message]
        assert (tmp_path / "heard").read_bytes() == message

    async def test_a_program_whose_keeper_was_killed_is_known_for_lost_and_ended(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start],
        keeper: Callable[[RuntimeHandle], int],
    ) -> None:  # fmt: skip
        code = "import signal, subprocess, sys\nprint('made', flush=True)\n"
        code += "subprocess.run(['sleep', '300'], start_new_session=True)"
        handle = await runtime.create(pipe(code))
        async with piped.line(handle) as line:
            await heard_until(line, b"made")
            program = psutil.Process(await _pid(runtime, handle))
            await until(lambda: _has_child(program))
            tree = [program.pid, *(child.pid for child in program.children())]
            os.kill(keeper(handle), signal.SIGKILL)
            with pytest.raises(Unavailable):
                await all_of(line)
            seen = (await runtime.look([handle]))[handle.id]
            assert (seen.state, seen.reason) == (RuntimeState.EXITED, RuntimeReason.HOST_LOST)
            assert [pid for pid in tree if alive(pid)] == []
            with pytest.raises(WrongState):
                await line.write(b"x")
        async with piped.line(handle) as line, aclosing(line.entries()) as entries:
            assert (await anext(entries)).data == b"made\n"

    @pytest.mark.parametrize("size", [10, 200_000])
    async def test_what_a_killed_engine_wrote_is_told_once_or_not_at_all(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start],
        tmp_path: Path, size: int,
    ) -> None:  # fmt: skip
        async with another_engine(runtime, pipe(RECORD_LINES), size) as engine:
            path = anyio.Path(tmp_path / "heard")

            async def some() -> bool:
                return await path.exists() and (await path.stat()).st_size > 3 * size + 300

            await until(some)
            os.kill(engine.pid, signal.SIGKILL)
        handle = await runtime.find("app-1")
        assert handle
        async with piped.line(handle) as line:
            last = b"%07d %s\n" % (9_999_999, b"x" * size)
            while not await line.write(last):
                await all_known(line)
            messages = told(await heard_until(line, b"heard 9999999"))
        numbers = [*range(1, len(messages)), 9_999_999]
        assert messages == [b"%07d %s\n" % (number, b"x" * size) for number in numbers]
        assert (tmp_path / "heard").read_bytes() == b"".join(messages)

    async def test_the_end_of_whoever_started_it_is_nothing_to_a_program(
        self, runtime: Runtime[Any], piped: Piped, pipe: Callable[..., Start]
    ) -> None:
        async with another_engine(runtime, pipe()) as engine:
            os.killpg(engine.pid, signal.SIGKILL)
            await anyio.to_thread.run_sync(engine.wait)
        handle = await runtime.find("app-1")
        assert handle
        assert await runtime.alive(handle)
        async with piped.line(handle) as line:
            while not await line.write(b"[still there]"):
                await all_known(line)
            await heard_until(line, b"[still there]")

    async def test_a_program_that_cannot_be_started_leaves_nothing(
        self, runtime: Runtime[Any], pipe: Callable[..., Start], tmp_path: Path
    ) -> None:
        start = Start("app-1", tmp_path, Command(("no-such-agent",), ENV), piped=True)
        with pytest.raises(NotInstalled, match="no-such-agent"):
            await runtime.create(start)
        assert await runtime.find("app-1") is None


async def all_known(line: Line) -> None:
    """Read what there is, as one does who has come late."""
    async with aclosing(line.entries()) as entries:
        with anyio.move_on_after(0.2):
            async for _ in entries:
                pass


async def _has_child(process: psutil.Process) -> bool:
    return bool(process.children())


async def _pid(runtime: Runtime[Any], handle: RuntimeHandle) -> int:
    pid = (await runtime.look([handle]))[handle.id].pid
    assert pid
    return pid
