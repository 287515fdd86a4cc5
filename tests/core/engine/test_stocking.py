"""Workspaces are kept ready where they are wanted, follow their base, and stay where touched."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from ao_core.engine import housing, stocking
from ao_core.engine.housing import Effort, plan_of
from ao_core.engine.pool import Pool
from ao_core.engine.project import Project
from ao_core.engine.saga import Saga
from ao_core.engine.stocking import Stocking
from ao_core.engine.upstream import Upstream
from ao_core.errors import WrongState
from ao_core.git.registration import relock
from ao_core.ids import ProjectId
from ao_core.model.event import EventKind
from ao_core.model.session import RuntimeFacts, Session, SessionReason, SessionState
from ao_core.plugin import Scope
from ao_core.process import run
from ao_core.slots.workspace import Checkout, Spare
from ao_core.testing.repository import Sample, sample
from ao_plugins.workspace.worktree import Worktree, WorktreeConfig
from bare_engine import an_engine
from books import Books, a_session, clock_of, over

APP = ProjectId("app")


@dataclass
class Yard:
    """An engine's keeper of spares, around a real repository."""

    books: Books
    repository: Sample
    project: Any
    engine: Any
    keeper: Stocking

    @property
    def pool(self) -> Pool:
        return self.engine.pool

    def want(self, count: int | None) -> None:
        self.project.settings.warm_worktrees = count

    async def spares(self) -> list[Spare]:
        root, repository = self.project.home.worktrees, self.repository.path
        return list(await self.project.workspace.spares(root, repository, run))

    async def tip(self) -> str:
        return await self.repository.git("rev-parse", "main")

    async def begin(self, id: str = "app-7") -> Session:
        """A session that is about to be started."""
        why = SessionReason.SPAWN_REQUESTED
        new = a_session(
            id, SessionState.NOT_STARTED, why, run=RuntimeFacts(), branch=f"ao/{id}-abcdef",
            base="main",
        )  # fmt: skip
        await self.books.keep(new)
        return new

    def effort(self, session: Session, *, redo: bool = False) -> Effort:
        project = cast("Project", self.project)
        return Effort(self.engine, project, cast("Any", None), session, resume=False, redo=redo)

    async def made(self, session: Session, *, redo: bool = False) -> Checkout:
        return await housing.made(self.effort(session, redo=redo), Saga())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stocking, "_SAME_SECOND", 0.0)


@pytest.fixture
async def yard(books: Books, tmp_path: Path, quick: None) -> Yard:
    repository = await sample(tmp_path / "project")
    home = tmp_path / "home"
    scope = Scope(state=home / "state", project=APP, repository=repository.path, home="0a1b2c3d")

    async def execute(place: Any, argv: Any, env: Any, deadline: float, **how: Any) -> Any:
        return await run(argv, cwd=place.workspace, env=env, deadline=deadline, **how)

    project = SimpleNamespace(
        id=APP, settings=SimpleNamespace(warm_worktrees=1), repository=repository.path,
        common_dir=repository.path / ".git", branch="main",
        home=SimpleNamespace(worktrees=home / "worktrees", archive=home / "archive"),
        workspace=Worktree(WorktreeConfig(), scope), scm=SimpleNamespace(remote=None),
        runtime=SimpleNamespace(exec=execute),
    )  # fmt: skip
    engine = cast("Any", an_engine(books))
    engine.pool, engine.upstream = Pool(), Upstream()
    engine.home = SimpleNamespace(id="0a1b2c3d")
    engine.alone = defaultdict[str, anyio.Lock](anyio.Lock).__getitem__
    engine.projects = SimpleNamespace(at_hand={APP: project}.get)
    engine.pool.expect(APP)
    return Yard(books, repository, project, engine, Stocking(engine))


async def test_one_is_made_while_nobody_is_started(yard: Yard) -> None:
    session = await yard.begin()
    await yard.keeper.look()
    assert await yard.spares() == []
    await yard.books.keep(over(session))
    await yard.keeper.look()
    assert await yard.spares() == list(yard.pool.ready(APP))
    assert len(yard.pool.ready(APP)) == 1


async def test_no_more_are_made_than_are_wanted_and_those_too_many_go(yard: Yard) -> None:
    yard.want(2)
    for _ in range(4):
        await yard.keeper.look()
    assert len(await yard.spares()) == 2
    yard.want(0)
    await yard.keeper.look()
    assert await yard.spares() == []


@pytest.mark.parametrize(("large", "made"), [(1, 1), (1_000, 0)])
async def test_unasked_one_is_kept_for_a_large_repository_only(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, large: int, made: int
) -> None:
    monkeypatch.setattr(stocking, "LARGE", large)
    yard.want(None)
    await yard.keeper.look()
    assert len(await yard.spares()) == made


async def test_a_repository_that_is_sparse_has_none(yard: Yard) -> None:
    await yard.repository.git("config", "core.sparseCheckout", "true")
    await yard.keeper.look()
    assert await yard.spares() == []


