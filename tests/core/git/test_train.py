"""A train takes what fits together and passes its gate, leaves the rest out, and says why."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import BadRequest, NotFound
from ao_core.git.forecast import Clash, Member, Outlook, Prediction
from ao_core.git.repository import Identity
from ao_core.git.train import Fate, Outcome, build, order, predict
from ao_core.ids import session_id
from ao_core.model.work import MergeMethod
from ao_core.process import Completed, run
from ao_core.testing.repository import Recorder
from train_yard import HOME, METHODS, Yard, fates, ride_of, yard

ONE, TWO, THREE, FOUR = (session_id(f"app-{n}") for n in range(1, 5))


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> Yard:
    return await yard(tmp_path)


async def test_each_pair_and_each_member_is_tried_once_in_memory(here: Yard) -> None:
    members = [
        await here.worker(1, {"a.txt": "one\n"}),
        await here.worker(2, {"a.txt": "two\n", "b.txt": "two\n"}),
        await here.worker(3, {"b.txt": "three\n", "README.md": "three\n"}),
        await here.worker(4, {}),
    ]
    await here.on_main("README.md", "changed\n")
    before, recorder = await here.refs(), Recorder()
    seen = await predict(recorder, here.repository.path, "main", members)
    assert seen.clashes == (Clash(ONE, TWO, ("a.txt",)), Clash(TWO, THREE, ("b.txt",)))
    assert [one.conflicts for one in seen.outlooks] == [(), (), ("README.md",), ()]
    assert [one.already for one in seen.outlooks] == [False, False, False, True]
    merges = [argv for argv in recorder.argvs if "merge-tree" in argv]
    assert len(merges) == 3 + 3  # each open one with the target, and each pair of them
    assert not any("worktree" in argv for argv in recorder.argvs)
    assert await here.refs() == before


async def test_a_few_merges_are_tried_at_a_time_however_many_there_are(here: Yard) -> None:
    members = [await here.worker(n, {f"{n}.txt": "x\n"}) for n in range(1, 9)]
    under_way: set[object] = set()
    most: list[int] = []

    async def counting(argv: Sequence[str], **options: Any) -> Completed:
        one = object()
        under_way.add(one)
        most.append(len(under_way))
        done = await run(argv, **options)
        under_way.remove(one)
        return done

    seen = await predict(counting, here.repository.path, "main", members)
    assert [one.member for one in seen.outlooks] == members
    assert 1 < max(most) <= 4


async def test_what_cannot_be_merged_at_all_is_a_problem_of_its_own_only(here: Yard) -> None:
    good = await here.worker(1, {"a.txt": "a\n"})
    await here.repository.git("checkout", "-q", "--orphan", "alone")
    await here.repository.git("commit", "-q", "-m", "alone")
    await here.repository.git("checkout", "-q", "--detach", "main")
    members = [Member(TWO, "alone", "x"), Member(THREE, "nowhere", "x"), good]
    result = await here.train(*members)
    assert fates(result) == {ONE: Fate.LANDED, TWO: Fate.FAILED, THREE: Fate.FAILED}
    assert "no commit in common" in (ride_of(result, members[0]).why or "")
    assert "no commit nowhere" in (ride_of(result, members[1]).why or "")


async def test_a_session_is_named_once_and_the_target_has_to_be_there(here: Yard) -> None:
    member = await here.worker(1, {"a.txt": "a\n"})
    with pytest.raises(BadRequest, match="twice"):
        await predict(run, here.repository.path, "main", [member, member])
    with pytest.raises(NotFound, match="nowhere"):
        await predict(run, here.repository.path, "nowhere", [member])


def test_those_in_nobodys_way_go_first_and_else_the_given_order_holds() -> None:
    def outlook(id: str, *conflicts: str) -> Outlook:
        return Outlook(Member(session_id(id), "h", "t"), "h", conflicts=conflicts)

    outlooks = (outlook("app-3", "x"), outlook("app-1"), outlook("app-2"), outlook("app-4"))
    clashes = (Clash(ONE, TWO, ("a",)), Clash(ONE, FOUR, ("a",)))
    prediction = Prediction("main", "c", outlooks, clashes)
    assert [one.member.id for one in order(prediction)] == [TWO, FOUR, ONE, THREE]


@pytest.mark.parametrize("method", METHODS)
async def test_all_that_fits_lands_at_once_in_the_history_the_method_is_named_for(
    here: Yard, method: MergeMethod
) -> None:
    author = Identity("Worker", "worker@example.com")
    one = await here.worker(1, {"a.txt": "a\n", "b.txt": "b\n"})
    two = await here.worker(2, {"c.txt": "c\n"})
    two = Member(two.id, two.head, "Two\n\nAO-Session: app-9", author)
    before = await here.on_main("later.txt", "later\n")
    result = await here.train(one, two, method=method)
    assert (result.outcome, result.blockers, result.ref) == (Outcome.LANDED, (), None)
    assert result.commit == await here.repository.git("rev-parse", "main")
    assert fates(result) == {ONE: Fate.LANDED, TWO: Fate.LANDED}
    assert ride_of(result, two).commit == result.commit
    assert await here.files() == {"README.md", "a.txt", "b.txt", "c.txt", "later.txt"}
    log = await here.repository.git("log", "--format=%an|%s", f"{before}..main")
    merges = await here.repository.git("rev-list", "--merges", "--count", f"{before}..main")
    subjects = [line.partition("|")[2] for line in log.splitlines()]
    if method is MergeMethod.REBASE:
        assert (subjects, merges) == (["w2 c.txt", "w1 b.txt", "w1 a.txt"], "0")
    else:
        assert merges == ("2" if method is MergeMethod.MERGE else "0")
        assert log.splitlines()[0] == "Worker|Two AO-Session: app-9"
        where = ("log", "-2", "--first-parent", "--format=%(trailers:key=AO-Session,valueonly)")
        assert (await here.repository.git(*where, "main")).split() == [TWO, ONE]
    assert await here.left_nothing()


async def test_what_is_replayed_says_whose_it_is_and_is_the_same_else(here: Yard) -> None:
    git = here.repository.git
    member = await here.worker(1, {"a.txt": "a\n"})
    await git("checkout", "-q", "w1")
    for name, message in (
        ("b.txt", "By another\n\nAO-Session: app-9"),
        ("c.txt", "Not at its end\n\nAO-Session: app-9\n\nmore\n---\nand more"),
        ("d.txt", "By two\n\nWith words: in it.\n\nCo-authored-by: B <b@example.com>"),
    ):
        await here.repository.commit(name, message=message)
    dated = ("-c", "user.name=W", "commit", "-q", "--amend", "--no-edit")
    await git(*dated, "--author=Ä <w@example.com>", "--date=2001-02-03T04:05:06+0700")
    await git("checkout", "-q", "--detach", "main")
    tip = await here.on_main("later.txt", "later\n")
    facts = ("log", "--format=%an|%ae|%ad|%T|%s", "main..w1")
    authors = [line.split("|") for line in (await git(*facts)).splitlines()]

    assert fates(await here.train(member, method=MergeMethod.REBASE)) == {ONE: Fate.LANDED}
    landed = [line.split("|") for line in (await git("log", facts[1], f"{tip}..main")).splitlines()]
    assert [(*one[:3], one[4]) for one in landed] == [(*one[:3], one[4]) for one in authors]
    assert landed[0][2] == "Sat Feb 3 04:05:06 2001 +0700"
    bodies = (await git("log", "--format=%B%x00", f"{tip}..main")).split("\0")[:-1]
    assert [body.strip() for body in bodies] == [
        "By two\n\nWith words: in it.\n\nCo-authored-by: B <b@example.com>\nAO-Session: app-1",
        "Not at its end\n\nAO-Session: app-9\n\nmore\n---\nand more\n\nAO-Session: app-1",
        "By another\n\nAO-Session: app-9",
        "w1 a.txt\n\nAO-Session: app-1",
    ]
    assert await git("fsck", "--strict", "--no-dangling") == ""
    assert await git("merge-base", tip, "main") == tip


async def test_a_commit_that_says_whose_it_is_stays_the_very_same(here: Yard) -> None:
    member = await here.worker(1, {})
    await here.repository.git("checkout", "-q", "w1")
    made = await here.repository.commit("b.txt", message="By another\n\nAO-Session: app-9")
    await here.repository.git("checkout", "-q", "--detach", "main")
    result = await here.train(member, method=MergeMethod.REBASE)
    assert result.commit == made == await here.repository.git("rev-parse", "main")


@pytest.mark.parametrize("method", METHODS)
async def test_one_in_conflict_stays_behind_and_the_train_goes_on(
    here: Yard, method: MergeMethod
) -> None:
    members = [
        await here.worker(1, {"a.txt": "one\n"}),
        await here.worker(2, {"a.txt": "two\n"}),
        await here.worker(3, {"c.txt": "three\n"}),
        await here.worker(4, {"README.md": "four\n"}),
    ]
    await here.on_main("README.md", "changed\n")
    result = await here.train(*members, method=method)
    assert result.outcome is Outcome.LANDED
    assert [ride.id for ride in result.members] == [THREE, ONE, TWO, FOUR]
    two, four = ride_of(result, members[1]), ride_of(result, members[3])
    assert (two.fate, two.files, two.whom) == (Fate.CONFLICT, ("a.txt",), (ONE,))
    assert (four.fate, four.files, four.whom) == (Fate.CONFLICT, ("README.md",), ("main",))
    assert await here.files() == {"README.md", "a.txt", "c.txt"}
    assert await here.repository.git("show", "main:a.txt") == "one"
    assert await here.left_nothing()


@pytest.mark.parametrize("method", METHODS)
async def test_the_gate_sees_each_merged_tree_and_who_fails_it_stays_behind(
    here: Yard, method: MergeMethod
) -> None:
    members = [
        await here.worker(1, {"a.txt": "a\n"}),
        await here.worker(2, {"bad.txt": "bad\n"}),
        await here.worker(3, {"c.txt": "c\n"}),
    ]
    seen: list[set[str]] = []

    async def gate(folder: Path, commit: str) -> str | None:
        names = set(os.listdir(folder)) - {".git"}
        assert await here.files(commit) == names
        seen.append(names)
        return "bad.txt \x1b[31mis bad" if "bad.txt" in names else None

    result = await here.train(*members, method=method, gate=gate)
    assert fates(result) == {ONE: Fate.LANDED, TWO: Fate.FAILED, THREE: Fate.LANDED}
    assert ride_of(result, members[1]).why == "bad.txt is bad"
    start = {"README.md", "a.txt"}
    assert seen == [start, start | {"bad.txt"}, start | {"c.txt"}]
    assert await here.files() == start | {"c.txt"}


async def test_two_that_fit_alone_but_not_together_do_not_both_land(here: Yard) -> None:
    one = await here.worker(1, {"one.txt": "1\n"})
    two = await here.worker(2, {"two.txt": "2\n"})

    async def at_most_two(folder: Path, commit: str) -> str | None:
        names = [name for name in os.listdir(folder) if name.endswith(".txt")]
        return None if len(names) < 2 else "too many"

    result = await here.train(one, two, gate=at_most_two)
    assert fates(result) == {ONE: Fate.LANDED, TWO: Fate.FAILED}
    assert await here.files() == {"README.md", "one.txt"}


@pytest.mark.parametrize(
    ("method", "on_top"), [(method, top) for method in METHODS for top in ("first", "last")]
)
async def test_work_on_top_of_other_work_of_the_train_lands_whole(
    here: Yard, method: MergeMethod, on_top: str
) -> None:
    one = await here.worker(1, {"a.txt": "one\n", "b.txt": "one\n"})
    two = await here.worker(2, {"a.txt": "two\n", "c.txt": "two\n"}, on="w1")
    await here.on_main("later.txt", "later\n")
    members = (one, two) if on_top == "last" else (two, one)
    result = await here.train(*members, method=method)
    assert fates(result) == {ONE: Fate.LANDED, TWO: Fate.LANDED}
    assert await here.repository.git("show", "main:a.txt") == "two"
    assert await here.files() == {"README.md", "a.txt", "b.txt", "c.txt", "later.txt"}


async def test_one_left_out_whose_work_came_along_is_said_to_have_landed(here: Yard) -> None:
    one = await here.worker(1, {"broken.txt": "x\n"})
    two = await here.worker(2, {"broken.txt": None, "fixed.txt": "x\n"}, on="w1")

    async def gate(folder: Path, commit: str) -> str | None:
        return "broken" if (folder / "broken.txt").exists() else None

    result = await here.train(one, two, gate=gate, method=MergeMethod.MERGE)
    assert fates(result) == {ONE: Fate.LANDED, TWO: Fate.LANDED}
    assert await here.repository.git("merge-base", "--is-ancestor", "w1", "main", ok=True) == ""


@pytest.mark.parametrize("method", METHODS)
async def test_a_second_train_of_the_same_has_nothing_to_do(
    here: Yard, method: MergeMethod
) -> None:
    members = [await here.worker(1, {"a.txt": "a\n"}), await here.worker(2, {"b.txt": "b\n"})]
    await here.on_main("later.txt", "later\n")
    await here.train(*members, method=method)
    before = await here.refs()
    again = await here.train(*members, method=method)
    assert (again.outcome, again.commit) == (Outcome.NOTHING, None)
    assert fates(again) == {ONE: Fate.ALREADY, TWO: Fate.ALREADY}
    assert await here.refs() == before


@pytest.mark.parametrize("reason", ["conflict", "gate"])
async def test_all_or_nothing_is_nothing_when_one_cannot_come(here: Yard, reason: str) -> None:
    members = [
        await here.worker(1, {"a.txt": "1\n"}),
        await here.worker(2, {"a.txt" if reason == "conflict" else "bad.txt": "2\n"}),
        await here.worker(3, {"c.txt": "3\n"}),
    ]

    proved: list[str] = []

    async def gate(folder: Path, commit: str) -> str | None:
        proved.append(commit)
        return "bad" if (folder / "bad.txt").exists() else None

    before = await here.refs()
    result = await here.train(*members, gate=gate, all_or_nothing=True)
    assert (result.outcome, result.commit, result.ref) == (Outcome.BLOCKED, None, None)
    assert result.blockers == (f"{TWO} could not be merged",)
    bad = Fate.CONFLICT if reason == "conflict" else Fate.FAILED
    assert fates(result) == {ONE: Fate.LEFT_OUT, TWO: bad, THREE: Fate.LEFT_OUT}
    assert ride_of(result, members[2]).why == result.blockers[0]
    assert len(proved) == 2  # after the first failure none is built for nothing
    assert await here.refs() == before


async def test_a_dry_run_says_what_is_to_be_expected_and_builds_nothing(here: Yard) -> None:
    members = [
        await here.worker(1, {"a.txt": "1\n"}),
        await here.worker(2, {"a.txt": "2\n"}),
        await here.worker(3, {"c.txt": "3\n"}),
        await here.worker(4, {}),
    ]
    before = await here.refs()
    recorder = Recorder()
    result = await here.train(*members, through=recorder, dry_run=True)
    assert (result.outcome, result.commit) == (Outcome.READY, None)
    assert fates(result) == {
        ONE: Fate.READY, TWO: Fate.CONFLICT, THREE: Fate.READY, FOUR: Fate.ALREADY,
    }  # fmt: skip
    assert ride_of(result, members[1]).whom == (ONE,)
    assert recorder.argvs == []
    whole = await here.train(*members, dry_run=True, all_or_nothing=True)
    assert whole.outcome is Outcome.BLOCKED
    assert await here.refs() == before


async def test_a_train_of_nobody_changes_nothing(here: Yard) -> None:
    before = await here.refs()
    assert (await here.train()).outcome is Outcome.NOTHING
    assert await here.refs() == before


async def test_exactly_the_commit_that_was_looked_at_is_taken(here: Yard) -> None:
    member = await here.worker(1, {"a.txt": "a\n"})
    seen = await predict(run, here.repository.path, "main", [member])
    await here.repository.git("checkout", "-q", "w1")
    await here.repository.commit("unseen.txt")
    await here.repository.git("checkout", "-q", "--detach", "main")
    result = await build(
        run, here.repository.path, seen, method=MergeMethod.MERGE, scratch=here.scratch,
        home=HOME, train_id="train-1",
    )  # fmt: skip
    assert result.outcome is Outcome.LANDED
    assert await here.files() == {"README.md", "a.txt"}
