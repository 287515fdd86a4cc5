"""A key on a pause or resume of many: a call that was cut short is finished by its repetition."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import pytest

from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine
from ao_core.engine.keys import Keys
from ao_core.model.budget import Budget
from ao_core.model.pause import Brake, Paused, PauseReason
from ao_core.model.session import Drive, Session
from ao_core.store.records import BRAKE, SESSION
from ao_mcp.operations.contract import Call
from ao_mcp.operations.pausing import PAUSE, RESUME, Pause, Resume
from bare_engine import an_engine
from books import START, Books, a_session, books_on, opened_books
from fused_store import Crash, FusedStore

ASKED = Paused(PauseReason.ASKED, START, "person")
IDS = ("app-1", "app-2", "app-3")


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as opened:
        yield opened


def resting(id: str, paused: Paused | None) -> Session:
    return a_session(id, drive=Drive.PROTOCOL, paused=paused)


def call_on(books: Books) -> Call:
    engine: Engine = an_engine(books)
    keys = Keys(books.store, books.clock)
    engine.__dict__.update(ceiling=Budget(), keys=keys)
    return Call(engine, Caller(Role.PERSON, "test"))


async def cut_short(books: Books, step: int, wish: Pause | Resume) -> None:
    """Its engine dies at that step, if there is one; the next one is asked again."""
    left = step

    async def fuse(_: str) -> None:
        nonlocal left
        if left == 0:
            raise Crash
        left -= 1

    with suppress(Crash):
        await asked(await books_on(FusedStore(books.store, fuse), books.clock), wish)
    await asked(await books_on(books.store, books.clock), wish)


async def asked(books: Books, wish: Pause | Resume) -> None:
    if isinstance(wish, Pause):
        await PAUSE.run(call_on(books), wish)
    else:
        await RESUME.run(call_on(books), wish)


async def paused(books: Books) -> list[bool]:
    after = await books_on(books.store, books.clock)
    return [one.paused is not None for one in after.records.all(SESSION)]


@pytest.mark.parametrize("step", range(8))
async def test_those_that_are_named_are_all_paused(books: Books, step: int) -> None:
    await books.keep(*(resting(id, None) for id in IDS))
    await cut_short(books, step, Pause(sessions=IDS, key="k"))
    assert await paused(books) == [True] * 3


@pytest.mark.parametrize("step", range(8))
async def test_those_that_are_named_all_go_on(books: Books, step: int) -> None:
    await books.keep(*(resting(id, ASKED) for id in IDS))
    await cut_short(books, step, Resume(sessions=IDS, key="k"))
    assert await paused(books) == [False] * 3


@pytest.mark.parametrize("step", range(10))
async def test_all_go_on(books: Books, step: int) -> None:
    await books.keep(*(resting(id, ASKED) for id in IDS))
    await books.records.create(BRAKE, "all", Brake(START, "person"))
    await cut_short(books, step, Resume(all=True, key="k"))
    assert await paused(books) == [False] * 3
    after = await books_on(books.store, books.clock)
    assert after.records.find(BRAKE, "all") is None


async def test_what_found_nothing_to_pause_pauses_nothing_later_either(books: Books) -> None:
    await books.keep(resting("app-1", ASKED))
    await asked(books, Pause(sessions=IDS[:1], key="k"))
    await asked(books, Resume(sessions=IDS[:1]))
    await asked(books, Pause(sessions=IDS[:1], key="k"))
    assert await paused(books) == [False]


async def test_a_repetition_brings_nobody_back_who_was_paused_since(books: Books) -> None:
    await books.keep(*(resting(id, ASKED) for id in IDS))
    await asked(books, Resume(all=True, key="k"))
    await asked(books, Pause(sessions=IDS))
    await asked(books, Resume(all=True, key="k"))
    assert await paused(books) == [True] * 3
