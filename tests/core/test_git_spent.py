"""Saved work is removed only where a branch of somebody else's has it all the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ao_core.git.repository import Git
from ao_core.git.salvage import Saved, salvage
from ao_core.git.spent import remove_spent
from ao_core.ids import home_id, session_id
from ao_core.process import run
from ao_core.testing.repository import Sample, sample

HOME, SESSION = home_id("0a1b2c3d"), session_id("app-1")
LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
async def repository(tmp_path: Path) -> Sample:
    return await sample(tmp_path / "project")


@pytest.fixture
async def work(tmp_path: Path, repository: Sample) -> Sample:
    path = tmp_path / "work"
    await repository.git("worktree", "add", "-q", "-b", "ao/app-1-x", str(path))
    return repository.at(path)


async def saved(work: Sample, name: str = "draft.txt") -> Saved:
    (work.path / name).write_text("not committed\n")
    archive = work.path.parent / "archive"
    made = await salvage(run, work.path, HOME, SESSION, "test", archive=archive)
    assert made
    return made


async def removed(work: Sample, ref: str, before: datetime = LATER) -> bool:
    return await remove_spent(Git(run, work.path), ref, work.path.parent / "archive", before)


async def there(work: Sample, ref: str) -> bool:
    return bool(await work.git("for-each-ref", ref))


async def test_what_nobody_else_holds_stays(work: Sample) -> None:
    one = await saved(work)
    assert not await removed(work, one.ref)
    assert await there(work, one.ref)


@pytest.mark.parametrize("holder", ["refs/heads/ao/app-1-x", "refs/remotes/origin/main"])
async def test_a_branch_of_ours_or_a_mirror_of_a_remote_is_no_holder(
    work: Sample, holder: str
) -> None:
    one = await saved(work)
    await work.git("update-ref", holder, one.commit)
    assert not await removed(work, one.ref)


@pytest.mark.parametrize("holder", ["refs/heads/kept", "refs/tags/kept"])
async def test_what_a_person_keeps_is_removed_and_is_still_there(work: Sample, holder: str) -> None:
    one = await saved(work)
    await work.git("update-ref", holder, one.commit)
    assert not await removed(work, one.ref, datetime.now(UTC) - timedelta(days=1))
    assert await removed(work, one.ref)
    assert not await there(work, one.ref)
    assert await work.git("show", f"{holder}:draft.txt") == "not committed"
    assert await removed(work, one.ref)  # a second time finds nothing to do


async def test_work_that_only_looks_the_same_elsewhere_stays(work: Sample) -> None:
    one = await saved(work)
    await work.git("add", "draft.txt")
    await work.git("commit", "-q", "-m", "the same, committed")
    await work.git("update-ref", "refs/heads/main", "HEAD")
    assert not await removed(work, one.ref)


async def test_what_lies_in_an_archive_stays(work: Sample) -> None:
    (work.path / ".gitignore").write_text(".env\n")
    one = await saved(work, ".env")
    assert one.archive
    await work.git("update-ref", "refs/heads/kept", one.commit)
    assert not await removed(work, one.ref)
    assert one.archive.exists()