async def test_they_follow_the_main_branch(yard: Yard) -> None:
    await yard.keeper.look()
    await yard.repository.commit("later.txt")
    await yard.keeper.look()
    (spare,) = yard.pool.ready(APP)
    assert spare.commit == await yard.tip()
    assert (spare.path / "later.txt").exists()


async def test_several_starts_at_once_share_what_there_is(yard: Yard) -> None:
    await yard.keeper.look()
    sessions = [await yard.begin(f"app-{number}") for number in (7, 8, 9)]
    made: list[Checkout] = []

    async def make(session: Session) -> None:
        made.append(await yard.made(session))

    async with anyio.create_task_group() as tasks:
        for session in sessions:
            tasks.start_soon(make, session)
    assert {one.session for one in made} == {"app-7", "app-8", "app-9"}
    assert {one.head for one in made} == {await yard.tip()}
    assert await yard.spares() == []
    assert not yard.pool.ready(APP)


async def test_a_start_takes_the_one_that_is_ready(yard: Yard, counted: list[str]) -> None:
    await yard.keeper.look()
    await yard.made(await yard.begin())
    assert counted == ["take"]


async def test_a_start_that_fails_leaves_nothing_of_the_one_it_took(yard: Yard) -> None:
    await yard.keeper.look()
    effort = yard.effort(await yard.begin())
    with pytest.raises(WrongState, match="does not start"):
        await _in_vain(effort)
    assert not plan_of(cast("Project", yard.project), effort.session).path.exists()
    assert await yard.repository.git("branch", "--list", "ao/*") == ""
    assert "worktrees" not in await yard.repository.git("worktree", "list")


async def _in_vain(effort: Effort) -> None:
    async with Saga() as saga:
        checkout = await housing.made(effort, saga)
        (checkout.path / "linked").write_text("by the preparation")
        raise WrongState("the agent does not start")


async def test_one_that_somebody_touched_is_told_of_once_and_left_alone(yard: Yard) -> None:
    await yard.keeper.look()
    (spare,) = yard.pool.ready(APP)
    (spare.path / "mine.txt").write_text("mine")
    session = await yard.begin()
    checkout = await yard.made(session)
    assert not (checkout.path / "mine.txt").exists()
    await yard.books.keep(over(session))
    for _ in range(3):
        await yard.keeper.look()
    (event,) = await yard.books.journal(EventKind.SPARE_TOUCHED)
    assert str(spare.path) in str(event.body)
    yard.want(0)
    await yard.keeper.look()
    assert (spare.path / "mine.txt").read_text() == "mine"
    assert [one.path for one in await yard.spares()] == [spare.path]


async def test_what_an_engine_left_is_found_again_by_the_next(yard: Yard) -> None:
    yard.want(2)
    await yard.keeper.look()
    await yard.keeper.look()
    first, second = yard.pool.ready(APP)
    relock(second.path, "initializing")
    yard.engine.pool = Pool()
    yard.engine.pool.expect(APP)
    yard.want(1)
    await Stocking(yard.engine).look()
    assert yard.pool.ready(APP) == (first,)
    assert await yard.spares() == [first]


async def test_a_start_that_is_never_resumed_has_its_half_taken_spare_removed(yard: Yard) -> None:
    await yard.keeper.look()
    (spare,) = yard.pool.ready(APP)
    session = await yard.begin()
    relock(spare.path, "ao 0a1b2c3d app-7")
    await yard.repository.git("branch", session.branch, spare.commit)
    yard.pool.doubted.add(APP)
    await yard.keeper.look()
    assert spare.path.exists()
    await yard.books.keep(over(session))
    yard.want(0)
    await yard.keeper.look()
    assert not spare.path.exists()
    assert await yard.repository.git("branch", "--list", "ao/*") == ""


async def test_a_start_done_again_goes_on_with_the_half_taken_spare(yard: Yard) -> None:
    await yard.keeper.look()
    (spare,) = yard.pool.ready(APP)
    session = await yard.begin()
    relock(spare.path, "ao 0a1b2c3d app-7")
    checkout = await yard.made(session, redo=True)
    assert checkout.path == plan_of(cast("Project", yard.project), session).path
    assert not spare.path.exists()


async def test_what_is_being_brought_back_is_not_cleared_away_at_the_same_time(yard: Yard) -> None:
    """Its half-taken spare becomes its workspace, if whoever brings it back was first."""
    await yard.keeper.look()
    (spare,) = yard.pool.ready(APP)
    session = over(await yard.begin())
    await yard.books.keep(session)
    relock(spare.path, "ao 0a1b2c3d app-7")
    yard.pool.doubted.add(APP)
    yard.want(0)
    async with yard.engine.alone(session.id):
        with anyio.fail_after(20):
            await yard.keeper.look()
        assert spare.path.exists()
    await clock_of(yard.books).advance(60)
    await yard.keeper.look()
    assert not spare.path.exists()


