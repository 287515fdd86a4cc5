"""What it costs to stand by: processor time, subprocesses and memory with sessions that idle."""

import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ao_mcp.start import engine_environment
from bench import floors
from bench.processes import Child, cpu, weight
from bench.size import Size
from bench.stage import Stage, stage
from bench.table import Figure, Floor, Goal
from team import Team

_WORKER = """\
projects:
  sample:
    path: .
    agent: command
    agentConfig:
      preset: worker
"""
# The engine's own process writes down every child it starts, whoever asked for it.
_COUNTED = """\
import sys
starts = open(sys.argv.pop(1), "a", buffering=1)
def note(event, arguments):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty"):
        starts.write(event + "\\n")
sys.addaudithook(note)
from ao_mcp.engine_process import main
sys.exit(main(sys.argv[1:]))
"""
_PASS_EVERY = 10.0
_STARTERS = 5


def idle(size: Size) -> list[Figure]:
    """One idle session, then many; the engine looks at them every ten seconds."""
    with stage(config=_WORKER) as one, _counted_engine(one) as engine:
        one.settle()
        one.team.trusted()
        _idlers(one.team, 2)  # the second of them costs what every one costs
        spawned = engine.starts()
        _idlers(one.team, 1)
        spawned = engine.starts() - spawned
        few = engine.stand_by(min(size.window, _PASS_EVERY + 0.5))
        _idlers(one.team, size.crowd - 3)
        many = engine.stand_by(size.window)
        heavy, light = weight(engine.pid), floors.mcp_weight(one)
    return [
        Figure("spawn_processes", "subprocesses for one spawn", spawned, "", 1),
        Figure("pass_processes", f"subprocesses per pass, {size.crowd} idle sessions",
               many.starts, "", many.passes, Floor(few.starts, "3 idle sessions"), Goal(3)),
        Figure("idle_cpu", f"idle CPU, {size.crowd} idle sessions (engine, its tmux)", many.cpu,
               "%", 1, Floor(many.floor, "an event loop that sleeps"), Goal(0.5)),
        Figure("engine_memory", f"engine memory, {size.crowd} sessions (PSS)", heavy, "MB", 1,
               Floor(light, "a bare interpreter after `import mcp`"), Goal(100)),
    ]  # fmt: skip


class _Cost:
    """What one stretch of standing by took."""

    def __init__(self, cpu: float, floor: float, starts: float, passes: int) -> None:
        self.cpu, self.floor, self.starts, self.passes = cpu, floor, starts, passes


class _Engine:
    def __init__(self, one: Stage, pid: int, book: Path) -> None:
        self._stage, self.pid, self._book = one, pid, book

    def starts(self) -> int:
        """How many children it has started so far."""
        return self._book.read_text().count("\n")

    def stand_by(self, window: float) -> _Cost:
        """Let it be for so many seconds."""
        ours = [self.pid, *self._tmux()]
        with floors.asleep(self._stage) as sleeper:
            started, used = self.starts(), cpu(ours)
            time.sleep(window)  # nothing is to happen
            used, started = cpu(ours) - used, self.starts() - started
            least = sleeper.used()
        passes = max(1, int(window // _PASS_EVERY))
        return _Cost(100 * used / window, 100 * least / window, started / passes, passes)

    def _tmux(self) -> list[int]:
        return [one.pid for one in self._stage.team.processes() if one.name().startswith("tmux")]


@contextmanager
def _counted_engine(one: Stage) -> Generator[_Engine]:
    book = one.folder / "starts"
    book.touch()
    argv = (sys.executable, "-I", "-c", _COUNTED, str(book), str(one.team.home))
    child = Child(argv, engine_environment(one.team.env), one.folder)
    child.hear()
    try:
        yield _Engine(one, child.pid, book)
    finally:
        one.end()
        child.end()


def _idlers(team: Team, count: int) -> None:
    """So many workers that have done their bit."""
    with ThreadPoolExecutor(_STARTERS) as pool:
        started = list(pool.map(team.spawn, ["do: say ready"] * count))
    for session in started:
        team.until(session, "idle")
