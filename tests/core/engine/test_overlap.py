"""Which lines two workers both change, and how often that is told."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from ao_core.engine.overlap import Overlaps, changed, meeting, overlaps_of, words
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, Moved, NewEvent, Said
from ao_core.model.overlap import Place
from ao_core.process import run
from ao_core.store.records import OVERLAP
from ao_core.testing.repository import Sample, sample
from bare_engine import an_engine
from books import Books, a_session, over

ONE, TWO = SessionId("app-1"), SessionId("app-2")
DIFF = b"""\
diff --git a/a.py b/a.py
index 1..2 100644
--- a/a.py
+++ b/a.py
@@ -3,2 +3 @@ def f():
---- a/evil.py
--x
+y
@@ -9,0 +9,2 @@
+new
++++ b/evil.py
diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1 @@
+x
diff --git a/gone.py b/gone.py
--- a/gone.py
+++ /dev/null
@@ -1,3 +0,0 @@
-x
"""


def test_the_lines_of_a_diff_are_read_and_none_of_its_text() -> None:
    assert changed(DIFF) == (
        Place("a.py", 3, 4), Place("a.py", 9, 8), Place("new.py", 0, -1), Place("gone.py", 1, 3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ((3, 4), (4, 9), True),
        ((3, 4), (5, 9), False),
        ((3, 8), (5, 5), True),
        ((9, 8), (9, 8), True),
        ((9, 8), (7, 6), False),
        ((9, 8), (8, 9), True),
        ((9, 8), (1, 8), False),
        ((0, -1), (0, -1), True),
    ],
)
def test_places_meet_where_both_change_a_line_or_put_something_in(
    one: tuple[int, int], other: tuple[int, int], meets: bool
) -> None:
    a, b = Place("a", *one), Place("a", *other)
    assert bool(meeting([a], [b])) is bool(meeting([b], [a])) is meets
    assert meeting([a], [replace(b, path="b")]) == ()


# -- workers ---------------------------------------------------------------------------------------


@dataclass
class Field:
    """A repository with a work tree for each of two workers."""

    books: Books
    main: Sample
    work: dict[str, Sample]
    calls: list[Sequence[str]]
    overlaps: Overlaps

    async def write(self, id: str, line: int, text: str, name: str = "f.txt") -> None:
        path = self.work[id].path / name
        lines = path.read_text().splitlines()
        lines[line - 1] = text
        path.write_text("\n".join(lines) + "\n")

    async def commit(self, id: str) -> None:
        await self.work[id].git("commit", "-qam", "work")
        head = await self.work[id].git("rev-parse", "HEAD")
        await self.books.change(id, lambda now: replace(now, commits=(*now.commits, head)))
        await self.say(NewEvent(EventKind.SESSION_COMMITTED, Said(head), "app", id))

    async def rests(self, id: str) -> None:
        now = self.books.clock.now()
        facts = self.books.records.session(id).facts
        await self.books.change(id, lambda one: replace(one, facts=replace(facts, since=now)))
        moved = Moved("working", "idle", "turn_ended")
        await self.say(NewEvent(EventKind.SESSION_IDLE, moved, "app", id))

    async def say(self, event: NewEvent) -> None:
        head = (await self.books.records.commit([], [event])).events[-1].seq
        with anyio.fail_after(10):
            while self.overlaps.seen < head:  # noqa: ASYNC110 - nothing tells of it
                await anyio.sleep(0.001)

    async def told(self) -> list[tuple[str, str]]:
        found = await self.books.journal(EventKind.SESSION_OVERLAPS)
        return [(str(one.session), str(getattr(one.body, "text", ""))) for one in found]

    def stored(self) -> list[tuple[str, ...]]:
        return [tuple(map(str, one.places)) for one in self.books.records.all(OVERLAP)]


@asynccontextmanager
async def field_of(books: Books, tmp_path: Path, **more: Any) -> AsyncGenerator[Field]:
    main = await sample(tmp_path / "main")
    base = await main.commit("f.txt", "".join(f"line {n}\n" for n in range(1, 21)))
    work: dict[str, Sample] = {}
    calls: list[Sequence[str]] = []
    for id in (ONE, TWO):
        path = tmp_path / id
        await main.git("worktree", "add", "-q", "-b", f"ao/{id}", str(path))
        work[id] = main.at(path)
        placed: dict[str, Any] = {"branch": f"ao/{id}", "base_commit": base, "path": str(path)}
        await books.keep(a_session(id, base="main", **placed, **more))

    async def execute(
        where: Any, argv: Sequence[str], env: Any, deadline: float, **how: Any
    ) -> Any:
        calls.append(argv)
        return await run(argv, cwd=where.workspace, env=env, deadline=deadline, **how)

    runtime = SimpleNamespace(exec=execute)
    project = SimpleNamespace(repository=main.path, runtime=runtime, workspace=None)
    overlaps = Overlaps(an_engine(books, project))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(overlaps.run)
        await anyio.wait_all_tasks_blocked()
        yield Field(books, main, work, calls, overlaps)
        tasks.cancel_scope.cancel()


async def test_the_same_lines_are_told_of_to_both_once_with_what_is_not_committed(
    books: Books, tmp_path: Path
) -> None:
    async with field_of(books, tmp_path) as field:
        await field.write(ONE, 5, "mine")
        await field.commit(ONE)
        assert await field.told() == []
        await field.write(TWO, 5, "theirs")  # not committed
        await field.rests(TWO)
        assert await field.told() == [
            ("app-2", "it changes the same lines as app-1: f.txt:5"),
            ("app-1", "it changes the same lines as app-2: f.txt:5"),
        ]
        await field.commit(TWO)
        await field.rests(ONE)
        assert len(await field.told()) == 2
        (overlap,) = overlaps_of(an_engine(books), ONE)
        assert words(overlap, ONE) == "app-2: f.txt:5"


async def test_other_lines_are_nobodys_business(books: Books, tmp_path: Path) -> None:
    async with field_of(books, tmp_path) as field:
        await field.write(ONE, 5, "mine")
        await field.commit(ONE)
        await field.write(TWO, 7, "theirs")
        await field.commit(TWO)
        assert (await field.told(), field.stored()) == ([], [])


async def test_what_is_over_is_forgotten_and_told_again_when_it_comes_back(
    books: Books, tmp_path: Path
) -> None:
    async with field_of(books, tmp_path) as field:
        await field.write(ONE, 5, "mine")
        await field.commit(ONE)
        await field.write(TWO, 5, "theirs")
        await field.commit(TWO)
        await field.write(TWO, 5, "line 5")
        await field.commit(TWO)
        assert field.stored() == []
        await field.write(TWO, 5, "again")
        await field.commit(TWO)
        assert field.stored() == [("f.txt:5",)]
        assert len(await field.told()) == 4
        await field.books.change(ONE, over)
        moved = Moved("working", "idle", "turn_ended")
        await field.say(NewEvent(EventKind.SESSION_IDLE, moved, "app", TWO))
        assert field.stored() == []


async def test_lines_are_compared_from_where_both_parted(books: Books, tmp_path: Path) -> None:
    async with field_of(books, tmp_path) as field:
        text = "new\n" * 4 + "".join(f"line {n}\n" for n in range(1, 21))
        await field.main.commit("f.txt", text)
        await field.work[TWO].git("merge", "-q", "main")
        await field.write(TWO, 9, "theirs")  # what was line 5
        await field.commit(TWO)
        await field.write(ONE, 5, "mine")
        await field.commit(ONE)
        assert field.stored() == [("f.txt:5",)]


async def test_copies_of_one_task_are_not_told_of_each_other(books: Books, tmp_path: Path) -> None:
    async with field_of(books, tmp_path, group="app-1") as field:
        for id in (ONE, TWO):
            await field.write(id, 5, f"by {id}")
            await field.commit(id)
        assert await field.told() == []


async def test_the_same_new_file_is_told_of_before_anybody_commits_it(
    books: Books, tmp_path: Path
) -> None:
    async with field_of(books, tmp_path) as field:
        (field.main.path / ".git" / "info" / "exclude").write_text("*.log\n")
        for id in (ONE, TWO):
            for name in ("neuer Plan.txt", "run.log", f"{id}.txt"):
                (field.work[id].path / name).write_text(id)
            await field.rests(id)
        assert field.stored() == [("neuer Plan.txt",)]
        assert [who for who, _ in await field.told()] == [TWO, ONE]
        field.calls.clear()
        await field.work[ONE].git("add", "neuer Plan.txt")
        await field.commit(ONE)
        assert field.stored() == [("neuer Plan.txt",)]
        assert sum("ls-files" in call for call in field.calls) == 1
        assert len(await field.told()) == 2


async def test_of_very_many_new_files_so_many_are_looked_at(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_core.engine.overlap._NEW", 1)
    async with field_of(books, tmp_path) as field:
        for id in (ONE, TWO):
            for name in ("a.txt", "b.txt"):
                (field.work[id].path / name).write_text(id)
            await field.rests(id)
        assert field.stored() == [("a.txt",)]


async def test_a_name_that_was_cut_is_nobodys_file(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_core.engine.overlap._NAMES", 9)
    async with field_of(books, tmp_path) as field:
        for id in (ONE, TWO):
            for name in ("a.txt", f"bcd-{id}.txt"):
                (field.work[id].path / name).write_text(id)
            await field.rests(id)
        assert field.stored() == [("a.txt",)]


async def test_who_has_changed_nothing_costs_two_looks(books: Books, tmp_path: Path) -> None:
    async with field_of(books, tmp_path) as field:
        await field.write(ONE, 5, "mine")
        await field.commit(ONE)
        field.calls.clear()
        await field.rests(TWO)
        assert len(field.calls) == 2
