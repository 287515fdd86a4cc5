"""Starts a program inside something else (a tmux pane, say) without naming what it is told there.

The something is given a harmless command line; argument list and environment follow over a private
socket that works once. They are never in a file, and never on a command line but the program's own.
"""

import asyncio
import errno
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core import exec_stub, platform
from ao_core.errors import BadRequest, CommandFailed, NotInstalled, TimedOut
from ao_core.files import in_our_words, private_dir
from ao_core.ids import new_token
from ao_core.slots.runtime import Command

_ANSWER_LIMIT = 64
_MISSING = frozenset({errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.EPERM})


class Launchpad:
    """One program waiting to be fetched by its stub."""

    def __init__(self, path: Path, listener: socket.socket, order: bytes, name: str) -> None:
        self._path = path
        self._listener = listener
        self._order = order
        self._name = name

    @property
    def path(self) -> Path:
        """Where the order waits."""
        return self._path

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line that will become the program."""
        stub = exec_stub.__file__
        return (sys.executable, "-I", "-S", "-E", "-X", "utf8", stub, str(self._path))

    async def started(self, deadline: float) -> None:
        """Return once the program itself runs; raises with the reason if it cannot."""
        try:
            with anyio.fail_after(deadline):
                answer = await self._hand_over()
        except TimeoutError as exc:
            raise TimedOut(f"{self._name} did not start within {deadline:g} s") from exc
        self._judge(answer)

    def withdraw(self) -> None:
        """Take the offer back. A second call is harmless."""
        self._listener.close()
        self._path.unlink(missing_ok=True)

    async def _hand_over(self) -> str:
        loop = asyncio.get_running_loop()
        stub, _ = await loop.sock_accept(self._listener)
        with stub:
            self.withdraw()
            if platform.peer_uid(stub) not in (None, os.getuid()):
                raise CommandFailed(f"{self._name} was not started: another user asked for it")
            try:
                await loop.sock_sendall(stub, len(self._order).to_bytes(4, "big") + self._order)
                return await _heard(stub)
            except ConnectionError:
                return ""

    def _judge(self, answer: str) -> None:
        if answer == "+":
            return
        step, _, number = answer.removeprefix("+").partition(" ")
        if not answer.startswith("+") or not number.isdecimal():
            raise CommandFailed(f"{self._name} ended before it could start")
        reason = os.strerror(int(number))
        if step == "chdir":
            raise CommandFailed(f"{self._name} cannot be started in its folder: {reason}")
        if int(number) in _MISSING:
            hint = f"Install {self._name}, or put its folder on the PATH it is given."
            raise NotInstalled(f"{self._name} cannot be run: {reason}", hint=hint)
        raise CommandFailed(f"{self._name} cannot be run: {reason}", status=exec_stub.NOT_RUNNABLE)


@asynccontextmanager
async def launchpad(folder: Path, command: Command, cwd: Path) -> AsyncGenerator[Launchpad]:
    """Offer a command to whoever runs `argv` first, while the block lasts."""
    order = _encoded(command, cwd)
    await anyio.to_thread.run_sync(_forget_others, private_dir(folder))
    path = folder / f"{_ours()}{new_token(6)}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    pad = Launchpad(path, listener, order, Path(command.argv[0]).name)
    try:
        with in_our_words(path, "made"):
            listener.bind(str(path))
            path.chmod(0o600)
        listener.listen(1)
        listener.setblocking(False)
        yield pad
    finally:
        pad.withdraw()


def _ours() -> str:
    return f"go-{os.getpid():x}-"


def _forget_others(folder: Path) -> None:
    """Remove the offers of an engine that was killed; a folder is one engine's at a time."""
    ours = _ours()
    for path in folder.glob("go-*"):
        if not path.name.startswith(ours):
            path.unlink(missing_ok=True)


async def _heard(stub: socket.socket) -> str:
    loop = asyncio.get_running_loop()
    answer = b""
    while len(answer) < _ANSWER_LIMIT and (chunk := await loop.sock_recv(stub, _ANSWER_LIMIT)):
        answer += chunk
    return answer.decode("ascii", errors="replace")


def _encoded(command: Command, cwd: Path) -> bytes:
    _check(command)
    env = (f"{name}={value}" for name, value in command.env.items())
    fields = (str(cwd), str(len(command.argv)), *command.argv, *env)
    data = "".join(f"{field}\0" for field in fields).encode("utf-8", "surrogateescape")
    if len(data) > exec_stub.LIMIT:
        raise BadRequest("the command line and environment are too large")
    return data


def _check(command: Command) -> None:
    if not command.argv or not command.argv[0]:
        raise BadRequest("no command was given")
    texts = (*command.argv, *command.env, *command.env.values())
    if not all(_can_be_passed(text) for text in texts):
        raise BadRequest("a command line or environment holds what no program can be given")
    if any(not name or "=" in name for name in command.env):
        raise BadRequest("a variable's name must not be empty or hold `=`")


def _can_be_passed(text: str) -> bool:
    try:
        return b"\0" not in text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
