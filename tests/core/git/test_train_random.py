"""Whatever was edited: the target passes its gate and has what is said, or is as before.

The gate is a program. Among the files it looks at are some whose lines only make sense together,
so that work which merges cleanly can still be wrong. What the target has then is what a person has
who merges the same work, in the same order, with git alone.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ao_core.errors import CommandFailed
from ao_core.git.train import Fate, Member, Outcome, Ride, TrainResult
from ao_core.ids import SessionId, session_id
from ao_core.model.work import MergeMethod
from ao_core.process import run
from ao_core.testing.repository import Sample
from rounds import rounds
from train_yard import METHODS, Yard, bytes_of, yard

# No file is called `bad`; no name is claimed by two; what is used is there.
GATE = """
import pathlib, sys
texts = {p.name: p.read_text().split() for p in pathlib.Path(".").glob("*.txt")}
claims = [word for words in texts.values() for word in words if word.startswith("claim:")]
uses = [word[4:] for words in texts.values() for word in words if word.startswith("use:")]
faults = [name for name in texts if name.startswith("bad")]
faults += [word for word in set(claims) if claims.count(word) > 1]
faults += [name for name in uses if name not in texts]
sys.exit("; ".join(sorted(faults)) or 0)
"""
NAMES = ["a.txt", "b.txt", "c.txt", "bad.txt"]
LINES = st.one_of(
    st.sampled_from(["claim:x", "claim:y", "use:a.txt", "use:b.txt", "use:gone.txt"]),
    st.integers(0, 3).map(str),
)
CONTENT = st.one_of(st.none(), st.lists(LINES, max_size=4).map(lambda lines: "\n".join(lines)))
EDITS = st.dictionaries(st.sampled_from(NAMES), CONTENT, min_size=1, max_size=2)
START = {"a.txt": "0\n1\n2\n3\n4\n5\n", "b.txt": "0\n1\n2\n"}


Works: TypeAlias = Sequence[Mapping[str, str | None]]


@dataclass(frozen=True, slots=True)
class Case:
    """Some sessions' edits; session `stack` builds on the one before it."""

    works: Works
    method: MergeMethod
    stack: int = 0
    whole: bool = False
    held: bool = False  # the target is checked out, and not clean
    later: str | None = None  # what the target got meanwhile


async def gate(folder: Path, commit: str) -> str | None:
    done = await run([sys.executable, "-I", "-S", "-c", GATE], cwd=folder)
    (folder / "cache.pyc").write_text("left behind")
    return None if done.status == 0 else done.stderr.decode().strip() or "failed"


async def passes(here: Yard, place: Path) -> bool:
    """Whether the target, checked out afresh, passes."""
    await here.repository.git("clone", "-q", "-b", "main", str(here.repository.path), str(place))
    return await gate(place, "") is None


async def prepared(folder: Path, case: Case) -> Yard:
    here = await yard(folder)
    for name, content in START.items():
        await here.on_main(name, content)
    for n, edits in enumerate(case.works, 1):
        base = f"w{n - 1}" if n > 1 and n == case.stack else "main"
        at = await here.files(base)
        valid = {name: text for name, text in edits.items() if text is not None or name in at}
        own = {f"mark{n}.txt": f"{n}\n"}
        await here.worker(n, {**own, **{k: _ended(v) for k, v in valid.items()}}, on=base)
    if case.later is not None:
        await here.on_main("a.txt", f"{case.later}\nend\n")
    if case.held:
        await here.repository.git("checkout", "-q", "main")
        (here.repository.path / "b.txt").write_text("not committed\n")
    return here


def _ended(text: str | None) -> str | None:
    return None if text is None else f"{text}\nend\n"


