"""The one way to run children: argument lists, a deadline, capped output, nothing left behind."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Protocol, TypedDict

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

from ao_core import platform
from ao_core.errors import BadRequest, CommandFailed, NotInstalled, TimedOut
from ao_core.redact import scrub, visible

if TYPE_CHECKING:
    import psutil

DEFAULT_DEADLINE = 30.0
OUTPUT_LIMIT = 8 * 1024 * 1024

_GRACE = 2.0  # seconds between asking to end and ending
_LINGER = 1.0  # seconds in which output may still come once the child has ended
_LOOK_AGAIN = 0.02
_QUOTE_LIMIT = 300
_TAIL = 16 * 1024


@dataclass(frozen=True, slots=True)
class Completed:
    """How a child ended, and what it said."""

    argv0: str
    status: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False

    @property
    def text(self) -> str:
        """What it printed, as text."""
        return self.stdout.decode(errors="replace")

    def check(self, doing: str) -> "Completed":
        """Itself if it succeeded; else raises `CommandFailed`, which quotes its last complaint."""
        if self.status == 0:
            return self
        message = f"{doing}: {self.argv0} ended with {self.status}"
        complaint = _last_line(self.stderr)
        raise CommandFailed(f"{message}: {complaint}" if complaint else message, status=self.status)


class How(TypedDict, total=False):
    """How a child is run, for those who hand it on as it was said."""

    cwd: Path | None
    env: Mapping[str, str] | None
    deadline: float
    stdin: bytes | None
    limit: int
    last: bool


class Run(Protocol):
    """What `run` is, for those who are handed another way to run."""

    async def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        deadline: float = DEFAULT_DEADLINE,
        stdin: bytes | None = None,
        limit: int = OUTPUT_LIMIT,
        last: bool = False,
    ) -> Completed:
        """Run a child to its end."""
        ...


async def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    deadline: float = DEFAULT_DEADLINE,
    stdin: bytes | None = None,
    limit: int = OUTPUT_LIMIT,
    last: bool = False,
) -> Completed:
    """Run a child to its end; its whole group ends with the deadline or with our cancellation.

    `env` is the whole environment, or None for ours. Of each stream the first `limit` bytes are
    kept, or the `last`. What the child leaves running behind a success is left alone.
    """
    process = await _start(argv, cwd, env, piped=stdin is not None)
    out, err = _Kept(limit, last), _Kept(limit, last)
    ended = False
    try:
        with anyio.move_on_after(deadline):
            await _talk(process, stdin or b"", out, err)
            ended = True
    finally:
        await _close(process, kill=not ended)
    if not ended:
        message = f"{argv[0]} did not end within {deadline:g} s"
        said = bytes(out.data), bytes(err.data)
        raise TimedOut(message, status=process.returncode, said=said)
    cut = out.cut or err.cut
    return Completed(argv[0], process.returncode or 0, bytes(out.data), bytes(err.data), cut)


@asynccontextmanager
async def companion(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None
) -> AsyncGenerator[Process]:
    """A child for as long as the block lasts.

    Nobody else holds the other end of its input: if it reads that, it ends with us, however we do.
    """
    process = await _start(argv, None, env, piped=True)
    try:
        yield process
    finally:
        await _close(process, kill=True)


async def end_tree(pid: int, *, started: float | None, grace: float) -> None:
    """End a process and all it started; those still there after `grace` seconds are killed.

    `started` is what `platform.process_started` said of it: another process that has taken over
    the number is left alone.
    """
    if not alive(pid, started):
        return
    tree = await anyio.to_thread.run_sync(_tree, pid)
    _signal(tree, force=False)
    if not await _gone(tree, grace):
        tree = await anyio.to_thread.run_sync(_grown, tree)
        _signal(tree, force=True)
        await _gone(tree, _GRACE)


def alive(pid: int, started: float | None = None) -> bool:
    """Whether this very process runs; one that has ended but was not waited for does not."""
    if not platform.process_exists(pid):
        return False
    return started is None or platform.process_started(pid) == started


@dataclass(slots=True)
class _Kept:
    """The beginning of a stream, or its end."""

    limit: int
    last: bool = False
    data: bytearray = field(default_factory=bytearray)
    cut: bool = False

    def add(self, chunk: bytes) -> None:
        if self.last:
            self.data += chunk
            self.cut = self.cut or len(self.data) > self.limit
            del self.data[: max(0, len(self.data) - self.limit)]
            return
        room = self.limit - len(self.data)
        self.data += chunk[:room]
        self.cut = self.cut or len(chunk) > room


async def _start(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, *, piped: bool
) -> Process:
    _check(argv, cwd)
    started: list[Process] = []
    with anyio.CancelScope(shield=True):  # until somebody has it who can end it
        started.append(await _open(argv, cwd, env, piped=piped))
    return started[0]


async def _open(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, *, piped: bool
) -> Process:
    stdin = PIPE if piped else DEVNULL
    flags = platform.detach_flags()
    try:
        return await anyio.open_process(argv, stdin=stdin, cwd=cwd, env=env, **flags)
    except (FileNotFoundError, PermissionError, NotADirectoryError) as exc:
        hint = f"Install {argv[0]}, or put its folder on PATH."
        raise NotInstalled(f"{argv[0]} cannot be run: {exc.strerror}", hint=hint) from exc
    except (OSError, ValueError) as exc:
        raise CommandFailed(f"{argv[0]} cannot be started: {exc}") from exc


def _check(argv: Sequence[str], cwd: Path | None) -> None:
    if not argv or not argv[0]:
        raise BadRequest("no command was given")
    if cwd is not None and not cwd.is_dir():
        raise CommandFailed(f"{argv[0]} cannot be started: its folder {cwd} is missing")


async def _talk(process: Process, stdin: bytes, out: _Kept, err: _Kept) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_feed, process.stdin, stdin)
        group.start_soon(_drain, process.stdout, out)
        group.start_soon(_drain, process.stderr, err)
        await process.wait()
        # what it left running may hold the pipes open for ever
        group.cancel_scope.deadline = anyio.current_time() + _LINGER


async def _feed(stream: ByteSendStream | None, data: bytes) -> None:
    if stream is None:
        return
    try:
        async with stream:
            await stream.send(data)
    except (anyio.BrokenResourceError, ConnectionError):
        return  # it did not want to hear all of it; its status tells whether that was right


async def _drain(stream: ByteReceiveStream | None, kept: _Kept) -> None:
    if stream is not None:
        async for chunk in stream:
            kept.add(chunk)


async def _close(process: Process, *, kill: bool) -> None:
    with anyio.CancelScope(shield=True):
        if kill:
            platform.end_group(process.pid, force=False)
            with anyio.move_on_after(_GRACE):
                await process.wait()
            platform.end_group(process.pid, force=True)
        await process.aclose()
        _let_go(process)


def _let_go(process: Process) -> None:
    """Close our ends of pipes that somebody else still holds; anyio leaves these open."""
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        transport.close()


def _last_line(stderr: bytes) -> str:
    tail = stderr[-_TAIL:]
    if len(stderr) > _TAIL:  # of a line cut in two, half a secret might pass
        tail = tail.partition(b"\n")[2]
    lines = scrub(tail.decode(errors="replace")).split("\n")
    shown = (visible(line, _QUOTE_LIMIT).strip() for line in reversed(lines))
    return next(filter(None, shown), "")


def _tree(pid: int) -> "list[psutil.Process]":
    """The process, what has left its tree but not its session, and all below them."""
    import psutil

    try:
        root = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return []
    members = (one for one in psutil.process_iter() if platform.session_of(one.pid) == pid)
    return _grown([root, *members])


def _grown(tree: "Sequence[psutil.Process]") -> "list[psutil.Process]":
    import psutil

    known = dict.fromkeys(tree)
    for process in tree:
        with suppress(psutil.NoSuchProcess):
            known |= dict.fromkeys(process.children(recursive=True))
    return [process for process in known if process.pid != os.getpid()]


def _signal(tree: "Sequence[psutil.Process]", *, force: bool) -> None:
    import psutil

    for process in tree:
        try:
            process.kill() if force else process.terminate()
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied as exc:
            raise CommandFailed(f"process {process.pid} may not be ended") from exc


async def _gone(tree: "Sequence[psutil.Process]", seconds: float) -> bool:
    with anyio.move_on_after(seconds):
        while any(_runs(process) for process in tree):  # noqa: ASYNC110
            await anyio.sleep(_LOOK_AGAIN)
        return True
    return False


def _runs(process: "psutil.Process") -> bool:
    return process.is_running() and platform.process_exists(process.pid)
