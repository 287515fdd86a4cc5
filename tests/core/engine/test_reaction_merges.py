"""Work that is approved and green is merged by itself, where that is wanted."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.config.models import Reaction
from ao_core.engine.train_gates import CalledOff
from ao_core.errors import Unavailable, WrongState
from ao_core.git.train import Fate
from ao_core.model.event import (
    EventKind,
    Reacted,
)
from ao_core.model.pause import Halted, PauseReason
from ao_core.store.records import PURSUIT
from books import Books, a_session, clock_of, opened_books
from core.engine.reacting import (
    AUTO,
    AUTO_MERGE,
    READY,
    RED,
    TWICE,
    Merges,
    caught_up,
    happened,
    reacted,
    reacting,
)


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("landing", "escalated"),
    [
        (Fate.LANDED, None), (Fate.READY, "main is dirty"), (WrongState("busy"), "busy"),
        (OSError(13, "denied"), "an internal error; see the engine's log"),
    ],
)  # fmt: skip
async def test_what_is_approved_and_green_is_merged_where_that_is_wanted(
    books: Books, monkeypatch: pytest.MonkeyPatch, landing: Any, escalated: str | None
) -> None:
    merges = Merges(landing)
    monkeypatch.setattr("ao_core.engine.reactions.merge", merges)
    await books.keep(a_session(pr=READY))
    async with reacting(books, AUTO) as reactions:
        await happened(books, EventKind.MERGE_READY, RED)
        await happened(books, EventKind.MERGE_READY, RED)
        await caught_up(reactions, books)
        await anyio.wait_all_tasks_blocked()
        assert merges.made == ["app-1"]
        causes = [event.body for event in await books.journal(EventKind.REACTION_ESCALATED)]
        assert [one.cause for one in causes if isinstance(one, Reacted)] == (
            [escalated] if escalated else []
        )


async def escalated(books: Books) -> list[str | None]:
    events = await books.journal(EventKind.REACTION_ESCALATED)
    return [one.body.cause for one in events if isinstance(one.body, Reacted)]


async def settled_at(books: Books, attempts: int) -> None:
    """It is written down that it is tried again, and slept until then."""
    with anyio.fail_after(5):
        while [one.attempts for one in books.records.all(PURSUIT)] != [attempts]:
            await anyio.wait_all_tasks_blocked()
    await anyio.wait_all_tasks_blocked()


@pytest.mark.parametrize(
    "merges",
    [Merges(Unavailable("it is down")), Merges(Fate.LEFT_OUT, later=True)],
    ids=["error", "patience"],
)
@pytest.mark.parametrize(("rule", "tries"), [(AUTO_MERGE, 5), (TWICE, 2)], ids=["usual", "twice"])
async def test_a_merge_that_time_may_help_is_made_later_within_its_budget(
    books: Books, monkeypatch: pytest.MonkeyPatch, merges: Merges, rule: Reaction, tries: int
) -> None:
    merges = replace(merges, made=[])
    monkeypatch.setattr("ao_core.engine.reactions.merge", merges)
    await books.keep(a_session(pr=READY))
    async with reacting(books, {"approved-and-green": rule}) as reactions:
        await happened(books, EventKind.MERGE_READY, RED)
        await caught_up(reactions, books)
        for made, pause in zip(range(1, tries), (60, 300, 900, 900), strict=False):
            with anyio.fail_after(5):
                while len(merges.made) < made:
                    await anyio.wait_all_tasks_blocked()
            await settled_at(books, made + 1)
            assert (len(merges.made), await escalated(books)) == (made, [])
            await clock_of(books).advance(pause)
        with anyio.fail_after(5):
            while not await escalated(books):
                await anyio.wait_all_tasks_blocked()
        assert len(merges.made) == tries
        await clock_of(books).advance(10_000)
        assert len(merges.made) == tries


async def test_one_that_is_made_later_is_made_once_and_nobody_hears_of_trouble(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    merges = Merges(Unavailable("it is down"))
    monkeypatch.setattr("ao_core.engine.reactions.merge", merges)
    await books.keep(a_session(pr=READY))
    async with reacting(books, AUTO) as reactions:
        await happened(books, EventKind.MERGE_READY, RED)
        await caught_up(reactions, books)
        await anyio.wait_all_tasks_blocked()
        await settled_at(books, 2)
        merges.landing = Fate.LANDED
        for _ in range(3):
            await clock_of(books).advance(901)
            await anyio.wait_all_tasks_blocked()
        assert (merges.made, await escalated(books)) == (["app-1"] * 2, [])


async def test_what_its_host_merges_by_itself_is_no_escalation(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    merges = Merges(Fate.READY, promised=True)
    monkeypatch.setattr("ao_core.engine.reactions.merge", merges)
    await books.keep(a_session(pr=READY))
    async with reacting(books, AUTO) as reactions:
        await happened(books, EventKind.MERGE_READY, RED)
        await caught_up(reactions, books)
        await anyio.wait_all_tasks_blocked()
        await clock_of(books).advance(901)
        assert (merges.made, await escalated(books)) == (["app-1"], [])


async def test_one_that_is_called_off_is_no_escalation_and_is_made_once_it_goes_on(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    merges = Merges(CalledOff("all workers are paused"))
    monkeypatch.setattr("ao_core.engine.reactions.merge", merges)
    await books.keep(a_session(pr=READY))
    async with reacting(books, AUTO) as reactions:
        for kind in (EventKind.MERGE_READY, *[EventKind.SESSION_RESUMED] * 2):
            body = RED if kind is EventKind.MERGE_READY else Halted(PauseReason.ASKED, "you")
            await happened(books, kind, body)
            await caught_up(reactions, books)
            await anyio.wait_all_tasks_blocked()
        assert (merges.made, await escalated(books)) == (["app-1"] * 3, [])


async def test_by_default_it_is_told_and_nobody_merges(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    merges = Merges()
    monkeypatch.setattr("ao_core.engine.reactions.merge", merges)
    await books.keep(a_session(pr=READY))
    async with reacting(books) as reactions:
        await happened(books, EventKind.MERGE_READY, RED)
        await caught_up(reactions, books)
        assert merges.made == []
        assert await reacted(books) == [("triggered", "approved-and-green", "notify")]
