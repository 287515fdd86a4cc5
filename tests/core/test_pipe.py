"""Children that are talked to line by line."""

import os
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from ao_core.errors import CommandFailed, NotInstalled
from ao_core.pipe import Pipe
from ao_core.process import alive

ENV = {"PATH": os.environ["PATH"]}
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


@dataclass
class Listener:
    lines: list[bytes] = field(default_factory=list[bytes])
    over: anyio.Event = field(default_factory=anyio.Event)
    more: anyio.Event = field(default_factory=anyio.Event)

    def hear(self, line: bytes) -> None:
        self.lines.append(line)
        self.more.set()

    async def until(self, count: int) -> list[bytes]:
        with anyio.fail_after(20):
            while len(self.lines) < count:
                self.more = anyio.Event()
                await self.more.wait()
        return self.lines


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def pipe(listener: Listener) -> AsyncGenerator[Pipe]:
    pipe = Pipe(listener.hear, listener.over.set)
    yield pipe
    await pipe.aclose()


def python(code: str, *args: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, *args]


async def test_lines_come_whole_however_they_were_sent(pipe: Pipe, listener: Listener) -> None:
    await pipe.start(python(ECHO), env=ENV)
    long = b"x" * 300_000
    for part in (b"on", b"e\ntw", b"o\n\n" + long + b"\n"):
        pipe.send(part)
    assert await listener.until(4) == [b"one", b"two", b"", long]


async def test_complaints_are_heard_and_the_end_is_told(pipe: Pipe, listener: Listener) -> None:
    await pipe.start(python("import sys; sys.stderr.write('oh no\\n')"), env=ENV)
    with anyio.fail_after(20):
        await listener.over.wait()
    assert listener.lines == [b"oh no"]
    assert pipe.ended
    pipe.send(b"too late")


async def test_closing_ends_a_child_that_will_not_listen(pipe: Pipe, listener: Listener) -> None:
    code = "import os, signal; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True)\n"
    await pipe.start(python(code + "while True: signal.pause()"), env=ENV)
    pid = int((await listener.until(1))[0])
    await pipe.aclose()
    assert not alive(pid)
    await pipe.aclose()


async def test_closing_does_not_wait_for_others_who_hold_the_output(
    pipe: Pipe, listener: Listener
) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '300'], start_new_session=True).pid"
    await pipe.start(python(code + ", flush=True); input()"), env=ENV)
    other = int((await listener.until(1))[0])
    try:
        with anyio.fail_after(1.5):
            await pipe.aclose()
            await listener.over.wait()
    finally:
        os.kill(other, signal.SIGKILL)


async def test_a_child_gets_only_the_environment_it_is_given(
    pipe: Pipe, listener: Listener, tmp_path: Path
) -> None:
    code = "import os; print(sorted(os.environ), os.getcwd())"
    await pipe.start(python(code), env={"LC_ALL": "C.UTF-8"}, cwd=tmp_path)
    assert await listener.until(1) == [f"['LC_ALL'] {tmp_path}".encode()]


async def test_a_program_that_is_missing_is_told(pipe: Pipe) -> None:
    with pytest.raises(NotInstalled, match="no-such-program"):
        await pipe.start(["no-such-program"], env=ENV)
    with pytest.raises(CommandFailed):
        await pipe.start(python("\0"), env=ENV)
    assert not pipe.ended
