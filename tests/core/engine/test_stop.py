"""A stop ends everybody who can be ended, and names the others."""

from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from ao_core.engine import stop as stopping
from ao_core.engine.engine import Engine
from ao_core.errors import CommandFailed
from ao_core.ids import SessionId
from ao_core.model.session import SessionReason, Status, derive_status
from bare_engine import an_engine
from books import Books, a_session, opened_books


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as opened:
        yield opened


def an_engine_that_ends(books: Books, home: Path) -> Engine:
    engine = an_engine(books)
    locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
    engine.__dict__.update(
        room=SimpleNamespace(lock=anyio.Lock()), home=SimpleNamespace(path=home),
        alone=locks.__getitem__, ending=_nothing,
        project_of=_no_project,
    )  # fmt: skip
    return engine


def _nothing(session: object) -> AbstractContextManager[None]:

    return nullcontext()


async def _no_project(session: object) -> None:
    """Nobody needs one."""


@pytest.mark.parametrize("fault", [CommandFailed("git failed"), OSError("gone"), KeyError("bug")])
async def test_one_that_will_not_end_keeps_neither_the_others_nor_the_engine(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    for id in ("app-1", "app-2", "app-3"):
        await books.keep(replace(a_session(), id=SessionId(id)))

    async def end_agent(engine: object, project: object, session: object) -> None:
        if getattr(session, "id", None) == "app-2":
            raise fault

    monkeypatch.setattr(stopping, "end_agent", end_agent)
    monkeypatch.setattr(stopping, "_open_runtimes", _no_project)
    monkeypatch.setattr(stopping, "released", _released)
    done = await stopping.stop(an_engine_that_ends(books, tmp_path))
    assert (set(done.sessions), done.stubborn) == ({"app-1", "app-3"}, ("app-2",))
    statuses = [derive_status(books.records.session(id)) for id in ("app-1", "app-2", "app-3")]
    assert statuses[0] is statuses[2] is Status.KILLED
    assert statuses[1] is not Status.KILLED
    ended = books.records.session("app-1")
    assert ended.facts.reason is SessionReason.ENGINE_STOPPED


async def _released(engine: object, id: object, why: str) -> None:
    """Nobody waits for it."""
