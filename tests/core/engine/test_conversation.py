"""One conversation by protocol: whose it is, what it may not repeat, and what must not end it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from ao_core.drive import messages
from ao_core.drive.opening import Opening
from ao_core.engine.conversation import Conversation, Held
from ao_core.engine.engine import Engine
from ao_core.engine.herald import Herald
from ao_core.engine.project import Project
from ao_core.errors import BadRequest, PluginError, StoreUnavailable, TimedOut, WrongState
from ao_core.ids import SessionId
from ao_core.model.activity import ActivityState
from ao_core.model.event import NewEvent
from ao_core.model.session import (
    Drive,
    RuntimeHandle,
    Session,
    SessionReason,
    SessionState,
    Status,
    derive_status,
)
from ao_core.slots.runtime import Entry, Line, Piped
from ao_core.store.contract import Change, Committed
from ao_core.store.records import MESSAGE, PERMISSION, Decision, Delivery
from ao_core.testing.clock import FakeClock
from bare_engine import an_engine
from books import Books, a_session, books_on, clock_of, opened_books
from line_double import Agent, LineDouble

ID = SessionId("app-1")
HANDLE = RuntimeHandle("app-1", "double")
Said = dict[str, Any]


async def nothing(place: str) -> None:
    """No step fails."""
    await anyio.lowlevel.checkpoint()


class Scripted(Agent):
    """Says what the test has it say."""

    def say(self, data: bytes) -> None:
        self._say(data)

    def ask(self, id: int, title: str) -> None:
        """Ask whether it may do something odd."""
        options = [{"optionId": "yes", "kind": "allow_once", "name": "Yes"}]
        params = {"toolCall": {"toolCallId": "t", "title": title}, "options": options}
        self.say(messages.request(id, "session/request_permission", params))

    def heard(self) -> list[Said]:
        """What it was told."""
        return [one for one in self.lines if "method" not in one]

    def _answer(self, said: Said) -> None:
        self.lines.append(said)
        if said.get("method") in ("initialize", "session/new"):
            super()._answer(said)
        elif (method := said.get("method")) in self.refuses:
            self.say(messages.refusal(said["id"], -32602, f"{method}: no"))

    def __init__(self, *, refuses: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.lines: list[Said] = []
        self.refuses = refuses


class Shaky(LineDouble):
    """A line on which writes and marks can go wrong."""

    trouble: "Trouble"

    async def write(self, data: bytes) -> bool:
        done = await super().write(data)
        if self.trouble.slow and b"session/prompt" in data:
            self.trouble.slow -= 1
            raise TimedOut("the host is slow")
        return done

    async def entries(self) -> AsyncGenerator[Entry]:
        async for entry in super().entries():
            if self.trouble.ends and b"session/prompt" in entry.data:
                return
            yield entry


@dataclass(slots=True)
class Trouble:
    """What goes wrong."""

    slow: int = 0
    ends: bool = False


@dataclass(slots=True)
class Lines(Piped):
    """A runtime that holds the one agent."""

    agent: Agent
    trouble: Trouble = field(default_factory=Trouble)
    lines: int = 0

    @asynccontextmanager
    async def line(self, handle: RuntimeHandle) -> AsyncGenerator[Line]:
        self.lines += 1
        line = Shaky(self.agent, nothing)
        line.trouble = self.trouble
        yield line


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again soon."""
    monkeypatch.setattr("ao_core.engine.conversation._AGAIN", 0.02)


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as opened:
        await opened.keep(a_session(drive=Drive.PROTOCOL, generation=1))
        yield await books_on(opened.store, FakeClock())


@dataclass(slots=True)
class Talk:
    """A conversation under way."""

    engine: Engine
    agent: Scripted
    it: Conversation
    books: Books

    @property
    def session(self) -> Session:
        return self.books.records.session(ID)

    async def until(self, ready: Any) -> Any:
        with anyio.fail_after(5):
            return await self.it.until(ready)

    async def rest(self) -> None:
        """Until nobody has anything to do."""
        await self.until(lambda: self.it.live or None)
        await anyio.wait_all_tasks_blocked()

    async def set_to_work(self) -> None:
        """Begin a turn."""
        await self.rest()
        assert await self.it.prompt("work", "msg_1")
        await self.rest()

    async def queue(self, text: str) -> str:
        outbox = self.books.outbox
        message = outbox.compose(self.session, text, "lead", highest=Delivery.ACCEPTED)
        await outbox.queue(self.session, message)
        return message.id

    def state(self, message: str) -> Delivery:
        found = self.books.records.find(MESSAGE, message)
        assert found
        return found.state


