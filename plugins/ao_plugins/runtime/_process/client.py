"""Speaks with session hosts; the protocol is in `ao_core.host`."""

import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
from anyio.abc import SocketStream

from ao_core.errors import BadRequest, Corrupt, StoreUnavailable, TimedOut, Unavailable, WrongState
from ao_core.host import ANYWHERE, VERSION
from ao_core.host_log import HEAD, framed, size_of, take_frame
from ao_core.host_socket import FRAME_LIMIT
from ao_plugins.runtime._process.held import Held

__all__ = ["ANYWHERE", "Answer", "Connection", "connected"]

_DEADLINE = 20.0
_REVIVAL = 1.0
_LOOK_AGAIN = 0.01
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether it was done, where the last of what was told ends, and where the log does."""

    done: bool
    told: int
    end: int


class Connection:
    """One connection to a host."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._inbox = bytearray()

    async def ask(self, kind: bytes, data: bytes = b"") -> Answer:
        """Ask for one thing. Raises `WrongState` if the program has ended."""
        if len(data) + HEAD > FRAME_LIMIT:
            raise BadRequest(f"no more than {FRAME_LIMIT >> 20} MB can be written at once")
        answer, said = await self.exchange(kind, data)
        if answer in (b"o", b"r", b"A"):
            return Answer(answer != b"r", *_numbers(said))
        if answer == b"x":
            raise WrongState("it has ended; nothing can be said to it")
        if answer == b"f":
            raise StoreUnavailable("what is said cannot be kept", hint="Free some disk space.")
        raise BadRequest(f"the session host refused: {said[:200].decode(errors='replace')}")

    async def status(self) -> dict[str, str]:
        """What the host says of itself."""
        _, said = await self.exchange(b"s")
        lines = said.decode(errors="replace").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    async def exchange(self, kind: bytes, data: bytes = b"") -> tuple[bytes, bytes]:
        """One frame there, one back."""
        try:
            with anyio.fail_after(_DEADLINE):
                await self._stream.send(framed(kind, data))
                frame = await self.frame()
        except TimeoutError as exc:
            raise TimedOut(f"the session host did not answer within {_DEADLINE:g} s") from exc
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
            raise Unavailable("the session host hung up") from exc
        if frame is None:
            raise Unavailable("the session host hung up")
        return frame

    async def frame(self) -> tuple[bytes, bytes] | None:
        """The next frame; None once the host has hung up."""
        while (found := take_frame(self._inbox)) is None:
            try:
                self._inbox += await self._stream.receive(_CHUNK)
            except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
                return None
            if len(self._inbox) >= HEAD and size_of(self._inbox) > FRAME_LIMIT + HEAD:
                raise Corrupt("a session host sent what is no frame")
        return found


@asynccontextmanager
async def connected(held: Held) -> AsyncGenerator[Connection]:
    """A connection to a program's host, while the block lasts."""
    stream = await _reached(held)
    async with stream:
        connection = Connection(stream)
        kind, said = await connection.exchange(b"v", bytes([VERSION]))
        if kind != b"s" or f"token={held.token}".encode() not in said.splitlines():
            raise Unavailable("what answers is not the session's host")
        yield connection


async def _reached(held: Held) -> SocketStream:
    try:
        with anyio.fail_after(_DEADLINE):
            if held.is_hosted() and not held.has_socket():
                await _revive(held)
            return await anyio.connect_unix(held.socket)
    except (OSError, TimeoutError) as exc:
        raise Unavailable("the session host cannot be reached") from exc


async def _revive(held: Held) -> None:
    """Have the host make its socket anew, which somebody removed."""
    with suppress(ProcessLookupError):
        os.kill(held.host, signal.SIGUSR1)
    with anyio.move_on_after(_REVIVAL):
        while not held.has_socket():  # noqa: ASYNC110
            await anyio.sleep(_LOOK_AGAIN)


def _numbers(said: bytes) -> tuple[int, int]:
    if len(said) != 16:
        raise Corrupt("a session host sent an answer that cannot be read")
    return int.from_bytes(said[:8], "big"), int.from_bytes(said[8:], "big")
