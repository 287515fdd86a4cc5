"""Who is cleared away, when, and who is left alone."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from ao_core.engine import cleanup
from ao_core.engine.cleanup import Cleanup, Grace, due
from ao_core.engine.leftovers import left
from ao_core.errors import ConfigError, Unavailable
from ao_core.ids import SessionId
from ao_core.model.session import (
    PrFacts,
    PrReason,
    PrState,
    RuntimeHandle,
    Session,
    SessionFacts,
    SessionReason,
    SessionState,
    is_terminal,
)
from ao_core.slots.runtime import Attended
from bare_engine import an_engine
from books import START, Books, a_session, clock_of

MINUTES = timedelta(minutes=5)
BOTH = Grace(MINUTES, timedelta(days=7))
MERGED = PrFacts(PrState.MERGED, PrReason.MERGED, 1, "u", "c2", observed_at=START)


def merged(**more: Any) -> Session:
    """One that rests after all it did was merged."""
    given: dict[str, Any] = {"pr": MERGED, "commits": ("c1", "c2"), "path": "/w/app-1"}
    return a_session("app-1", SessionState.IDLE, SessionReason.TURN_ENDED, **(given | more))


def ended(reason: SessionReason, **more: Any) -> Session:
    facts = SessionFacts(SessionState.TERMINATED, reason, START)
    return replace(a_session(path="/w/app-1"), facts=facts, **more)


def after(session: Session, grace: Grace = BOTH, **time: int) -> SessionReason | None:
    return due(session, grace, START + timedelta(**time))


def test_merged_work_that_rests_is_cleared_away_after_the_grace_and_not_before() -> None:
    assert after(merged(), minutes=4) is None
    assert after(merged(), minutes=5) is SessionReason.PR_MERGED


def test_the_grace_counts_from_the_merge_and_from_the_last_turn_whichever_is_later() -> None:
    late = replace(MERGED, observed_at=START + timedelta(minutes=3))
    assert after(merged(pr=late), minutes=7) is None
    since = START + timedelta(minutes=4)
    turned = replace(merged().facts, since=since)
    assert after(replace(merged(), facts=turned), minutes=8) is None
    assert after(replace(merged(), facts=turned), minutes=9) is SessionReason.PR_MERGED


@pytest.mark.parametrize(
    "session",
    [
        merged(commits=("c1", "c2", "c3")),
        merged(pr=replace(MERGED, state=PrState.OPEN)),
        replace(merged(), facts=a_session().facts),
        replace(merged(), facts=replace(merged().facts, state=SessionState.NEEDS_INPUT)),
        replace(ended(SessionReason.PR_MERGED), workspace_gone=True, pr=MERGED),
        merged(path=""),
        ended(SessionReason.ENGINE_STOPPED),
        ended(SessionReason.RUNTIME_LOST),
    ],
    ids=["went on", "not merged", "works", "asks", "gone", "never had a place", "stopped", "lost"],
)  # fmt: skip
def test_who_may_need_its_place_keeps_it(session: Session) -> None:
    assert after(session, days=300) is None


def test_what_an_ended_worker_left_goes_only_where_that_is_wanted() -> None:
    lost = ended(SessionReason.AGENT_PROCESS_EXITED)
    assert after(lost, Grace(MINUTES), days=300) is None
    assert after(lost, days=6) is None
    assert after(lost, days=7) is SessionReason.AUTO_CLEANUP
    assert after(replace(lost, pr=MERGED, commits=("c3",)), minutes=5) is None
    assert after(replace(lost, pr=MERGED, commits=("c2",)), minutes=5) is SessionReason.PR_MERGED


def test_switched_off_nothing_is_cleared_away() -> None:
    assert after(merged(), Grace(), days=300) is None
    assert after(ended(SessionReason.AGENT_PROCESS_EXITED), Grace(), days=300) is None


@pytest.mark.parametrize(
    ("reason", "stays"),
    [
        (SessionReason.ENGINE_STOPPED, True),
        (SessionReason.RUNTIME_LOST, True),
        (SessionReason.AGENT_PROCESS_EXITED, False),
    ],
)
async def test_the_place_of_one_that_is_to_go_on_is_listed_and_stays(
    books: Books, tmp_path: Path, reason: SessionReason, stays: bool
) -> None:
    await books.keep(replace(ended(reason), path=str(tmp_path)))
    (one,) = await left(an_engine(books))
    assert (one.path, bool(one.stays)) == (tmp_path, stays)


class Terminal(Attended):
    """Somebody may look on."""

    def __init__(self) -> None:
        self.watched = False

    async def attended(self, handle: RuntimeHandle) -> bool:
        return self.watched


class Yard:
    """An engine that notes whom it would kill."""

    def __init__(self, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
        self.books, self.terminal = books, Terminal()
        self.killed: list[tuple[SessionId, SessionReason]] = []
        self.meanwhile: Callable[[Session], Session] | None = None
        self.trouble: Exception | None = None
        self.grace: timedelta | None = MINUTES
        self.misspelt = False
        engine = an_engine(books, SimpleNamespace(id="app"))
        engine.projects.__dict__.update(settings_now=self._settings_now)
        locks = defaultdict[str, anyio.Lock](anyio.Lock)
        engine.__dict__.update(proving={}, alone=locks.__getitem__, runtime_of=self._runtime)
        monkeypatch.setattr(cleanup, "kill", self._kill)
        monkeypatch.setattr(cleanup, "look_at_head", self._look_at_head)
        self.engine, self.cleanup = engine, Cleanup(engine)

    async def _settings_now(self, project: object) -> object:
        if self.misspelt:
            raise ConfigError("`lifecycle` is misspelt")
        return SimpleNamespace(merged_grace=self.grace, abandoned_grace=None)

    async def _runtime(self, session: Session) -> Terminal:
        return self.terminal

    async def _look_at_head(self, engine: object, id: SessionId) -> Session:
        if self.trouble:
            raise self.trouble
        return self.books.records.session(id)

    async def _kill(
        self, engine: object, id: SessionId, *, reason: SessionReason, still: Any
    ) -> object:
        if self.meanwhile:
            await self.books.change(id, self.meanwhile)
        if still(self.books.records.session(id)):
            self.killed.append((id, reason))
            await self.books.change(id, lambda now: replace(now, workspace_gone=True, path=""))
        return SimpleNamespace(kept_because=None)

    async def later(self, minutes: float) -> None:
        await clock_of(self.books).advance(60 * minutes)
        await self.cleanup.look()


@pytest.fixture
async def yard(books: Books, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Yard:
    await books.keep(merged())
    return Yard(books, monkeypatch)


ONCE = [("app-1", SessionReason.PR_MERGED)]


async def test_it_is_ended_once(yard: Yard) -> None:
    await yard.later(4)
    assert yard.killed == []
    await yard.later(1)
    await yard.later(10)
    assert yard.killed == ONCE


async def test_who_looks_on_postpones_it_by_the_grace(yard: Yard) -> None:
    yard.terminal.watched = True
    await yard.later(6)
    yard.terminal.watched = False
    await yard.later(4)
    assert yard.killed == []
    await yard.later(1)
    assert yard.killed == ONCE


async def test_who_follows_its_conversation_looks_on(yard: Yard) -> None:
    engine = yard.engine
    await yard.later(3)
    engine.conversations.followed(SessionId("app-1"), engine.clock.monotonic())
    await clock_of(yard.books).advance(110)
    engine.conversations.followed(SessionId("app-1"), engine.clock.monotonic())
    await yard.later(1)
    assert yard.killed == []
    await yard.later(6)
    assert yard.killed == ONCE


async def test_a_message_that_is_under_way_is_delivered_first(yard: Yard) -> None:
    session = yard.books.records.session("app-1")
    await yard.books.outbox.queue(session, yard.books.outbox.compose(session, "more", "lead"))
    await yard.later(60)
    assert yard.killed == []


async def test_one_that_goes_on_at_the_last_moment_is_left(yard: Yard) -> None:
    yard.meanwhile = lambda now: replace(now, facts=a_session().facts)
    await yard.later(60)
    assert yard.killed == []
    assert not is_terminal(yard.books.records.session("app-1"))


@pytest.mark.parametrize("misspelt", [False, True])
async def test_a_grace_that_is_changed_counts_at_once(yard: Yard, misspelt: bool) -> None:
    yard.grace, yard.misspelt = timedelta(hours=1), misspelt
    await yard.later(30)
    assert yard.killed == []
    yard.grace, yard.misspelt = MINUTES, False
    await yard.later(0.4)
    assert yard.killed == ONCE


async def test_what_cannot_be_cleared_away_is_not_tried_all_the_time(yard: Yard) -> None:
    yard.trouble = Unavailable("no git")
    await yard.later(6)
    yard.trouble = None
    await yard.later(30)
    assert yard.killed == []
    await yard.later(30)
    assert yard.killed == ONCE