async def test_what_was_seen_while_somebody_took_one_is_looked_at_again(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await yard.keeper.look()
    session, seen = await yard.begin(), Worktree.spares

    async def slowly(self: Worktree, *args: Any) -> Any:
        found = await seen(self, *args)
        await yard.made(session)
        monkeypatch.setattr(Worktree, "spares", seen)
        await yard.books.keep(over(session))
        return found

    yard.pool.doubted.add(APP)
    await yard.books.keep(over(session))
    monkeypatch.setattr(Worktree, "spares", slowly)
    await yard.keeper.look()
    assert all(one.path.exists() for one in yard.pool.ready(APP))


async def test_there_are_never_more_than_four_with_those_that_are_left_alone(yard: Yard) -> None:
    for number in range(6):
        for _ in range(2):
            await yard.keeper.look()
        for spare in yard.pool.ready(APP):
            (spare.path / f"mine-{number}.txt").write_text("mine")
        yard.pool.doubted.add(APP)
    await yard.keeper.look()
    assert len(await yard.spares()) == 4
    assert all(one.touched for one in await yard.spares())


async def test_one_that_cannot_be_read_keeps_nobody_from_the_others(yard: Yard) -> None:
    yard.want(2)
    for _ in range(2):
        await yard.keeper.look()
    broken, sound = yard.pool.ready(APP)
    kept = Path((broken.path / ".git").read_text().removeprefix("gitdir: ").strip())
    (kept / "index").write_bytes(b"nothing of the kind")
    yard.pool.doubted.add(APP)
    await yard.keeper.look()
    assert sound in yard.pool.ready(APP)
    assert broken not in yard.pool.ready(APP)
    assert broken.path.exists()
    assert len(yard.pool.ready(APP)) == 2
    (event,) = await yard.books.journal(EventKind.SPARE_TOUCHED)
    assert "index" in str(event.body)


async def test_what_could_not_be_looked_at_is_looked_at_before_another_is_made(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await yard.keeper.look()
    seen = Worktree.spares

    async def broken(*_: object) -> Any:
        raise WrongState("not now")

    yard.engine.pool = Pool()  # another engine's
    yard.pool.expect(APP)
    keeper = Stocking(yard.engine)
    monkeypatch.setattr(Worktree, "spares", broken)
    await keeper.look()
    monkeypatch.setattr(Worktree, "spares", seen)
    await clock_of(yard.books).advance(700)
    await keeper.look()
    assert len(await yard.spares()) == 1


async def test_what_is_not_clean_at_another_commit_is_nobodys_work(yard: Yard) -> None:
    """A filter of the repository's own adds a file whenever git writes one of those it is for."""
    folder, git = yard.repository.path, yard.repository.git
    await yard.keeper.look()
    assert len(yard.pool.ready(APP)) == 1
    await git("config", "filter.noisy.smudge", "tee beside.log")
    (folder / ".gitattributes").write_text("*.txt filter=noisy\n")
    (folder / "noisy.txt").write_text("one\n")
    await git("add", ".gitattributes", "noisy.txt")
    await git("commit", "-q", "-m", "a filter")
    for _ in range(3):
        await yard.keeper.look()
        await clock_of(yard.books).advance(2_000)
    assert await yard.books.journal(EventKind.SPARE_TOUCHED) == []
    assert await yard.spares() == []


async def test_what_cannot_be_made_is_not_tried_all_the_time(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    async def stock(*_: object) -> Spare:
        tries.append("stock")
        raise WrongState("never clean")

    monkeypatch.setattr(yard.project.workspace, "stock", stock)
    for _ in range(3):
        await yard.keeper.look()
    assert tries == ["stock"]
    clock = clock_of(yard.books)
    for _ in range(7 * 24 * 6):
        await clock.advance(600)
        await yard.keeper.look()
    assert 7 < len(tries) < 20  # in a week


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way each workspace was made."""
    ways: list[str] = []
    for name in ("take", "create"):
        usual = getattr(Worktree, name)

        def noted(self: Worktree, *a: Any, _n: str = name, _u: Any = usual, **k: Any) -> Any:
            ways.append(_n)
            return _u(self, *a, **k)

        monkeypatch.setattr(Worktree, name, noted)
    return ways


async def test_a_claim_is_nobody_elses_until_it_is_over() -> None:
    pool, spare = Pool(), Spare(Path("/s"), "c1")
    pool.put(APP, spare)
    with pool.claimed(APP) as mine:
        with pool.claimed(APP) as theirs:
            assert theirs is None
        pool.found(APP, [spare])
        assert mine == spare
        assert not pool.ready(APP)
    assert not pool.ready(APP)
    assert pool.doubted == {APP}
    pool.found(APP, [spare])
    assert pool.ready(APP) == (spare,)
