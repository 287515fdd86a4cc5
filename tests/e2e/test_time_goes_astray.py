"""The clock is set, or the machine sleeps: nobody is thought to hang for it, nothing runs out, and
what is awaited takes its time afterwards. The agents are real panes that do nothing.
"""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.config.own import Retention
from ao_core.engine.budgets import Budgets
from ao_core.engine.caller import Caller, Role
from ao_core.engine.cleanup import Cleanup
from ao_core.engine.engine import Engine
from ao_core.engine.expiring import expire_messages
from ao_core.engine.kill import kill
from ao_core.engine.loop import Loop
from ao_core.engine.reactions import Reactions
from ao_core.engine.records import Step
from ao_core.engine.retention import tidy
from ao_core.engine.stop import stop
from ao_core.engine.timekeeping import keep_time
from ao_core.errors import BadRequest
from ao_core.ids import SessionId
from ao_core.model.budget import Budget
from ao_core.model.event import Event, EventKind
from ao_core.model.pause import Paused, PauseReason
from ao_core.model.session import (
    Doubt,
    PrFacts,
    PrReason,
    PrState,
    RuntimeFacts,
    Session,
    is_terminal,
    worked,
)
from ao_core.model.session import SessionReason as R
from ao_core.model.session import SessionState as S
from ao_core.store.records import MESSAGE, SESSION, Delivery
from ao_core.testing.clock import FakeClock
from ao_mcp.operations.contract import Call
from ao_mcp.operations.worker import PERMISSION
from ao_mcp.start import READY, engine_environment
from bench.processes import Child
from crowd import Crowd, crowd_at
from snapshot import snapshot
from team import PROTOCOL, Kind, Team, eventually