async def check(folder: Path, case: Case) -> None:
    here = await prepared(folder, case)
    git = here.repository.git
    before, refs = await git("rev-parse", "main"), await here.refs()
    files = bytes_of(here.repository.path, but=[".git"])
    members = [Member(_id(n), f"w{n}", f"Work {n}") for n in range(1, len(case.works) + 1)]
    tried = list[Ride]()

    async def boarded(ride: Ride) -> None:
        tried.append(ride)

    result = await here.train(
        *members, method=case.method, gate=gate, all_or_nothing=case.whole, boarded=boarded
    )
    after = await git("rev-parse", "main")
    assert await here.left_nothing()
    if result.outcome is Outcome.LANDED:
        assert after == result.commit
        assert await passes(here, folder / "fresh")
        assert await git("merge-base", before, after) == before
    else:
        assert after == before
        assert bytes_of(here.repository.path, but=[".git"]) == files
        assert result.outcome is Outcome.READY or await here.refs() == refs
    if case.held:
        assert (here.repository.path / "b.txt").read_text() == "not committed\n"
    if case.whole and result.outcome is not Outcome.BLOCKED:
        assert {ride.fate for ride in result.members} <= {Fate.LANDED, Fate.READY, Fate.ALREADY}
    await contains_what_it_says(here, result)
    if result.commit is not None:
        place = folder / "hand"
        await here.repository.git("clone", "-q", "-n", "-s", str(here.repository.path), str(place))
        await is_as_by_hand(here.repository.at(place), before, case, tried, result.commit)


async def is_as_by_hand(
    person: Sample, before: str, case: Case, tried: Sequence[Ride], commit: str
) -> None:
    """What was taken can be merged, what was not cannot or fails, and not a line is lost."""
    await person.git("checkout", "-q", "--detach", before)
    for ride in tried:
        head, tip = f"origin/w{_number(ride.id)}", await person.git("rev-parse", "HEAD")
        if ride.fate is Fate.LANDED:
            assert await merged(person, head), ride
            if case.method is MergeMethod.MERGE:
                await person.git("merge-base", "--is-ancestor", head, commit)
        elif ride.fate in (Fate.CONFLICT, Fate.FAILED) and case.method is not MergeMethod.REBASE:
            clean = await merged(person, head)
            assert clean is (ride.fate is Fate.FAILED), ride
            assert not clean or await gate(person.path, "") is not None, ride
            await person.git("reset", "-q", "--hard", tip)
    assert await person.git("diff", "--stat", "HEAD", commit) == ""


async def merged(person: Sample, head: str) -> bool:
    """Whether it could be."""
    try:
        await person.git("merge", "-q", "--no-edit", head)
    except CommandFailed:
        await person.git("merge", "--abort")
        return False
    return True


async def contains_what_it_says(here: Yard, result: TrainResult) -> None:
    """Every session's own mark is in the target exactly if its work is said to be."""
    held_in = await here.files(result.commit or "main")
    for ride in result.members:
        n = _number(ride.id)
        inside = ride.fate in (Fate.LANDED, Fate.READY, Fate.ALREADY)
        assert (f"mark{n}.txt" in held_in) is inside, ride
        if ride.fate in (Fate.FAILED, Fate.LEFT_OUT):
            assert ride.why
        assert ride.unproved is (ride.fate is Fate.FAILED)  # git itself fails at none of them
        if ride.fate is Fate.CONFLICT:
            assert ride.files
            assert ride.whom


def _number(id: str) -> int:
    return int(id.rpartition("-")[2])


def _id(n: int) -> SessionId:
    return session_id(f"app-{n}")


async def test_the_gate_tells_right_from_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("claim:x\n")
    assert await gate(tmp_path, "") is None
    (tmp_path / "b.txt").write_text("claim:x\nuse:gone.txt\n")
    assert await gate(tmp_path, "") == "claim:x; gone.txt"


APART: Works = [{"a.txt": "claim:x"}, {"b.txt": "claim:x"}, {"c.txt": "1"}]
MENDED: Works = [{"bad.txt": "0"}, {"bad.txt": None}]
CASES = st.builds(
    Case,
    works=st.lists(EDITS, min_size=2, max_size=4),
    method=st.sampled_from(METHODS),
    stack=st.integers(1, 4),
    whole=st.booleans(),
    held=st.booleans(),
    later=st.one_of(st.none(), st.sampled_from(["0\n1", "claim:x", "9\n8"])),
)


@pytest.mark.timeout(300)
@example(Case(APART, MergeMethod.MERGE))
@example(Case(APART, MergeMethod.REBASE, held=True, later="9\n8"))
@example(Case(APART, MergeMethod.SQUASH, whole=True))
@example(Case(MENDED, MergeMethod.SQUASH, stack=2))
@settings(max_examples=rounds(25, 8), deadline=None, derandomize=True, database=None)
@given(CASES)
def test_the_target_is_right_or_as_before(case: Case) -> None:
    async def one() -> None:
        with tempfile.TemporaryDirectory(prefix="ao-train-") as folder:
            await check(Path(folder), case)

    anyio.run(one)
