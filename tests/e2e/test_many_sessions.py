"""A thousand sessions in the store, fifty of them alive; and an hour in which nothing happens.

The agents are real panes and the work trees real ones; only that they were spawned is made up.
"""

import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from ao_core.config.own import Retention
from ao_core.engine.budgets import Budgets
from ao_core.engine.cleanup import Cleanup
from ao_core.engine.engine import Engine
from ao_core.engine.expiring import expire_messages
from ao_core.engine.giving_up import give_up
from ao_core.engine.loop import Loop
from ao_core.engine.outlets import Outlets
from ao_core.engine.overlap import Overlaps
from ao_core.engine.pull_looks import Pulls
from ao_core.engine.queue import Queue
from ao_core.engine.reactions import Reactions
from ao_core.engine.retention import keep_small
from ao_core.engine.stocking import Stocking
from ao_core.engine.timekeeping import keep_time
from ao_core.ids import SessionId
from ao_core.model.event import Event, EventKind
from ao_core.model.session import RuntimeState
from ao_core.model.session import SessionReason as R
from ao_core.model.session import SessionState as S
from ao_core.store.records import CURSOR, PURSUIT
from ao_core.testing.clock import FakeClock
from ao_mcp.operations.contract import Call
from ao_mcp.operations.listing import LIST, List
from crowd import crowd_at
from inside import a_person

