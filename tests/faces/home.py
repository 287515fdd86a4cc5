"""Temporary homes whose engines are ended, and relays started as clients start them."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FACES = Path(__file__).parent
RELAY = [sys.executable, "-I", str(FACES / "fake_relay.py")]
LEGACY = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@dataclass(frozen=True, slots=True)
class Home:
    """A home of its own, in a runtime folder of its own."""

    path: Path
    env: dict[str, str]

    def started(self) -> list[int]:
        """The engines that became ready here, by pid."""
        file = self.path / "starts"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the last engine, and wait until it has ended."""
        end(self.started()[-1], number)


def end(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process, and wait until it has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    signal.pidfd_send_signal(process, number)
    assert select.select([process], [], [], 10)[0], "it does not end"
    os.close(process)


@contextmanager
def temporary_home() -> Generator[Home]:
    """Removed with everything in it, and with every engine that was started for it."""
    folder = Path(tempfile.mkdtemp(prefix="ao-", dir="/tmp"))
    env = {"HOME": str(folder), "AO_HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder)}
    home = Home(folder / "home", env | {"PATH": os.defpath})
    try:
        yield home
    finally:
        for pid in home.started():
            end(pid)
        shutil.rmtree(folder)


def eventually(happened: Callable[[], bool], within: float = 10.0) -> None:
    """Wait for what nothing announces."""
    until = time.monotonic() + within
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        select.select([], [], [], 0.01)


class RelayClient:
    """A client that talks to the relay over its pipes, line by line."""

    def __init__(
        self, home: Home, command: Sequence[str] = RELAY, cwd: str = "/", **more: str
    ) -> None:
        self.process = subprocess.Popen(
            command,
            env=home.env | more,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
        )

    def say(self, *lines: dict[str, Any] | bytes) -> None:
        pipe = self.process.stdin
        assert pipe
        for line in lines:
            pipe.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        pipe.flush()

    def hear(self) -> dict[str, Any]:
        pipe = self.process.stdout
        assert pipe
        line = pipe.readline()
        assert line, "the relay ended"
        return json.loads(line)

    def ask(self, call: int | str, method: str, params: object = None) -> dict[str, Any]:
        self.say(request(call, method, params or {}))
        while (heard := self.hear()).get("id") != call:
            pass
        return heard

    def call(self, call: int, tool: str, **arguments: object) -> dict[str, Any]:
        return self.ask(call, "tools/call", {"name": tool, "arguments": arguments})

    def shake_hands(self, name: str = "test") -> dict[str, Any]:
        who = {"clientInfo": {"name": name, "version": "1"}}
        welcome = self.ask(0, "initialize", LEGACY | who)
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return welcome

    def leave(self) -> int:
        """Close stdin; the exit status."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(10)

    def __enter__(self) -> "RelayClient":
        return self

    def __exit__(self, *ended: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()


def request(call: int | str, method: str, params: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call, "method": method, "params": params}
