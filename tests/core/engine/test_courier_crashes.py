"""The engine dies at every step of a delivery; the next one types nothing twice."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from ao_core.engine import courier as courier_module
from ao_core.engine.courier import Courier
from ao_core.engine.outbox import enveloped
from ao_core.model.event import MessageMoved
from ao_core.plugin import Scope
from ao_core.slots.agent import Composer
from ao_core.store.records import MESSAGE, Delivery, Message, Mode
from books import Books, a_session, books_on, opened_books
from fused_store import Crash, FusedStore
from terminal_double import DIALOG, FOLDED, INTERRUPT, WORKING, Terminal, TerminalDouble

T = TypeVar("T")
D = Delivery
Act = Callable[[Terminal], None]
MOST = 200


@dataclass(slots=True)
class Fuse:
    """Lets so many steps pass, then ends the engine: at once, or by cancelling it."""

    left: int
    scope: anyio.CancelScope | None = None
    script: dict[tuple[str, int], Act] = field(default_factory=dict[tuple[str, int], Act])
    terminal: Terminal = field(default_factory=Terminal)
    seen: list[str] = field(default_factory=list[str])
    blown: bool = False

    async def __call__(self, place: str) -> None:
        self.seen.append(place)
        act = self.script.get((place, self.seen.count(place)))
        if act:
            act(self.terminal)
        self.left -= 1
        if self.left >= 0:
            return
        self.blown = True
        if self.scope is None:
            raise Crash
        self.scope.cancel()


def ask(terminal: Terminal) -> None:
    terminal.dialog = DIALOG


def shut(terminal: Terminal) -> None:
    terminal.dialog = None


def rest(terminal: Terminal) -> None:
    terminal.busy = False


@dataclass(frozen=True, slots=True)
class Story:
    """What happens while a message is on its way."""

    name: str
    best: D = D.SUBMITTED
    deaf_to: int = 0
    folds: bool = False
    asks: bool = False
    mode: Mode = Mode.WHEN_IDLE
    busy: bool = False
    stubborn: bool = False
    script: dict[tuple[str, int], Act] = field(default_factory=dict[tuple[str, int], Act])

    @property
    def composer(self) -> Composer:
        return Composer(
            dialogs=(DIALOG,), folded=(FOLDED,), best=self.best, draft=r"> \S[^\n]*\Z",
            interrupt=INTERRUPT, working=(WORKING,), now=("Tab",),
        )  # fmt: skip


STORIES = [
    Story("plain"),
    Story("accepted", D.ACCEPTED),
    Story("ignored Enter", D.ACCEPTED, deaf_to=1),
    Story("folded", folds=True),
    Story("dialog first", asks=True, script={("shows", 2): shut}),
    Story("dialog over the draft", script={("pasted", 1): ask, ("shows", 7): shut}),
    Story("interrupt", D.ACCEPTED, mode=Mode.INTERRUPT, busy=True),
    Story("interrupt that does not help", mode=Mode.INTERRUPT, busy=True, stubborn=True),
    Story("interrupt at rest", mode=Mode.INTERRUPT),
    Story(
        "interrupt behind a dialog",
        mode=Mode.INTERRUPT,
        busy=True,
        asks=True,
        script={("shows", 2): shut},
    ),
    Story("now", mode=Mode.NOW, busy=True),
    Story("command", mode=Mode.COMMAND),
    Story("command after the turn", mode=Mode.COMMAND, busy=True, script={("shows", 9): rest}),
    Story("dialog before Enter", script={("submit", 1): ask, ("shows", 10): shut}),
]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "_PRESS_AGAIN", 0.02)
    monkeypatch.setattr(courier_module, "_FIRST_LOOK", 0.0005)
    monkeypatch.setattr(courier_module, "_GLANCE", 0.0005)
    monkeypatch.setattr(courier_module, "_STOP_DEADLINE", 0.02)


@dataclass(slots=True)
class Trial:
    """One message to one session, carried by one engine and then by the next."""

    books: Books
    runtime: TerminalDouble
    story: Story
    message: Message

    @property
    def terminal(self) -> Terminal:
        return self.runtime.at(self.message.session)

    async def first_engine(self, steps: int, *, cancelled: bool) -> Fuse:
        scope = anyio.CancelScope()
        fuse = Fuse(steps, scope if cancelled else None, self.story.script, self.terminal)
        self.runtime.step = fuse
        with scope:
            fused = FusedStore(self.books.store, fuse)
            await self._run(await books_on(fused, self.books.clock))
        return fuse

    async def next_engine(self) -> Message:
        self.runtime.step = Fuse(10**6)
        shut(self.terminal)
        if self.story.mode is Mode.COMMAND:
            rest(self.terminal)
        books = await self.books.reopened()
        await self._run(books)
        found = books.records.find(MESSAGE, self.message.id)
        assert found is not None
        return found

    async def _run(self, books: Books) -> None:
        """Until the courier has done, or the engine is gone; hooks are heard beside it."""
        id = self.message.session
        courier = Courier(books.records, books.outbox, id, self.runtime, self.story.composer)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:

                async def part(work: Callable[[], Awaitable[Any]], *, last: bool) -> None:
                    try:
                        await work()
                    except Crash:
                        tasks.cancel_scope.cancel()
                    if last:
                        tasks.cancel_scope.cancel()

                async def courier_runs() -> None:
                    await part(courier.run, last=True)

                async def hooks_are_heard() -> None:
                    await part(lambda: self._hooks(books), last=False)

                tasks.start_soon(courier_runs)
                tasks.start_soon(hooks_are_heard)

    async def _hooks(self, books: Books) -> None:
        """What the agent's hook left stays there until an engine has taken it in."""
        if self.story.best is D.ACCEPTED:
            await self.terminal.heard.wait()
            await books.outbox.accepted(self.message.session, self.message.token, "a hook")

    async def receipts(self) -> list[str]:
        bodies = [(event.kind, event.body) for event in await self.books.journal()]
        return [
            kind.removeprefix("message.")
            for kind, body in bodies
            if isinstance(body, MessageMoved) and body.message == self.message.id
        ]


