"""What a merge has to look at beforehand goes as an act; what only asks if it could, does not."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from ao_core.allowance import is_acting
from ao_core.engine.trains import Wish, merge
from ao_core.ids import SessionId
from ao_core.model.work import MergeMethod
from ao_core.slots.scm import WorkRef
from bare_engine import an_engine
from books import Books, a_session


@dataclass
class Host:
    """Nothing was pushed to it yet."""

    remote: str = "origin"
    name: str = "elsewhere"
    acting: list[bool] = field(default_factory=list[bool])

    async def find(self, work: WorkRef) -> None:
        self.acting.append(is_acting())


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_merge_looks_as_one_who_acts(dry_run: bool, books: Books) -> None:
    host = Host()
    await books.keep(a_session())
    engine: Any = an_engine(books, SimpleNamespace(id="app", scm=host, workspace=None))

    @asynccontextmanager
    async def alone(id: str) -> AsyncGenerator[None]:
        yield

    async def detached(work: Callable[[], Awaitable[object]]) -> object:
        return await work()

    engine.alone, engine.detached = alone, detached
    report = await merge(engine, [SessionId("app-1")], Wish(MergeMethod.MERGE, dry_run=dry_run))
    assert "no pull request" in str(report.members)
    assert (host.acting, is_acting()) == ([not dry_run], False)
