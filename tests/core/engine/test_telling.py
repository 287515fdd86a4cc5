"""What becomes of a dialog that no hook waits for: pressed for whoever answers, or for a rule."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from ao_core.engine.answer import Given, answer
from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine
from ao_core.engine.giving_up import give_up
from ao_core.engine.keys import Ticket
from ao_core.engine.telling import Said, claimed, conclude
from ao_core.errors import Refused, WrongState
from ao_core.ids import SessionId
from ao_core.model.rule import Precedent, Rule, Verdict
from ao_core.model.session import Drive, RuntimeHandle
from ao_core.slots.agent import Composer
from ao_core.slots.runtime import Typable
from ao_core.store.records import PERMISSION, Decision, Permission
from bare_engine import an_engine
from books import START, Books, clock_of

ID, REQUEST = SessionId("app-1"), "app-1.p1"
COMPOSER = Composer(dialogs=("proceed?",), allow=("1",), deny=("2",))


@dataclass
class Pane(Typable):
    """A screen with a dialog on it, and the keys that were pressed."""

    shown: str = "proceed?"
    pressed: list[str] = field(default_factory=list[str])
    answered: anyio.Event = field(default_factory=anyio.Event)

    async def screen(self, handle: RuntimeHandle) -> str:
        return self.shown

    async def shows(self, handle: RuntimeHandle, texts: Sequence[str]) -> bool:
        return any(text in self.shown for text in texts)

    async def press(
        self, handle: RuntimeHandle, keys: Sequence[str], *, expect: Sequence[str]
    ) -> bool:
        if not await self.shows(handle, expect):
            return False
        self.pressed += keys
        self.shown = ""
        self.answered.set()
        return True

    async def paste(self, *args: object, **more: object) -> bool:
        raise AssertionError("nothing is typed")

    async def submit(self, *args: object, **more: object) -> bool:
        raise AssertionError("nothing is typed")

    async def marks(self, *args: object, **more: object) -> Any:
        raise AssertionError("nothing is typed")


class Scene:
    """An engine around one worker in a terminal."""

    def __init__(self, books: Books, composer: Composer = COMPOSER, **terms: object) -> None:
        self.books, self.pane = books, Pane()
        engine = cast("Any", an_engine(books))
        usual = {"allow_commands": (), "permission_rules": (), "permission_timeout": None}

        async def runtime_of(session: object) -> Pane:
            return self.pane

        async def agent_of(session: object) -> object:
            return SimpleNamespace(composer=lambda: composer)

        async def current(project: object) -> object:
            return SimpleNamespace(**(usual | terms))

        engine.runtime_of, engine.agent_of, engine.projects.current = runtime_of, agent_of, current
        engine.began = START
        self.engine = cast("Engine", engine)

    async def opens(self) -> None:
        """A hook has told of a dialog."""
        async with anyio.create_task_group() as tasks:
            cast("Any", self.engine).tasks = tasks
            session = self.engine.session(ID)
            await claimed(self.engine, session, REQUEST, "bash", "git push")

    @property
    def asked(self) -> Permission:
        found = self.books.records.find(PERMISSION, REQUEST)
        assert found is not None
        return found


@pytest.fixture(autouse=True)
async def later(books: Books) -> None:
    """The engine has been there for a while."""
    await clock_of(books).advance(60)


@pytest.mark.parametrize(("decision", "key"), [(Decision.ALLOW, "1"), (Decision.DENY, "2")])
async def test_an_answer_is_pressed_the_once_kind_also_where_it_is_for_always(
    books: Books, decision: Decision, key: str
) -> None:
    scene = Scene(books)
    await scene.opens()
    said = Said(decision, "lead", always=decision is Decision.DENY)
    done, pressed = await conclude(scene.engine, scene.asked, said)
    assert (done.decision, pressed, scene.pane.pressed) == (decision, True, [key])


@pytest.mark.parametrize("rule", [
    Rule(Verdict.DENY, None, ("git", "push"), None, "rule 1 of the project"),
    Rule(Verdict.DENY, "bash", (), None, "rule 1 of the project"),
])  # fmt: skip
async def test_what_a_rule_denies_is_pressed_away(books: Books, rule: Rule) -> None:
    scene = Scene(books, permission_rules=(rule,))
    await scene.opens()
    assert scene.pane.pressed == ["2"]
    done = scene.asked
    assert (done.decision, done.by, done.reason) == (Decision.DENY, "policy", str(rule))


async def test_what_was_denied_for_always_is_pressed_away(books: Books) -> None:
    scene = Scene(books)
    await scene.opens()
    mark = scene.asked.mark
    await conclude(scene.engine, scene.asked, Said(Decision.DENY, "lead", always=True))
    (known,) = books.records.session(ID).precedents
    assert known == Precedent(
        mark, "bash", "git push", False, "lead", scene.asked.ended_at or START
    )
    scene.pane.shown = "proceed?"
    async with anyio.create_task_group() as tasks:
        cast("Any", scene.engine).tasks = tasks
        session = scene.engine.session(ID)
        await claimed(scene.engine, session, "app-1.p2", "bash", "git push")
    assert scene.pane.pressed == ["2", "2"]


async def test_what_a_rule_allows_is_asked_for_all_the_same(books: Books) -> None:
    scene = Scene(books, permission_rules=(Rule(Verdict.ALLOW, "*"),))
    await scene.opens()
    assert scene.asked.ended_at is None
    assert scene.pane.pressed == []


async def test_where_no_key_denies_somebody_has_to(books: Books) -> None:
    scene = Scene(books, Composer(), permission_rules=(Rule(Verdict.DENY, "*"),))
    await scene.opens()
    assert scene.asked.ended_at is None


async def test_a_dialog_that_nobody_answers_in_time_is_pressed_away(books: Books) -> None:
    scene = Scene(books, permission_timeout=timedelta(minutes=1))
    await scene.opens()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(give_up, scene.engine)
        await clock_of(books).advance(61)
        with anyio.fail_after(5):
            await scene.pane.answered.wait()
        tasks.cancel_scope.cancel()
    assert scene.pane.pressed == ["2"]
    assert scene.asked.by == "timeout"


async def test_by_protocol_no_key_is_pressed(books: Books) -> None:
    await books.change(ID, lambda one: replace(one, drive=Drive.PROTOCOL))
    scene = Scene(books, permission_rules=(Rule(Verdict.DENY, "*"),))
    await scene.opens()
    assert scene.pane.pressed == []


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("who", [ID, SessionId("app-2")])
async def test_a_worker_answers_neither_for_itself_nor_for_another(
    books: Books, who: SessionId, always: bool
) -> None:
    scene = Scene(books)
    await scene.opens()
    worker = Caller(Role.WORKER, "w", session=who)
    for decision in Decision:
        given = Given(decision=decision, always=always)
        with pytest.raises(Refused):
            await answer(scene.engine, worker, ID, given, Ticket())
    assert scene.asked.ended_at is None


async def test_what_a_screen_shows_is_not_allowed_for_always(books: Books) -> None:
    scene = Scene(books)
    await scene.opens()
    lead = Caller(Role.LEAD, "l")
    with pytest.raises(WrongState, match="once only"):
        await answer(scene.engine, lead, ID, Given(None, Decision.ALLOW, None, True), Ticket())
    assert scene.asked.ended_at is None
    done = await answer(scene.engine, lead, ID, Given(None, Decision.DENY, None, True), Ticket())
    assert done.state == "answered"