async def trial(books: Books, folder: Path, story: Story, number: int) -> Trial:
    session = a_session(f"app-{number}")
    await books.keep(session)
    text = "/compact" if story.mode is Mode.COMMAND else "go on"
    message = books.outbox.compose(session, text, "lead", highest=story.best, mode=story.mode)
    await books.outbox.queue(session, message)
    runtime = TerminalDouble(Scope(folder))
    terminal = runtime.at(session.id)
    terminal.deaf_to, terminal.folds = story.deaf_to, story.folds
    terminal.dialog = DIALOG if story.asks else None
    terminal.busy, terminal.stubborn = story.busy, story.stubborn
    return Trial(books, runtime, story, message)


@pytest.mark.parametrize("cancelled", [False, True], ids=["killed", "cancelled"])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_wherever_the_engine_ends_the_message_is_typed_once(
    tmp_path: Path, story: Story, cancelled: bool
) -> None:
    places: list[str] = []
    async with opened_books(tmp_path) as books:
        for steps in range(MOST):
            one = await trial(books, tmp_path, story, steps + 1)
            fuse = await one.first_engine(steps, cancelled=cancelled)
            found = await one.next_engine()
            where = f"after {steps} steps: {fuse.seen}"
            assert found.state is story.best, where
            assert one.terminal.pasted == [enveloped(one.message)], where
            assert one.terminal.received == [enveloped(one.message)], where
            assert one.terminal.wronged == [], where
            stopped = story.busy and story.mode is Mode.INTERRUPT
            assert one.terminal.interruptions == stopped, where
            assert bool(found.ended) is (story.mode is Mode.INTERRUPT), where
            assert is_forward(await one.receipts()), where
            if not fuse.blown:
                places = fuse.seen
                break
    assert {"commit", "committed", "paste", "pasted", "submit", "submitted"} <= set(places)


ORDER = ["queued", "typed", "submitted", "accepted"]


def is_forward(receipts: list[str]) -> bool:
    """Never back, but that what was held or not pasted after all is queued again."""
    places = [ORDER.index(one) for one in receipts]
    later = [place for place in places if place]
    return places == sorted(places) and len(later) == len(set(later))
