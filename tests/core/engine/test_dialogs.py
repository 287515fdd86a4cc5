"""Agents without hooks: their dialogs are requests, and their logs prove what they were told."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ao_core.engine.case import Observation, Policy
from ao_core.engine.decide import decide
from ao_core.engine.dialogs import Dialogs
from ao_core.engine.engine import Engine
from ao_core.engine.loop import _has_turned  # pyright: ignore[reportPrivateUsage]
from ao_core.engine.permissions import Permissions
from ao_core.engine.proofs import prove
from ao_core.engine.records import Step
from ao_core.engine.terms import Terms
from ao_core.ids import SessionId
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.event import EventKind
from ao_core.model.session import Session, SessionReason, SessionState
from ao_core.slots.agent import Agent, Asked, Launch, Look
from ao_core.spool import HookEvent, HookKind
from ao_core.store.records import MESSAGE, SESSION, Decision, Delivery, Message
from ao_core.testing.clock import FakeClock
from books import Books, a_session

ID = SessionId("app-1")
PUSH = Asked("Bash", '{"command": "git push"}')
_STATES = {
    "a dialog": ActivityState.WAITING_INPUT,
    "at work": ActivityState.ACTIVE,
    "at rest": ActivityState.IDLE,
}


@dataclass
class Silent:
    """An agent with no hooks."""

    dialog: Asked | None = None
    tokens: frozenset[str] = frozenset()

    async def asks(self, look: Look) -> Asked | None:
        return self.dialog

    async def taken(self, launch: Launch) -> frozenset[str]:
        return self.tokens

    def classify(self, screen: str) -> ActivityState | None:
        return _STATES.get(screen)


@dataclass
class Scene:
    """One engine that looks at it."""

    books: Books
    agent: Silent = field(default_factory=Silent)
    dialogs: Dialogs = field(default_factory=Dialogs)

    @property
    def permissions(self) -> Permissions:
        return Permissions(self.books.records, self.books.clock)

    @property
    def session(self) -> Session:
        return self.books.records.session(ID)

    async def see(self, screen: str | None, dialog: Asked | None = None) -> bool:
        self.agent.dialog = dialog
        now = self.books.clock.now()
        look = Look(cast("Launch", None), True, now, now - timedelta(hours=1), screen)
        agent = cast("Agent[Any]", self.agent)

        async def claim(id: str, tool: str, shown: str) -> bool:
            return await self.permissions.claim(self.session, id, tool, shown, Terms())

        return await self.dialogs.look(self.permissions, self.session, agent, look, claim)

    async def kinds(self) -> list[EventKind]:
        wanted = (EventKind.PERMISSION_ASKED, EventKind.PERMISSION_EXPIRED)
        return [one.kind for one in await self.books.journal(*wanted)]


@pytest.fixture
def scene(books: Books) -> Scene:
    return Scene(books)


async def test_a_dialog_is_a_request_once_however_often_it_is_seen(scene: Scene) -> None:
    for _ in range(3):
        assert not await scene.see("a dialog", PUSH)
    (asked,) = scene.permissions.pending(ID)
    assert (asked.tool, asked.arguments) == (PUSH.tool, PUSH.arguments)
    assert scene.session.facts.reason is SessionReason.AWAITING_PERMISSION
    assert await scene.kinds() == [EventKind.PERMISSION_ASKED]


async def test_it_ends_with_its_dialog_and_the_session_works_on(scene: Scene) -> None:
    await scene.see("a dialog", PUSH)
    await scene.see(None)
    await scene.see("half drawn")
    assert len(scene.permissions.pending(ID)) == 1
    await scene.see("at work")
    assert scene.permissions.pending(ID) == []
    assert scene.session.facts.state is SessionState.WORKING


async def test_another_dialog_is_another_request(scene: Scene) -> None:
    await scene.see("a dialog", PUSH)
    await scene.see("a dialog", replace(PUSH, arguments="git tag"))
    (asked,) = scene.permissions.pending(ID)
    assert asked.arguments == "git tag"
    assert (await scene.kinds())[1:] == [EventKind.PERMISSION_EXPIRED, EventKind.PERMISSION_ASKED]


async def test_one_that_was_just_answered_is_looked_at_again_and_then_is_new(
    scene: Scene, tick: Callable[[float], None]
) -> None:
    await scene.see("a dialog", PUSH)
    await scene.permissions.answer(scene.permissions.pending(ID)[0], Decision.ALLOW, "lead")
    assert await scene.see("a dialog", PUSH)
    assert scene.permissions.pending(ID) == []
    tick(3)
    assert not await scene.see("a dialog", PUSH)
    assert len(scene.permissions.pending(ID)) == 1


async def test_the_next_engine_knows_it_again(scene: Scene) -> None:
    await scene.see("a dialog", PUSH)
    await Scene(scene.books).see("a dialog", PUSH)
    assert await scene.kinds() == [EventKind.PERMISSION_ASKED]
    await Scene(scene.books).see("at rest")
    assert scene.permissions.pending(ID) == []


async def test_what_a_hook_asked_for_is_not_ended_by_a_screen(scene: Scene) -> None:
    await scene.permissions.claim(scene.session, f"{ID}.use-1", "Bash", "git push", Terms())
    await scene.see("at work")
    assert len(scene.permissions.pending(ID)) == 1


@pytest.fixture
def tick(books: Books) -> Callable[[float], None]:
    return lambda seconds: cast("FakeClock", books.clock).jump(seconds)


# -- receipts by its log


async def told(books: Books, *texts: str) -> list[Message]:
    """Typed to it, and entered."""
    compose = partial(books.outbox.compose, books.records.session(ID), highest=Delivery.SUBMITTED)
    entered = [replace(compose(text, "lead"), state=Delivery.SUBMITTED) for text in texts]
    for message in entered:
        await books.records.create(MESSAGE, message.id, message)
    return entered


async def proved(scene: Scene, *tokens: str) -> None:
    """Its log is read, which has these."""
    books = scene.books
    parts = SimpleNamespace(records=books.records, outbox=books.outbox, clock=books.clock)
    scene.agent.tokens = frozenset(tokens)
    agent = cast("Agent[Any]", scene.agent)
    await prove(cast("Engine", parts), scene.session, agent, cast("Launch", None))


async def test_its_log_proves_what_it_was_told(scene: Scene) -> None:
    one, other = await told(scene.books, "go on", "and on")
    await proved(scene, one.token, "another")
    found = {id: scene.books.records.find(MESSAGE, id) for id in (one.id, other.id)}
    assert [now and now.state for now in found.values()] == [Delivery.ACCEPTED, Delivery.SUBMITTED]
    proven = found[one.id]
    assert proven is not None
    assert proven.evidence == "the agent's log"


async def seen_at_rest(scene: Scene) -> None:
    """Its screen shows a composer that waits."""
    at = scene.books.clock.now()
    rest = Observation(at, activity=Activity(ActivityState.IDLE, at, Source.SCREEN))

    def step(now: Session) -> Step:
        return Step(decide(now, rest, Policy()).session)

    await scene.books.records.update(SESSION, ID, step)


async def asked_by_tool(scene: Scene) -> None:
    """It has asked its lead, by our tool, and its turn has ended on that."""
    at = scene.books.clock.now()
    asked = HookEvent("h", HookKind.ASKED, at, text="Which port?")

    def step(now: Session) -> Step:
        return Step(decide(now, Observation(at, hooks=(asked,)), Policy()).session)

    await scene.books.records.update(SESSION, ID, step)


async def test_its_log_proves_that_its_question_was_answered(
    scene: Scene, tick: Callable[[float], None]
) -> None:
    (before,) = await told(scene.books, "go on")
    tick(1)
    await asked_by_tool(scene)
    tick(1)
    (answer,) = await told(scene.books, "8080")
    await proved(scene, before.token)
    assert scene.session.question == "Which port?"
    assert scene.session.facts.state is SessionState.NEEDS_INPUT
    await proved(scene, before.token, answer.token)
    assert scene.session.question is None
    assert scene.session.facts.state is SessionState.WORKING
    tick(1)
    await seen_at_rest(scene)
    assert scene.session.facts.state is SessionState.IDLE


# -- the end of a turn, which is when its branch is looked at


def test_a_turn_is_over_by_a_hook_or_by_what_is_seen() -> None:
    def seen(state: ActivityState) -> Activity:
        return Activity(state, a_session().created_at, Source.SCREEN)

    ended = HookEvent("h", HookKind.TURN_ENDED, a_session().created_at)
    works, rests = a_session(), a_session(state=SessionState.IDLE)
    assert _has_turned(rests, [ended], None)
    assert _has_turned(works, [], seen(ActivityState.IDLE))
    assert not _has_turned(works, [], seen(ActivityState.ACTIVE))
    assert not _has_turned(rests, [], seen(ActivityState.IDLE))
    assert not _has_turned(works, [], None)
