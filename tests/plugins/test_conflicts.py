"""Which files are in conflict is found out here, also while the remote cannot be reached."""

from pathlib import Path

import pytest

from ao_core.git.forecast import in_conflict
from ao_core.plugin import Scope
from ao_core.testing.repository import Sample, sample
from ao_plugins._conflicts import conflicting_files


@pytest.fixture
async def repository(tmp_path: Path) -> Sample:
    """One whose origin has another `a.txt` than the branch `work` here."""
    made = await sample(tmp_path / "project")
    await made.git("branch", "work")
    await made.commit("a.txt", "theirs\n")
    await made.git("clone", "-q", "--bare", str(made.path), str(tmp_path / "remote.git"))
    await made.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    await made.git("fetch", "-q", "origin")
    await made.git("checkout", "-q", "work")
    await made.commit("a.txt", "ours\n")
    return made


@pytest.mark.parametrize("gone", [False, True])
async def test_the_files_are_told_as_far_as_the_base_is_known(
    repository: Sample, tmp_path: Path, *, gone: bool
) -> None:
    if gone:
        (tmp_path / "remote.git").rename(tmp_path / "elsewhere.git")
    head = await repository.git("rev-parse", "work")
    scope = Scope(state=tmp_path / "scm", repository=repository.path)
    assert await conflicting_files(scope, "main", head) == ("a.txt",)
    assert await conflicting_files(scope, "no-such", head) == ()


def test_a_conflict_is_told_without_its_files_where_nobody_knows_them() -> None:
    assert in_conflict(("main",), ()) == "it conflicts with main"
    assert in_conflict(("main", "app-2"), ("a", "b")) == "it conflicts with main, app-2 in a, b"
