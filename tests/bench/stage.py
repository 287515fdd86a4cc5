"""A home, a repository and agents to measure with; and all of it gone afterwards."""

import os
import select
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from ao_core import wire
from ao_core.platform import process_exists
from ao_mcp.start import socket_path
from team import Team, eventually, git

_DEADLINE = 30.0
_MEMORY = "/dev/shm"
_CLIENT = {"name": "bench", "version": "0"}
HELLO = wire.encode(
    {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": _CLIENT},
    }
)  # fmt: skip
_MODERN = {
    "protocolVersion": "2026-07-28", "clientInfo": _CLIENT, "clientCapabilities": {},
}  # fmt: skip
TOOLS = wire.encode(
    {
        "jsonrpc": "2.0", "id": 1, "method": "tools/list",
        "params": {"_meta": {f"io.modelcontextprotocol/{key}": _MODERN[key] for key in _MODERN}},
    }
)  # fmt: skip
_AGENT = 'echo $$ > "$1"\nexec cat\n'
_ECHO = """\
projects:
  sample:
    path: .
    warmWorktrees: {spares}
    agent: command
    agentConfig:
      command: sh {agent} {beats} {{prompt_file}}
      receipt: submitted
"""


class Beats:
    """Programs that start say so here, with their process number."""

    def __init__(self, path: Path) -> None:
        self.path, self._held = path, b""
        os.mkfifo(path)
        self._pipe = os.open(path, os.O_RDWR)  # never at its end, and never in a writer's way

    def next(self) -> tuple[int, float]:
        """Which one started, and when that was heard."""
        while b"\n" not in self._held:
            if not select.select([self._pipe], [], [], _DEADLINE)[0]:
                raise AssertionError("no program started")
            self._held += os.read(self._pipe, 4096)
        line, _, self._held = self._held.partition(b"\n")
        return int(line), perf_counter()


class Stage:
    """Where one figure is measured. Its agents say that they started, then echo like `cat`."""

    def __init__(self, folder: Path, files: int, config: str | None, spares: int) -> None:
        self.folder = folder
        self.agent = folder / "agent.sh"
        self.agent.write_text(_AGENT)
        self.beats = Beats(folder / "beats")
        text = config or _ECHO.format(agent=self.agent, beats=self.beats.path, spares=spares)
        self.repository = Team.new_repository(folder / "sample", text)
        _fill(self.repository, files)
        home = folder / "home"
        home.mkdir(mode=0o700)
        (home / "config.yaml").write_text("maxWorkers: null\n")  # nobody is to wait for room
        self.team = Team(home, self.repository, folder / "run")

    def settle(self) -> None:
        """Start the engine, and return when it has answered over MCP: all of it is loaded."""
        self.team.call("about")
        self.greet()

    def greet(self) -> None:
        """An MCP client says hello to the engine."""
        self.answer(HELLO)

    def answer(self, line: bytes) -> bytes:
        """What the engine answers to an MCP client's first line."""
        preamble = wire.Preamble(wire.MCP, cwd=str(self.repository), pid=os.getpid())
        path = socket_path(self.team.home, self.team.env)
        opened, received = wire.connect(path, preamble, _DEADLINE).detach()
        with opened:
            opened.sendall(line)
            return wire.receive_line(opened, bytearray(received), None) + b"\n"

    def spawn(self) -> str:
        """A worker; returns its session."""
        return str(self.team.call("spawn", prompt="Work.")["session"])

    def stocked(self) -> None:
        """Wait until a workspace is kept ready, and its files have been read again."""
        eventually(lambda: any(map(_is_read, self.team.home.glob("*/spares/*/.git"))))

    def end(self) -> None:
        """End everything."""
        if socket_path(self.team.home, self.team.env).exists():
            self.stop_engine()
        self.team.end()

    def stop_engine(self) -> None:
        """End it, and wait until it is gone."""
        pid = self.team.engine_pid
        self.team.call("stop")
        eventually(lambda: not process_exists(pid))


@contextmanager
def stage(
    files: int = 0, config: str | None = None, *, in_memory: bool = False, spares: int = 0
) -> Generator[Stage]:
    """Everything to measure with; in memory where a busy disk would be all that is measured."""
    place = _MEMORY if in_memory and "TMPDIR" not in os.environ and os.path.isdir(_MEMORY) else None
    folder = Path(tempfile.mkdtemp(prefix="ao-bench-", dir=place))
    made: Stage | None = None
    try:
        made = Stage(folder, files, config, spares)
        yield made
    finally:
        if made is not None:
            made.end()
        shutil.rmtree(folder, ignore_errors=True)


def _is_read(link: Path) -> bool:
    kept = Path(link.read_text().removeprefix("gitdir: ").strip())
    locked = (kept / "locked").read_text()
    read = (kept / "index").exists() and (kept / "index").stat().st_mtime_ns
    return " spare " in locked and read > (kept / "locked").stat().st_mtime_ns


def _fill(repository: Path, files: int) -> None:
    """So many files of about 1 KB, in folders of a hundred."""
    if not files:
        return
    for number in range(files):
        folder = repository / f"part{number // 100}"
        folder.mkdir(exist_ok=True)
        line = f"line {{}} of file {number}, long enough to weigh something\n"
        (folder / f"file{number}.txt").write_text("".join(map(line.format, range(20))))
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "many files")