MOST_STARTS = 3  # of children in one pass, whatever the number of sessions
PASS = 60.0
HOUR = 60  # passes
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Counting:
    """What is started and what is asked of the store, while it is on."""

    on: bool = False
    starts: int = 0
    store: Counter[str] = field(default_factory=Counter[str])

    def hear(self, event: str, args: object) -> None:
        if self.on and event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty"):
            self.starts += 1

    @contextmanager
    def counted(self) -> Generator["Counting"]:
        self.on, self.starts, self.store = True, 0, Counter()
        yield self
        self.on = False

    def watch(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("read", "scan", "commit", "follow"):
            monkeypatch.setattr(engine.records.store, name, self._noted(engine, name))

    def _noted(self, engine: Engine, name: str) -> Any:
        plain = getattr(engine.records.store, name)

        def noted(*args: Any, **more: Any) -> Any:
            self.store[name] += self.on
            return plain(*args, **more)

        return noted


COUNTING = Counting()
sys.addaudithook(COUNTING.hear)  # it cannot be taken away again


async def passed(engine: Engine, loop: Loop) -> tuple[int, dict[str, int]]:
    """What one pass over everybody takes, once the loop knows them."""
    everybody = frozenset(session.id for session in engine.live())
    for _ in range(2):
        await loop.look(everybody)
    with COUNTING.counted() as counted:
        await loop.look(everybody)
    return counted.starts, {name: times for name, times in counted.store.items() if times}


async def listed(engine: Engine, repository: Path) -> tuple[int, dict[str, int], int]:
    """What a page of `list` takes, and how long it is."""
    call = Call(engine, a_person(repository))
    await LIST.run(call, List())
    with COUNTING.counted() as counted:
        page = await LIST.run(call, List(limit=50))
    return counted.starts, dict(counted.store), len(page.sessions)


async def test_what_a_pass_and_a_list_take_does_not_grow_with_the_sessions(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes, lists = list[tuple[int, dict[str, int]]](), list[tuple[int, dict[str, int], int]]()
    alive = 0
    async with crowd_at(home, tmp_path) as crowd:
        engine, loop = crowd.engine, Loop(crowd.engine)
        COUNTING.watch(engine, monkeypatch)
        for more, past in ((10, 0), (40, 0), (0, 950)):
            await crowd.alive(more)
            await crowd.ended(past)
            passes.append(await passed(engine, loop))
            lists.append(await listed(engine, tmp_path / "sample"))
        alive = sum(one.run.state is RuntimeState.ALIVE for one in engine.live())
    assert alive == 50
    few, many, most = passes
    assert few == many == most
    assert few[0] <= MOST_STARTS
    assert few[1] == {}  # what nothing happens to is neither read nor written
    assert [shown for _, _, shown in lists] == [10, 50, 50]
    assert lists[0][:2] == lists[1][:2] == lists[2][:2]


async def test_an_hour_in_which_nothing_happens_leaves_nothing_behind_and_tells_nothing_twice(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, working = FakeClock(), list[str]()
    told, kept, taken = list[list[Event]](), list[dict[str, int]](), list[Counter[str]]()
    monkeypatch.setattr("ao_mcp.app.SystemClock", lambda: clock)
    async with crowd_at(home, tmp_path) as crowd, anyio.create_task_group() as tasks:
        engine, loop = crowd.engine, Loop(crowd.engine)
        COUNTING.watch(engine, monkeypatch)
        await crowd.alive(24)
        working += await crowd.alive(16, S.WORKING, R.TASK_IN_PROGRESS)
        await crowd.alive(10, S.NEEDS_INPUT, R.AWAITING_USER_INPUT)
        await crowd.left(10)
        await crowd.ended(940)
        for part in beside(engine):
            tasks.start_soon(part)
        for _ in range(2):
            with COUNTING.counted() as counted:
                await goes_by(engine, loop, clock, HOUR // 2)
            taken.append(counted.store + Counter(starts=counted.starts))
            told.append(await journal(engine))
            kept.append(await sizes(engine, loop))
        tasks.cancel_scope.cancel()
    half, whole = told
    assert taken[1]["starts"] <= MOST_STARTS * HOUR // 2
    assert set(+taken[1]) == {"starts", "commit"}
    assert taken[1]["commit"] == HOUR // 2  # those are the test's own
    assert whole == half
    for kind in (EventKind.SESSION_STUCK, EventKind.REACTION_TRIGGERED):
        assert sorted(str(event.session) for event in half if event.kind is kind) == sorted(working)
    assert kept[0] == kept[1]
    assert kept[0]["pursuits"] == len(working)


def beside(engine: Engine) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """What runs beside the loop: first those that the clock wakes."""
    return [
        Reactions(engine).run, Budgets(engine).run, Cleanup(engine).run, Pulls(engine).run,
        Stocking(engine).run, partial(keep_time, engine), partial(keep_small, engine, all_kept),
        Outlets(engine).run, Queue(engine).run, Overlaps(engine).run,
        partial(expire_messages, engine), partial(give_up, engine),
    ]  # fmt: skip


WOKEN = 7  # of them


async def all_kept() -> Retention:
    return Retention()


async def goes_by(engine: Engine, loop: Loop, clock: FakeClock, passes: int) -> None:
    """A look at everybody each minute; the others have clocks of their own, of five seconds on."""
    for _ in range(passes):
        await clock.until_sleeping(WOKEN)
        await clock.advance(PASS)
        await loop.look(frozenset(SessionId(one.id) for one in engine.live()))
        await engine.records.store.commit([])  # whoever writes has written
        await anyio.wait_all_tasks_blocked()


async def journal(engine: Engine) -> list[Event]:
    return [event async for event in engine.records.store.follow(0, live=False)]


async def sizes(engine: Engine, loop: Loop) -> dict[str, int]:
    """How much is kept in memory and in the store."""
    found: dict[str, int] = {}
    for owner in (engine, loop):
        for name in _names(owner):
            value: Any = getattr(owner, name, None)
            if isinstance(value, dict | set | list):
                found[name] = len(cast("Sized", value))
    cursors = [row async for row in engine.records.store.scan(CURSOR)]
    pursuits = list(engine.records.all(PURSUIT))
    return {**found, "cursors": len(cursors), "pursuits": len(pursuits)}


def _names(owner: object) -> list[str]:
    return [*getattr(owner, "__slots__", ()), *getattr(owner, "__dict__", ())]