@asynccontextmanager
async def talking(
    books: Books, agent: Scripted, *, generation: int = 1, mode: str | None = None, **trouble: Any
) -> AsyncGenerator[Talk]:
    engine = an_engine(books)
    runtime = Lines(agent, Trouble(**trouble))
    held = Held(ID, generation, runtime, HANDLE, Opening(Path("/w"), mode=mode))
    talk = Conversation(engine, held)
    engine.conversations._known[ID] = talk  # pyright: ignore[reportPrivateUsage]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(talk.run)
        yield Talk(engine, agent, talk, books)
        tasks.cancel_scope.cancel()


# -- whose it is -----------------------------------------------------------------------------------


async def test_the_last_words_of_an_earlier_agent_are_not_its_successors(books: Books) -> None:
    agent = Scripted()
    async with talking(books, agent) as talk:
        await talk.set_to_work()
        await books.change(ID, lambda now: replace(now, generation=2, heard=0, turn=None))
        before = books.records.session(ID)
        agent.say(messages.result(3, {"stopReason": "end_turn"}))
        await talk.rest()
        assert talk.it.ledger.turn is None
        assert books.records.session(ID) == before


async def test_what_was_said_before_the_commit_is_not_believed_after_a_restore(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Scripted()
    async with talking(books, agent) as talk:
        await talk.set_to_work()

        async def restored_meanwhile(session: object) -> None:
            await books.change(ID, lambda now: replace(now, generation=2, heard=0, turn=None))

        monkeypatch.setitem(talk.engine.__dict__, "project_of", restored_meanwhile)
        agent.say(messages.result(3, {"stopReason": "end_turn"}))
        await talk.rest()
        assert (talk.session.generation, talk.session.heard) == (2, 0)


async def test_one_that_is_replaced_ends_and_says_nothing_more(books: Books) -> None:
    async with talking(books, Scripted()) as talk:
        await talk.rest()
        talk.it.close()
        await talk.until(lambda: talk.it.over or None)
        with pytest.raises(WrongState, match="conversation is over"):
            await talk.it.rested()
        assert not talk.it.is_with(talk.session, HANDLE)


async def test_what_an_earlier_agent_asks_is_put_before_nobody(books: Books) -> None:
    agent = Scripted()
    async with talking(books, agent) as talk:
        await talk.rest()
        await books.change(ID, lambda now: replace(now, generation=2, heard=0))
        agent.ask(7, "destroy")
        await talk.rest()
        assert list(books.records.all(PERMISSION)) == []


# -- requests of the agent -------------------------------------------------------------------------


async def test_an_id_that_is_used_again_is_another_request(books: Books) -> None:
    agent = Scripted()
    async with talking(books, agent) as talk:
        await talk.rest()
        for decision, title in ((Decision.ALLOW, "look"), (Decision.DENY, "destroy")):
            agent.ask(7, title)
            await talk.rest()
            (asked,) = talk.engine.permissions.pending(ID)
            assert asked.arguments == title
            await talk.engine.permissions.answer(asked, decision, "lead")
            await talk.rest()
        outcomes = [one["result"]["outcome"]["outcome"] for one in agent.heard()]
        assert outcomes == ["selected", "cancelled"]  # it offers no way to say no


async def test_what_is_asked_in_a_turn_that_was_cancelled_is_put_before_nobody(
    books: Books,
) -> None:
    agent = Scripted()
    async with talking(books, agent) as talk:
        await talk.set_to_work()
        await talk.it.cancel()
        agent.ask(7, "too late")
        await talk.rest()
        assert agent.heard()[-1]["result"] == {"outcome": {"outcome": "cancelled"}}
        assert list(books.records.all(PERMISSION)) == []


async def test_an_answer_that_cannot_be_written_down_is_given_later(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, full = Scripted(), True
    commit = books.records.commit

    async def committed(changes: Sequence[Change], events: Sequence[NewEvent] = ()) -> Committed:
        if full and any(change.kind is PERMISSION for change in changes):
            raise StoreUnavailable("no room", hint="Free some space.")
        return await commit(changes, events)

    monkeypatch.setattr("ao_core.engine.engine._ROOM_PAUSE", 0.01)
    async with talking(books, agent) as talk:
        await talk.rest()
        monkeypatch.setattr(books.records, "commit", committed)
        agent.ask(7, "look")
        await talk.rest()
        assert agent.heard() == []
        full = False
        with anyio.fail_after(5):
            pending = talk.engine.permissions.pending
            (asked,) = await books.records.until(lambda: pending(ID) or None)
        await talk.engine.permissions.answer(asked, Decision.ALLOW, "lead")
        await talk.until(lambda: not talk.it.ledger.asked or None)
        assert agent.heard()[-1]["result"]["outcome"]["outcome"] == "selected"
        assert runtime_of(talk).lines == 1


async def test_an_interruption_that_finds_no_room_is_refused_and_meets_no_later_turn(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(self: object, data: bytes) -> bool:
        raise StoreUnavailable("what is said cannot be kept", hint="Free some space.")

    agent = Scripted()
    async with talking(books, agent) as talk:
        await talk.set_to_work()
        with monkeypatch.context() as full:
            full.setattr(Shaky, "write", refused)
            with pytest.raises(StoreUnavailable), anyio.fail_after(5):
                await talk.it.cancel()
        assert talk.it.ledger.turn
        assert not talk.it.ledger.turn.cancelled
        await talk.it.cancel()
        await talk.rest()
        assert talk.it.ledger.turn.cancelled


async def test_a_cancellation_that_comes_too_late_meets_no_other_turn(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Scripted()
    tries = 0

    async def late(self: Shaky, data: bytes) -> bool:
        """Meanwhile the turn has ended, and another has begun."""
        nonlocal tries
        tries += 1
        agent.say(messages.result(3, {"stopReason": "end_turn"}))
        assert agent.hear(agent.end, messages.request(4, "session/prompt", {"prompt": []}))
        agent.ask(7, "look")
        await books.records.until(lambda: talk.engine.permissions.pending(ID) or None)
        return False

    async with talking(books, agent) as talk:
        await talk.set_to_work()
        monkeypatch.setattr(Shaky, "write", late)
        await talk.it.cancel()
        await talk.rest()
        assert tries == 1
        assert talk.it.ledger.turn
        assert not talk.it.ledger.turn.cancelled
        assert talk.engine.permissions.pending(ID)  # what the later turn asks stays open


async def test_an_agent_that_has_asked_something_and_works_on_still_waits(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Scripted()
    monkeypatch.setattr("ao_core.engine.conversation._STIRS", -1.0)
    async with talking(books, agent) as talk:
        await talk.set_to_work()
        agent.say(messages.notice("session/update", {"update": {"sessionUpdate": "plan"}}))
        await talk.rest()
        busy = talk.session.activity
        assert busy
        assert busy.state is ActivityState.ACTIVE
        await books.change(ID, asking_which)
        await clock_of(books).advance(60)
        agent.say(messages.notice("session/update", {"update": {"sessionUpdate": "plan"}}))
        await talk.rest()
        assert derive_status(talk.session) is Status.NEEDS_INPUT
        assert talk.session.question == "which?"


def asking_which(session: Session) -> Session:
    """As its own tool has it ask, in the midst of a turn."""
    why = SessionReason.AWAITING_USER_INPUT
    facts = replace(session.facts, state=SessionState.NEEDS_INPUT, reason=why)
    return replace(session, facts=facts, question="which?")


# -- what goes wrong -------------------------------------------------------------------------------


async def test_a_write_that_came_late_is_not_made_again(books: Books) -> None:
    agent = Scripted()
    async with talking(books, agent, slow=1) as talk, anyio.create_task_group() as tasks:
        await talk.rest()
        message = await talk.queue("work")
        tasks.start_soon(Herald(talk.engine, ID).run)
        await talk.until(lambda: talk.state(message) is Delivery.SUBMITTED or None)
        await anyio.wait_all_tasks_blocked()
        prompts = [one for one in agent.lines if one.get("method") == "session/prompt"]
        assert len(prompts) == 1
        tasks.cancel_scope.cancel()


async def test_what_may_have_been_said_to_an_agent_that_ended_is_uncertain(books: Books) -> None:
    agent = Scripted()
    async with talking(books, agent, ends=True) as talk:
        await talk.rest()
        message, later = await talk.queue("work"), await talk.queue("more")
        await Herald(talk.engine, ID).run()
        assert talk.state(message) is Delivery.UNCERTAIN
        assert talk.state(later) is Delivery.FAILED


async def test_nothing_is_carried_where_there_is_nobody_to_talk_to(books: Books) -> None:
    async with talking(books, Scripted()) as talk:
        talk.it.close()
        message = await talk.queue("work")
        await talk.until(lambda: talk.it.over or None)
        with anyio.fail_after(5):
            await Herald(talk.engine, ID).run()
        assert talk.state(message) is Delivery.QUEUED


async def test_a_mode_that_is_refused_is_no_session(books: Books) -> None:
    async with talking(books, Scripted(refuses=("session/set_mode",)), mode="plan") as talk:
        with pytest.raises(PluginError, match=r"would not go into its mode 'plan'.*no") as caught:
            await talk.it.opened(5)
        assert "`modes`" in (caught.value.hint or "")


async def test_after_a_prompt_that_is_refused_the_next_is_carried(books: Books) -> None:
    called: list[str] = []

    def noting(what: str) -> Callable[[SessionId], None]:
        return lambda session: called.append(what)

    async with talking(books, Scripted(refuses=("session/prompt",))) as talk:
        told = {"deliver": noting("deliver"), "pull_due": noting("pull_due")}
        talk.engine.__dict__.update(told)
        await talk.set_to_work()
    assert sorted(called) == ["deliver", "pull_due"]


async def test_a_log_that_cannot_be_marked_does_not_end_the_conversation(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = [StoreUnavailable("no space"), BadRequest("it cannot go back")]
    mark, marked = Shaky.mark, list[int]()

    async def refused(self: Shaky, end: int, note: bytes) -> None:
        marked.append(end)
        if trouble:
            raise trouble.pop(0)
        await mark(self, end, note)

    monkeypatch.setattr("ao_core.engine.conversation._MARK_EVERY", 1)
    monkeypatch.setattr(Shaky, "mark", refused)
    agent = Scripted()
    async with talking(books, agent) as talk:
        await talk.until(lambda: talk.it.ledger.native_id)
        await talk.rest()
        assert await talk.it.prompt("work", "msg_1")
        agent.say(messages.result(3, {"stopReason": "end_turn"}))
        await talk.until(lambda: "session/prompt" in talk.it.ledger.told or None)
        await talk.until(lambda: talk.it.ledger.turn is None or None)
        await talk.rest()
        assert marked[0] == marked[1]  # once there is room, the same is marked
        assert agent.marked == agent.end
        assert runtime_of(talk).lines == 1


def runtime_of(talk: Talk) -> Lines:
    held = talk.it._held  # pyright: ignore[reportPrivateUsage]
    assert isinstance(held.runtime, Lines)
    return held.runtime


async def test_a_line_longer_than_the_log_holds_nobody_up_and_is_not_counted(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shaky, "capacity", 1 << 16)
    agent = Scripted()
    update = messages.notice("session/update", {"update": {"sessionUpdate": "plan"}})
    async with talking(books, agent) as talk:
        await talk.rest()
        assert await talk.it.prompt("work", "msg_1")
        for _ in range(12):
            agent.say(b"x" * (1 << 14))
            await talk.rest()
            assert agent.end - agent.marked <= 1 << 16
        heard = talk.it.ledger.count
    async with talking(books, agent) as talk:  # another engine, in the midst of the line
        await talk.rest()
        agent.say(b"x" * 10 + b"\n" + update)
        await talk.rest()
        assert talk.it.ledger.count == heard + 1


async def test_an_agent_is_not_waited_for_where_there_is_no_room_to_begin(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(self: object, data: bytes) -> bool:
        raise StoreUnavailable("what is said cannot be kept", hint="Free some space.")

    write = Shaky.write
    monkeypatch.setattr(Shaky, "write", refused)
    async with talking(books, Scripted()) as talk:
        with pytest.raises(StoreUnavailable, match="cannot be kept"):
            await talk.it.opened(5)
        monkeypatch.setattr(Shaky, "write", write)
        assert await talk.until(lambda: talk.it.ledger.native_id) == "native"
        assert await talk.it.opened(5)
        assert runtime_of(talk).lines == 1


async def test_what_is_heard_while_there_is_no_room_is_taken_in_once_there_is(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    commit = books.records.commit

    async def committed(*args: Any, **kwargs: Any) -> Any:
        if full:
            raise StoreUnavailable("no room", hint="Free some space.")
        return await commit(*args, **kwargs)

    monkeypatch.setattr(books.records, "commit", committed)
    async with talking(books, Scripted()) as talk:
        with pytest.raises(StoreUnavailable, match="no room"):
            await talk.it.opened(5)
        assert talk.session.native_id is None
        full = False
        await talk.it.until(lambda: talk.session.native_id)
        assert await talk.it.opened(5)
        assert runtime_of(talk).lines == 1


@pytest.mark.parametrize("text", ["/help", "  /help", "\n!rm", "\t@x", "# y"])
async def test_what_may_be_a_command_loses_its_power(books: Books, text: str) -> None:
    agent = Scripted()
    async with talking(books, agent) as talk, anyio.create_task_group() as tasks:
        await talk.rest()
        message = await talk.queue(text)
        tasks.start_soon(Herald(talk.engine, ID).run)
        await talk.until(lambda: talk.state(message) is Delivery.SUBMITTED or None)
        said = agent.lines[-1]["params"]["prompt"][0]["text"]
        assert text.strip() in said
        assert said.lstrip()[0] not in "/!@#"
        tasks.cancel_scope.cancel()


# -- which conversation is a session's -------------------------------------------------------------


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Scripted]:
    """The agents with whom conversations were begun."""
    agents: list[Scripted] = []

    async def conversation(
        engine: Engine, project: object, session: Session, handle: RuntimeHandle
    ) -> Conversation:
        agents.append(Scripted())
        await anyio.lowlevel.checkpoint()
        held = Held(ID, session.generation, Lines(agents[-1]), handle, Opening(Path("/w")))
        return Conversation(engine, held)

    monkeypatch.setattr("ao_core.engine.holding.conversation", conversation)
    return agents


async def test_a_session_has_one_conversation_and_a_new_agent_has_a_new_one(
    books: Books, made: list[Scripted]
) -> None:
    engine, other = an_engine(books), RuntimeHandle("app-1", "double", (("pid", "2"),))
    begin, project = engine.conversations.begin, cast("Project", None)
    async with anyio.create_task_group() as tasks:
        engine.__dict__["tasks"] = tasks
        session = books.records.session(ID)
        found = [await begin(engine, project, session, HANDLE) for _ in range(2)]
        assert found[0] is found[1]
        await found[0].opened(5)
        replaced = await begin(engine, project, session, other)
        assert replaced is not found[0]
        await found[0].until(lambda: found[0].over or None)
        said = len(made[0].log)
        assert not await found[0].prompt("more", "msg_1")
        assert len(made[0].log) == said
        assert (await replaced.opened(5)).native_id == "native"
        assert engine.conversations.of(ID) is replaced
        tasks.cancel_scope.cancel()


async def test_who_comes_late_does_not_replace_the_conversation_of_one_brought_back(
    books: Books, made: list[Scripted]
) -> None:
    engine, project = an_engine(books), cast("Project", None)
    begin = engine.conversations.begin
    async with anyio.create_task_group() as tasks:
        engine.__dict__["tasks"] = tasks
        before = books.records.session(ID)
        await books.change(ID, lambda now: replace(now, generation=2))
        session = books.records.session(ID)
        handle = RuntimeHandle("app-1", "double", (("pid", "2"),))
        talk = await begin(engine, project, session, handle)
        assert await begin(engine, project, before, HANDLE) is talk
        await talk.opened(5)
        tasks.cancel_scope.cancel()