_K = EventKind
PASS = 10.0
HOUR = 3600.0
QUIET = {_K.ENGINE_STARTED, _K.MESSAGE_QUEUED}
JUMPS = {
    "asleep": 8 * HOUR, "summer": HOUR, "winter": -HOUR, "back": -8 * HOUR,
    "far ahead": 400 * 24 * HOUR, "far back": -400 * 24 * HOUR,
}  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@asynccontextmanager
async def at_work(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[tuple[Crowd, FakeClock, Loop]]:
    """A team, with everybody who watches it, by a clock that is moved by hand."""
    clock = FakeClock(datetime(2026, 3, 29, 0, 30, tzinfo=UTC))  # clocks go forward in Berlin
    monkeypatch.setattr("ao_mcp.app.SystemClock", lambda: clock)
    async with crowd_at(home, folder) as crowd, anyio.create_task_group() as tasks:
        engine = crowd.engine
        for run in (Reactions(engine).run, Budgets(engine).run, Cleanup(engine).run):
            tasks.start_soon(run)
        for watch in (expire_messages, keep_time):
            tasks.start_soon(watch, engine)
        yield crowd, clock, Loop(engine)
        tasks.cancel_scope.cancel()


async def goes_by(engine: Engine, loop: Loop, clock: FakeClock, seconds: float) -> None:
    for _ in range(int(seconds / PASS)):
        await clock.advance(PASS)
        await loop.look(frozenset(SessionId(one.id) for one in engine.live()))
        await engine.records.store.commit([])  # whoever writes has written
        await anyio.wait_all_tasks_blocked()


async def having(engine: Engine, id: str, **more: Any) -> Session:
    return await engine.records.update(SESSION, id, lambda now: Step(replace(now, **more)))


async def still(engine: Engine) -> None:
    """Wait until nobody's screen has only just moved, by the time that tmux goes by."""
    handles = [one.run.handle for one in engine.live() if one.run.handle]
    runtime = await engine.runtime_of(engine.live()[0])
    with anyio.fail_after(20):
        before, now = None, await runtime.look(handles)
        while before != now:
            await anyio.sleep(0.1)
            before, now = now, await runtime.look(handles)


async def told(engine: Engine) -> list[Event]:
    return [event async for event in engine.records.store.follow(0, live=False)]


async def one_of_each(crowd: Crowd) -> Mapping[str, str]:
    """Somebody for everything that takes its time."""
    engine, now = crowd.engine, crowd.engine.clock.now()
    (idle, merged, held) = await crowd.alive(3)
    (working,) = await crowd.alive(1, S.WORKING, R.TASK_IN_PROGRESS)
    (doubted,) = await crowd.alive(1, S.DETECTING, R.PROBE_FAILURE)
    (asks,) = await crowd.alive(1, S.NEEDS_INPUT, R.AWAITING_USER_INPUT)
    await having(engine, idle, report=None)
    await having(engine, working, budget=Budget(minutes=60))
    runtime = await engine.runtime_of(engine.session(doubted))
    if handle := engine.session(doubted).run.handle:  # nothing can be seen of it
        await runtime.destroy(handle)
    await having(engine, doubted, doubt=Doubt(1, now, "x"), run=RuntimeFacts())
    pr = PrFacts(PrState.MERGED, PrReason.MERGED, head="c", observed_at=now)
    await having(engine, merged, pr=pr, commits=("c",))
    session = await having(engine, held, paused=Paused(PauseReason.ASKED, now, "person"))
    message = engine.outbox.compose(session, "hello", "person", expires=HOUR)
    await engine.outbox.queue(session, message)
    ticket = await engine.keys.take("k", "spawn", "{}")
    await engine.records.commit(ticket.used_for("app-1"))
    engine.keys.release(ticket)
    return {
        "idle": idle, "working": working, "doubted": doubted, "asks": asks, "merged": merged,
        "held": held, "message": message.id,
    }  # fmt: skip


def shown(engine: Engine, names: Mapping[str, str]) -> dict[str, object]:
    facts = {name: engine.session(id).facts for name, id in names.items() if name != "message"}
    states = {name: (one.state, one.reason, one.since) for name, one in facts.items()}
    message = engine.records.find(MESSAGE, names["message"])
    return {**states, "message": message and message.state}


@pytest.mark.parametrize("jump", JUMPS)
async def test_nothing_is_concluded_from_a_clock_that_jumped_and_all_is_later_on(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: str
) -> None:
    async with at_work(home, tmp_path, monkeypatch) as (crowd, clock, loop):
        engine = crowd.engine
        names = await one_of_each(crowd)
        await still(engine)
        await goes_by(engine, loop, clock, 120)
        before, lines = shown(engine, names), len(await told(engine))
        assert {event.kind for event in await told(engine)} <= QUIET

        clock.jump(JUMPS[jump])
        await goes_by(engine, loop, clock, 60)
        await tidy(engine, Retention.model_validate({"snapshots": "1d"}))

        assert shown(engine, names) == before
        assert [event.kind for event in (await told(engine))[lines:]] == []
        assert len(await told(engine)) == lines
        assert worked(engine.session(names["working"]), clock.now()) == pytest.approx(180, abs=1)
        with pytest.raises(BadRequest):
            await engine.keys.take("k", "spawn", "other")
        assert engine.session(names["held"]).paused is not None

        await goes_by(engine, loop, clock, 180)
        assert engine.session(names["doubted"]).facts.state is S.STUCK  # five minutes in all
        with anyio.fail_after(20):
            await engine.records.until(lambda: is_terminal(engine.session(names["merged"])) or None)
        await goes_by(engine, loop, clock, 500)
        assert engine.session(names["working"]).facts.state is S.STUCK
        kinds = {event.kind for event in (await told(engine))[lines:]}
        assert _K.REACTION_TRIGGERED in kinds
        # where a time of day comes twice, what was stored then may be thought to be the younger
        await goes_by(engine, loop, clock, 2800 if JUMPS[jump] > 0 else 2800 + HOUR)
        message = engine.records.find(MESSAGE, names["message"])
        assert message is not None
        assert message.state is Delivery.EXPIRED


@pytest.mark.parametrize("jump", [8 * HOUR, -8 * HOUR])
async def test_a_budget_counts_the_time_that_was_lived_through(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    async with at_work(home, tmp_path, monkeypatch) as (crowd, clock, loop):
        engine = crowd.engine
        (id,) = await crowd.alive(1, S.WORKING, R.TASK_IN_PROGRESS)
        await having(engine, id, budget=Budget(minutes=8))
        await goes_by(engine, loop, clock, 240)
        clock.jump(jump)
        await goes_by(engine, loop, clock, 220)
        assert engine.session(id).paused is None
        await goes_by(engine, loop, clock, 40)
        paused = engine.session(id).paused
        assert paused is not None
        assert paused.why is PauseReason.BUDGET


async def killed(engine: Engine, id: SessionId) -> None:
    await kill(engine, id, reason=R.MANUALLY_KILLED)


async def stopped(engine: Engine, id: SessionId) -> None:
    await stop(engine)


async def asks_for_a_permission(engine: Engine, id: SessionId) -> None:
    worker = Caller(Role.WORKER, "w", session=id)
    asked = PERMISSION.request(id="p", tool="shell", command=("make", "everything"))

    async def ask() -> None:
        await PERMISSION.run(Call(engine, worker), asked)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await engine.records.until(lambda: engine.permissions.pending(id) or None)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("first", [killed, stopped, asks_for_a_permission])
async def test_what_comes_first_after_a_night_does_not_count_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    first: Callable[[Engine, SessionId], Awaitable[None]],
) -> None:  # fmt: skip
    async with at_work(home, tmp_path, monkeypatch) as (crowd, clock, loop):
        (id,) = await crowd.alive(1, S.WORKING, R.TASK_IN_PROGRESS)
        await goes_by(crowd.engine, loop, clock, 60)
        clock.jump(8 * HOUR)
        await first(crowd.engine, SessionId(id))
        assert worked(crowd.engine.session(id), clock.now()) == pytest.approx(60, abs=1)


# -- a real engine, real workers -------------------------------------------------------------------

PROGRAM = Path(__file__).parents[1] / "shifted_engine.py"


@pytest.mark.parametrize("offset", [8 * HOUR, -8 * HOUR])
@pytest.mark.parametrize("kind", [PROTOCOL], ids=str)
def test_real_workers_go_on_by_a_clock_that_is_set_and_put_right_again(
    tmp_path: Path, repository: Path, kind: Kind, offset: float
) -> None:
    """By protocol: what else they told would have the time of a machine that is not set."""
    team, file = Team(tmp_path / "home", repository, tmp_path / "run", kind), tmp_path / "offset"
    file.write_text("0")
    env = {**engine_environment(team.env), "TZ": "Europe/Berlin"}
    team.home.mkdir(mode=0o700)
    child = Child((sys.executable, "-I", str(PROGRAM), str(file), str(team.home)), env, tmp_path)
    try:
        assert child.hear() == READY
        team.trusted()
        idle, asks = team.spawn("do: say ready"), team.spawn("do: ask Which?", "do: say {answer}")
        busy = team.spawn("do: sleep 300", budget={"minutes": 30})
        for session, status in ((idle, "idle"), (asks, "needs_input"), (busy, "working")):
            team.until(session, status)
        team.until_so(busy, at_its_task)
        for count, seconds in enumerate((offset, 0.0), 1):
            before, lines = statuses(team), len(team.journal())
            file.with_suffix(".new").write_text(str(seconds))
            file.with_suffix(".new").replace(file)
            eventually(lambda count=count: team.log().count("the time of day went") == count)
            assert statuses(team) == before
            assert team.journal()[lines:] == []
            assert team.tell(idle, f"do: say told {count}")["state"] == "accepted"
            eventually(lambda count=count: len(team.heard(idle)) == 1 + count)
            team.until(idle, "idle")
        assert team.reply(asks, "green")["state"] == "accepted"
        team.until(asks, "idle")
        assert len(team.heard(idle)) == 3
        assert {event.at.utcoffset() for event in snapshot(team.home).journal} == {timedelta()}
        assert team.call("show", session=busy)["status"] == "working"
    finally:
        team.end()
        child.end()


def at_its_task(shown: dict[str, Any]) -> bool:
    told = all(one["state"] == "accepted" for one in shown["messages"])
    return told and shown["activity"] == "active"


def statuses(team: Team) -> dict[str, str]:
    return {one["session"]: one["status"] for one in team.call("list")["sessions"]}
