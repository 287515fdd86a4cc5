"""What is old and settled goes; what is live, unsettled or work stays."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from ao_core.config.own import Retention
from ao_core.engine.conversations import Conversations
from ao_core.engine.engine import Engine
from ao_core.engine.home import ProjectHome
from ao_core.engine.intents import Intents
from ao_core.engine.keys import Keys
from ao_core.engine.permissions import Permissions
from ao_core.engine.retention import keep_small, tidy
from ao_core.engine.wait import Until, wait
from ao_core.errors import Pruned
from ao_core.git.salvage import salvage
from ao_core.ids import HomeId, ProjectId, SessionId
from ao_core.process import run
from ao_core.slots.runtime import Forgetting
from ao_core.store.contract import Drop, Put
from ao_core.store.records import (
    CURSOR,
    INTENT,
    KEY,
    MESSAGE,
    PERMISSION,
    PROJECT,
    SESSION,
    Cursor,
    Delivery,
    IntentKind,
    KeyUse,
    Outcome,
    Permission,
    ProjectRecord,
)
from ao_core.testing.repository import sample
from books import DEADLINE, START, Books, a_session, clock_of, over

DAY = 24 * 3600.0
LIMIT = Retention(journal="2d")  # pyright: ignore[reportArgumentType] - as the file has it
OLD, LIVE = SessionId("app-1"), SessionId("app-2")


class Remembering(Forgetting):
    """A runtime that notes whom it was told to forget."""

    name = "double"

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    async def forget(self, id: str) -> None:
        self.forgotten.append(id)


@pytest.fixture
def runtime() -> Remembering:
    return Remembering()


@pytest.fixture
def engine(books: Books, runtime: Remembering, tmp_path: Path) -> Engine:
    locks = defaultdict[str, anyio.Lock](anyio.Lock)
    made = SimpleNamespace(
        records=books.records, clock=books.clock, keys=Keys(books.store, books.clock),
        home=SimpleNamespace(path=tmp_path), session=books.records.session,
        alone=locks.__getitem__, conversations=Conversations(),
        projects=SimpleNamespace(runtimes=lambda: [runtime]),
    )  # fmt: skip
    return cast("Engine", made)


async def later(books: Books, days: float = 1) -> None:
    await clock_of(books).advance(days * DAY)


async def numbers(books: Books) -> list[int]:
    return [event.seq for event in await books.journal()]


# -- the journal -----------------------------------------------------------------------------------


async def test_the_journal_loses_the_lines_that_are_too_old(books: Books, engine: Engine) -> None:
    for day in range(5):
        await books.say(f"day {day}", LIVE)
        await later(books)
    await tidy(engine, LIMIT)
    assert await numbers(books) == [4, 5]
    await later(books, 10)
    await tidy(engine, LIMIT)
    assert await numbers(books) == []
    await books.say("again", LIVE)
    assert await numbers(books) == [6]


async def test_a_reader_that_is_behind_keeps_what_it_has_not_read(
    books: Books, engine: Engine
) -> None:
    for day in range(4):
        await books.say(f"day {day}")
    await books.store.commit([Put(CURSOR, "reactions", Cursor("reactions", 2), 0)])
    await later(books, 9)
    await tidy(engine, LIMIT)
    assert await numbers(books) == [3, 4]
    (row,) = [row async for row in books.store.scan(CURSOR)]
    await books.store.commit([Drop(CURSOR, row.id, row.revision)])
    await tidy(engine, LIMIT)
    assert await numbers(books) == []


async def test_nothing_goes_where_everything_is_to_be_kept(books: Books, engine: Engine) -> None:
    await books.say("old")
    await later(books, 1000)
    await tidy(engine, Retention.model_validate({"journal": "never"}))
    assert await numbers(books) == [1]


async def test_who_waits_with_a_cursor_that_is_too_old_is_told_to_start_over(
    books: Books, engine: Engine
) -> None:
    for day in range(4):
        await books.say(f"day {day}")
    await later(books, 9)
    await books.say("new")
    await tidy(engine, LIMIT)
    with pytest.raises(Pruned) as caught:
        await wait(engine, [], Until.ANY, 2, 0)
    assert "without a cursor" in (caught.value.hint or "")
    for enough in (4, 0):  # 0 is no place in it, but its beginning
        news = await wait(engine, [], Until.ANY, enough, 0)
        assert [event.seq for event in news.events] == [5]


# -- what is known of sessions that ended ----------------------------------------------------------


async def busy(books: Books, id: SessionId) -> None:
    """Give a session some of everything, settled and not."""
    session = books.records.session(id)
    permissions = Permissions(books.records, books.clock)
    intents = Intents(books.records, books.clock)
    for text, state in (("done", Delivery.ACCEPTED), ("not yet", Delivery.QUEUED)):
        message = books.outbox.compose(session, text, "lead")
        await books.outbox.queue(session, message)
        await books.outbox.move(message, state)
    for number, ended in ((1, START), (2, None)):
        asked = Permission(f"{id}.{number}", id, "a tool", "", START, ended_at=ended)
        await books.records.create(PERMISSION, asked.id, asked)
    assert len(permissions.pending(id)) == 1
    begun = await intents.begin(IntentKind.KILL, id, "0")
    await intents.begin(IntentKind.KILL, id, "1")
    await intents.end(begun.id, Outcome.DONE)


def left(books: Books, id: SessionId) -> list[int]:
    of = books.records.of_session
    return [len(of(MESSAGE, id)), len(of(PERMISSION, id)), len(of(INTENT, id))]


async def test_what_is_settled_of_those_that_ended_long_ago_goes(
    books: Books, engine: Engine, runtime: Remembering
) -> None:
    for id in (OLD, LIVE):
        await busy(books, id)
    await books.change(OLD, over)
    await later(books, 1)
    await tidy(engine, LIMIT)
    assert left(books, OLD) == [2, 2, 2]
    await later(books, 2)
    await tidy(engine, LIMIT)
    assert left(books, OLD) == [1, 1, 1]
    assert left(books, LIVE) == [2, 2, 2]
    assert runtime.forgotten == [OLD]
    assert {one.id for one in books.records.all(SESSION)} == {OLD, LIVE}
    assert left(await books.reopened(), OLD) == [1, 1, 1]


async def test_prompts_and_spools_go_and_work_stays(
    books: Books, engine: Engine, tmp_path: Path
) -> None:
    project = ProjectRecord(ProjectId("app"), "/p", "/p/.git", "app", "abc-app", START)
    await books.records.create(PROJECT, "app", project)
    home = ProjectHome(tmp_path / "abc-app")
    (tmp_path / "abc-app").mkdir()
    kept: list[Path] = []
    for id in (OLD, LIVE):
        for folder in (home.prompts(id), home.spool(id), home.worktrees / id):
            folder.mkdir(exist_ok=True)
            (folder / "file").touch()
            kept.append(folder / "file")
    (home.archive / "1.tar").touch()
    await books.change(OLD, over)
    await later(books, 3)
    await tidy(engine, LIMIT)
    gone = [file for file in kept if not file.exists()]
    assert gone == [home.path / name / OLD / "file" for name in ("prompts", "spool")]
    assert (home.archive / "1.tar").exists()


async def test_one_that_was_brought_back_loses_nothing(books: Books, engine: Engine) -> None:
    await busy(books, OLD)
    await books.change(OLD, over)
    await later(books, 3)
    lock = engine.alone(OLD)
    async with anyio.create_task_group() as tasks, lock:
        tasks.start_soon(tidy, engine, LIMIT)
        await anyio.wait_all_tasks_blocked()
        await books.change(OLD, lambda _: a_session(OLD))
    assert left(books, OLD) == [2, 2, 2]


# -- saved work -----------------------------------------------------------------------------------


async def test_saved_work_goes_only_when_asked_for_and_held_by_others(
    books: Books, engine: Engine, tmp_path: Path
) -> None:
    repository = await sample(tmp_path / "repository")
    home = ProjectHome(tmp_path / "abc-app")
    home.path.mkdir()
    refs: list[str] = []
    for text in ("one", "two", "three"):
        (repository.path / "draft").write_text(text)
        saved = await salvage(
            run, repository.path, HomeId("0a1b2c3d"), OLD, "x", archive=home.archive
        )
        assert saved
        refs.append(saved.ref)
    for ref in refs[:2]:
        await repository.git("update-ref", f"refs/heads/kept-{ref[-1]}", ref)
    await books.change(OLD, lambda now: replace(over(now), salvage=tuple(refs), kept=refs[1]))
    project = SimpleNamespace(repository=repository.path, home=home, runtime=_Here())

    async def project_of(session: object) -> object:
        return project

    engine.__dict__["project_of"] = project_of
    await later(books, 3000)  # the commits were made by the machine's own clock
    await tidy(engine, LIMIT)
    assert books.records.session(OLD).salvage == tuple(refs)
    await tidy(engine, Retention.model_validate({"snapshots": "90d"}))
    assert books.records.session(OLD).salvage == tuple(refs[1:])
    there = (await repository.git("for-each-ref", "--format=%(refname)", "refs/ao")).split()
    assert there == refs[1:]


class _Here:
    """Runs side commands where it is."""

    async def exec(
        self, where: Any, argv: Sequence[str], env: Any, deadline: float, **more: Any
    ) -> Any:
        return await run(argv, cwd=where.workspace, env=env, deadline=deadline, **more)


# -- day by day -----------------------------------------------------------------------------------


async def test_it_is_done_at_once_and_once_a_day_whatever_goes_wrong(
    books: Books, engine: Engine
) -> None:
    answers = iter([LIMIT, None, LIMIT])

    async def kept() -> Retention:
        found = next(answers)
        if found is None:
            raise Pruned("the limits cannot be understood")
        return found

    for day in range(3):
        await books.say(f"day {day}")
        await later(books)
    with anyio.fail_after(DEADLINE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_small, engine, kept)
            await clock_of(books).until_sleeping()
            assert await numbers(books) == [2, 3]
            for left in ([2, 3], []):
                await later(books)
                await clock_of(books).until_sleeping()
                assert await numbers(books) == left
            tasks.cancel_scope.cancel()


async def test_keys_are_forgotten_while_the_engine_runs(books: Books, engine: Engine) -> None:
    await books.store.commit([Put(KEY, "k", KeyUse("spawn", "", "", "", START), 0)])
    await later(books, 8)
    await tidy(engine, LIMIT)
    assert await books.store.read(KEY, "k") is None
