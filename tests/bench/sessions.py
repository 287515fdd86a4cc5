"""Sessions that start, die and are talked to, beside plain git and plain tmux."""

import os
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from bench import floors
from bench.floors import Plain
from bench.size import Size, milliseconds, seconds
from bench.stage import Stage, stage
from bench.table import Figure, Floor, Goal

_WORKER = """\
projects:
  sample:
    path: .
    agent: command
    agentConfig:
      preset: worker
"""
_ROUNDS = 3


# -- spawn -----------------------------------------------------------------------------------------


def spawn(size: Size) -> list[Figure]:
    """One worker, and several at once, on a repository that is not small."""
    with (
        stage(size.files, in_memory=True) as one,
        _plain(one) as plain,
        ThreadPoolExecutor(size.at_once + 1) as pool,
    ):
        one.settle()
        one.team.trusted()
        bench = _Spawning(one, plain, pool)
        bench.ours(1)
        bench.plain(1)  # servers are up, caches are warm
        singles = [(bench.ours(1), bench.plain(1)) for _ in range(size.spawns)]
        several = [
            (bench.ours(size.at_once), bench.plain(size.at_once))
            for _ in range(min(_ROUNDS, size.runs))
        ]
    ours, raw = (milliseconds(*column) for column in zip(*singles, strict=True))
    ours_many, raw_many = (milliseconds(*column) for column in zip(*several, strict=True))
    typed, count, rounds = "`git worktree add` + `tmux new-session`", size.at_once, len(several)
    what = f"spawn to program started, {size.files} files, no warm work tree"
    at_once = f"{count} spawns at once, {size.files} files each, until the last program started"
    return [
        Figure("spawn", what, ours, "ms", size.spawns, Floor(raw, typed), Goal(1.2, times=True)),
        Figure("spawn_many", at_once, ours_many, "ms", rounds, Floor(ours, "one spawn"),
               Goal(3, times=True)),
        Figure("spawn_many_plain", f"{count} spawns at once beside {count} by hand", ours_many,
               "ms", rounds, Floor(raw_many, f"{count} times {typed}, at once")),
    ]  # fmt: skip


def warm(size: Size) -> list[Figure]:
    """One worker for whom a workspace is ready, on repositories of two sizes."""
    return [_warm("spawn_warm", size, size.files), _warm("spawn_warm_many", size, size.many)]


def _warm(name: str, size: Size, files: int) -> Figure:
    with (
        stage(files, in_memory=True, spares=1) as one,
        _plain(one) as plain,
        ThreadPoolExecutor(2) as pool,
    ):
        one.settle()
        one.team.trusted()
        bench = _Spawning(one, plain, pool)
        bench.ours(1)
        bench.plain(1)
        timed: list[tuple[float, float]] = []
        for _ in range(size.spawns):
            one.stocked()
            timed.append((bench.ours(1), bench.plain(1)))
    ours, raw = (milliseconds(*column) for column in zip(*timed, strict=True))
    floor = Floor(raw, "`git worktree add` + `tmux new-session`")
    what = f"spawn to program started, {files} files, a warm work tree"
    return Figure(name, what, ours, "ms", size.spawns, floor, Goal(0.3, times=True))


class _Spawning:
    def __init__(self, one: Stage, plain: Plain, pool: ThreadPoolExecutor) -> None:
        self._stage, self._plain, self._pool = one, plain, pool

    def ours(self, count: int) -> float:
        """Seconds until the last of so many workers runs."""
        lines = [self._stage.team.connect() for _ in range(count)]
        took, replies = self._timed(
            [lambda line=line: line.call("spawn", {"prompt": "Work."}, 60) for line in lines]
        )
        for line, reply in zip(lines, replies, strict=True):
            line.call("kill", {"session": reply["session"]}, 60)
            line.close()
        return took

    def plain(self, count: int) -> float:
        """The same by hand."""
        names = [self._plain.name() for _ in range(count)]
        took, _ = self._timed([lambda name=name: self._plain.start(name) for name in names])
        for name in names:
            self._plain.forget(name)
        return took

    def _timed(self, starts: Sequence[Callable[[], Any]]) -> tuple[float, list[Any]]:
        began = perf_counter()
        beats = self._pool.submit(lambda: [self._stage.beats.next() for _ in starts])
        running = [self._pool.submit(start) for start in starts]
        replies = [one.result() for one in running]
        return beats.result()[-1][1] - began, replies


@contextmanager
def _plain(one: Stage) -> Generator[Plain]:
    plain = Plain(one)
    try:
        yield plain
    finally:
        plain.end()


# -- death -----------------------------------------------------------------------------------------


def death(size: Size) -> list[Figure]:
    """An agent is killed; `wait` tells."""
    with stage() as one, ThreadPoolExecutor(1) as pool:
        one.settle()
        one.team.trusted()
        timed = [_death(one, pool) for _ in range(size.runs)]
        raw = [floors.death() for _ in range(size.runs)]
    floor = Floor(milliseconds(*raw), "a process descriptor tells of a killed `sleep`")
    return [Figure("death", "agent killed to known (told by `wait`)", milliseconds(*timed), "ms",
                   size.runs, floor, Goal(50))]  # fmt: skip


def _death(one: Stage, pool: ThreadPoolExecutor) -> float:
    session = one.spawn()
    agent, _ = one.beats.next()
    with one.team.connect() as line:
        cursor = line.call("about")["events"]
        asked = {"sessions": [session], "until": "done", "cursor": cursor, "seconds": 30}
        heard = pool.submit(lambda: (line.call("wait", asked, 60), perf_counter()))
        one.team.call("show", session=session)  # the engine has the other question by then
        began = perf_counter()
        os.kill(agent, signal.SIGKILL)
        news, at = heard.result()
        line.call("kill", {"session": session})
    assert news["reached"], news
    return at - began


# -- send ------------------------------------------------------------------------------------------


def send(size: Size) -> list[Figure]:
    """A message to an agent that echoes, and to the shipped worker, which says that it has it."""
    with stage() as one, _plain(one) as plain:
        one.settle()
        one.team.trusted()
        session, name = one.spawn(), plain.name()
        plain.start(name)
        one.beats.next()
        one.beats.next()
        pairs = [
            (_sent(one, session, "submitted"), plain.send(name, f"message {number}"))
            for number in range(size.runs)
        ]
    with stage(config=_WORKER) as one:
        session = one.team.trusted().spawn("do: say ready")
        accepted = [_answered(one, session) for _ in range(size.runs)]
    ours, raw = (milliseconds(*column) for column in zip(*pairs, strict=True))
    floor = Floor(raw, "`tmux` paste, capture until seen, Enter")
    return [
        Figure("send", "send to `submitted`", ours, "ms", size.runs, floor, Goal(150)),
        Figure("send_accepted", "send to `accepted`, by the shipped worker's hook",
               milliseconds(*accepted), "ms", size.runs, None, Goal(150)),
    ]  # fmt: skip


def _sent(one: Stage, session: str, state: str) -> float:
    with one.team.connect() as line:
        asked = {"session": session, "message": "do: say thanks"}
        replies: list[dict[str, Any]] = []
        took = seconds(lambda: replies.append(line.call("send", asked, 60)))
    assert replies[0]["state"] == state, replies
    return took


def _answered(one: Stage, session: str) -> float:
    one.team.until(session, "idle")
    return _sent(one, session, "accepted")
