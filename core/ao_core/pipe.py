"""A child that is talked to, line by line, for as long as it lives. For one answer: `process.run`.

Lines are handed over as they come, by the event loop itself: no task waits for them, so that a pipe
may be opened and closed wherever it suits.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import anyio

from ao_core import platform
from ao_core.errors import CommandFailed, NotInstalled

_LINE_LIMIT = 32 * 1024 * 1024
_GRACE = 2.0


class Pipe(asyncio.SubprocessProtocol):
    """Standard input and output of one child; what it complains of is heard as output."""

    def __init__(self, heard: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._heard = heard
        self._ended = ended
        self._rest = bytearray()
        self._exited = anyio.Event()
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The child runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Hand over the lines that are whole."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._rest += rest
        for line in lines:
            self._heard(line)
        if len(self._rest) > _LINE_LIMIT:
            self.kill()

    def process_exited(self) -> None:
        """The child has ended; others may still hold its output open."""
        self._exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The child has ended and said all it had to say."""
        if self._transport:
            self._transport.close()
        self._exited.set()
        self._ended()

    @property
    def ended(self) -> bool:
        """Whether the child has ended."""
        return self._exited.is_set()

    def send(self, data: bytes) -> None:
        """Write, in order and without waiting."""
        stdin = self._transport.get_pipe_transport(0) if self._transport else None
        if isinstance(stdin, asyncio.WriteTransport):
            stdin.write(data)

    def kill(self) -> None:
        """End the child at once."""
        if self._transport and not self.ended:
            # not by the transport, which may reap the child before the loop does
            platform.end_group(self._transport.get_pid(), force=True)

    async def aclose(self) -> None:
        """End the child, and wait until it has ended."""
        with anyio.CancelScope(shield=True):
            self.kill()
            if self._transport:
                with anyio.move_on_after(_GRACE):
                    await self._exited.wait()
                self._transport.close()

    async def start(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        """Start the child. `env` is its whole environment."""
        try:
            with anyio.CancelScope(shield=True):  # a child half started could not be ended
                await self._start(argv, dict(env), cwd)
        except OSError as exc:
            hint = f"Install {argv[0]}, or put its folder on PATH."
            raise NotInstalled(f"{argv[0]} cannot be run: {exc.strerror}", hint=hint) from exc
        except ValueError as exc:
            raise CommandFailed(f"{argv[0]} cannot be started: {exc}") from exc

    async def _start(self, argv: Sequence[str], env: dict[str, str], cwd: Path | None) -> None:
        flags = platform.detach_flags()
        both = asyncio.subprocess.STDOUT
        loop = asyncio.get_running_loop()
        await loop.subprocess_exec(lambda: self, *argv, stderr=both, env=env, cwd=cwd, **flags)
