"""Starting programs without naming what they are told: the stub and its launcher."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from ao_core import exec_stub
from ao_core.errors import AoError, BadRequest, CommandFailed, NotInstalled, TimedOut
from ao_core.launchpad import Launchpad, launchpad
from ao_core.slots.runtime import Command

PATH = os.environ["PATH"]
REPORT = (
    "import json, os, sys; print(json.dumps("
    "[sys.argv[1:], dict(os.environ), os.getcwd(), os.listdir('/proc/self/fd')]))"
)

LIBC_OWN = 0b11 << 31  # signals 32 and 33, which no program can set


@pytest.fixture
def folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="ao-") as short:
        yield Path(short)


@dataclass
class Launch:
    pad: Launchpad
    process: subprocess.Popen[bytes]


@asynccontextmanager
async def launched(folder: Path, command: Command, cwd: Path) -> AsyncGenerator[Launch]:
    """A stub under way, with a blocked signal and a descriptor that it must not pass on."""
    reading, writing = os.pipe()
    async with launchpad(folder, command, cwd) as pad:
        process = await anyio.to_thread.run_sync(
            lambda: subprocess.Popen(
                pad.argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[writing],
                env={"AO_LEAK": "x", "PATH": PATH},
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
            )
        )  # fmt: skip
        try:
            yield Launch(pad, process)
        finally:
            process.kill()
            process.communicate()
            os.close(reading)
            os.close(writing)


def python(code: str, *args: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code, *args)


async def test_the_program_gets_what_it_was_to_be_told_and_nothing_else(
    folder: Path, tmp_path: Path
) -> None:
    env = {"LC_ALL": "C.UTF-8", "EMPTY": "", "NASTY": "ü\n$HOME '\"\udc80"}
    async with launched(folder, Command(python(REPORT, "a b", "", "é\n"), env), tmp_path) as one:
        await one.pad.started(20)
        out, _ = await anyio.to_thread.run_sync(one.process.communicate)
    argv, seen, cwd, descriptors = json.loads(out)
    assert (argv, seen, cwd) == (["a b", "", "é\n"], env, str(tmp_path))
    assert len(descriptors) == 4  # the three, and the listing's own


async def test_signals_are_as_programs_expect_them(folder: Path, tmp_path: Path) -> None:
    command = Command(("grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"), {"PATH": PATH})
    async with launched(folder, command, tmp_path) as one:
        await one.pad.started(20)
        out, _ = await anyio.to_thread.run_sync(one.process.communicate)
    blocked, ignored = (int(line.split()[1], 16) for line in out.splitlines())
    assert (blocked | ignored) & ~LIBC_OWN == 0


async def test_no_value_is_on_the_stubs_command_line_or_in_a_file(
    folder: Path, tmp_path: Path
) -> None:
    command = Command(("sleep", "300"), {"PATH": PATH, "TOKEN": "never-seen"})
    async with launched(folder, command, tmp_path) as one:
        assert "never-seen" not in " ".join(one.pad.argv)
        assert "300" not in one.pad.argv
        assert [name for name in os.listdir(folder) if (folder / name).is_file()] == []
        await one.pad.started(20)


async def test_the_socket_is_ours_alone_and_works_once(folder: Path, tmp_path: Path) -> None:
    async with launched(folder, Command(("sleep", "300"), {"PATH": PATH}), tmp_path) as one:
        path = one.pad.argv[-1]
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
        await one.pad.started(20)
        with socket.socket(socket.AF_UNIX) as late, pytest.raises(FileNotFoundError):
            late.connect(path)
    assert os.listdir(folder) == []


async def test_another_user_is_given_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_core.platform.peer_uid", _somebody_else)
    async with launched(folder, Command(python("print('ran')")), tmp_path) as one:
        with pytest.raises(CommandFailed, match="another user"):
            await one.pad.started(20)
        out, _ = await anyio.to_thread.run_sync(one.process.communicate)
    assert out == b""


@pytest.mark.parametrize(
    ("argv", "env", "error", "status"),
    [
        (("no-such-program",), {"PATH": PATH}, NotInstalled, exec_stub.NOT_FOUND),
        (("ls",), {"PATH": "/nowhere"}, NotInstalled, exec_stub.NOT_FOUND),
        (("./plain",), {"PATH": PATH}, NotInstalled, exec_stub.NOT_RUNNABLE),
        (("./folder",), {"PATH": PATH}, NotInstalled, exec_stub.NOT_RUNNABLE),
        (("./no-shebang",), {"PATH": PATH}, CommandFailed, exec_stub.NOT_RUNNABLE),
        (("true", "x" * 4_000_000), {"PATH": PATH}, CommandFailed, exec_stub.NOT_RUNNABLE),
    ],
)
async def test_what_cannot_be_run_is_told_with_the_reason(
    folder: Path, tmp_path: Path, argv: tuple[str, ...], env: dict[str, str],
    error: type[AoError], status: int,
) -> None:  # fmt: skip
    (tmp_path / "plain").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "no-shebang").write_text("echo ran")
    (tmp_path / "no-shebang").chmod(0o755)
    async with launched(folder, Command(argv, env), tmp_path) as one:
        with pytest.raises(error) as caught:
            await one.pad.started(20)
        await anyio.to_thread.run_sync(one.process.communicate)
    assert type(caught.value) is error
    assert Path(argv[0]).name in caught.value.message
    assert one.process.returncode == status


async def test_a_folder_that_is_missing_is_told(folder: Path, tmp_path: Path) -> None:
    async with launched(folder, Command(("ls",), {"PATH": PATH}), tmp_path / "gone") as one:
        with pytest.raises(CommandFailed, match="in its folder"):
            await one.pad.started(20)


async def test_a_stub_that_dies_is_not_taken_for_a_program_that_runs(
    folder: Path, tmp_path: Path
) -> None:
    async with launchpad(folder, Command(("true",)), tmp_path) as pad:
        with socket.socket(socket.AF_UNIX) as impostor:
            impostor.connect(pad.argv[-1])
        with pytest.raises(CommandFailed, match="ended before it could start"):
            await pad.started(20)


async def test_a_stub_that_never_comes_is_not_waited_for_in_vain(
    folder: Path, tmp_path: Path
) -> None:
    async with launchpad(folder, Command(("true",)), tmp_path) as pad:
        with pytest.raises(TimedOut):
            await pad.started(0.05)
    assert os.listdir(folder) == []


async def test_a_stub_that_comes_too_late_runs_nothing(folder: Path, tmp_path: Path) -> None:
    async with launched(folder, Command(python("print('ran')")), tmp_path) as one:
        one.pad.withdraw()
        out, _ = await anyio.to_thread.run_sync(one.process.communicate)
    assert out == b""
    assert one.process.returncode != 0


@pytest.mark.parametrize(
    "command",
    [
        Command(()),
        Command(("",)),
        Command(("a", "\0")),
        Command(("a",), {"X": "\ud800"}),
        Command(("a",), {"": "x"}),
        Command(("a",), {"A=B": "x"}),
        Command(("a", "x" * exec_stub.LIMIT)),
    ],
)
async def test_what_no_program_can_be_given_is_refused(
    folder: Path, tmp_path: Path, command: Command
) -> None:
    with pytest.raises(BadRequest):
        async with launchpad(folder, command, tmp_path):
            pass
    assert os.listdir(folder) == []


def _somebody_else(_: socket.socket) -> int:
    return os.getuid() + 1


async def test_the_offers_of_an_engine_that_was_killed_go_with_the_next(
    folder: Path, tmp_path: Path
) -> None:
    left, other = folder / "go-1-0123456789ab", folder / "engine.sock"
    left.touch()
    other.touch()
    async with launchpad(folder, Command(("true",)), tmp_path) as first:
        async with launchpad(folder, Command(("true",)), tmp_path):
            assert first.path.exists()
        assert not left.exists()
    assert os.listdir(folder) == [other.name]
