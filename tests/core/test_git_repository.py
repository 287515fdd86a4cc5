"""Git answers in values, and what is wrong with a repository is said with its remedy."""

import os
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import AoError, ConfigError, Conflict, NotInstalled, Unknown, WrongState
from ao_core.git.repository import NOTHING, Git
from ao_core.process import Completed, run
from ao_core.testing.repository import Recorder, Sample, sample


@pytest.fixture
async def repository(tmp_path: Path) -> Sample:
    return await sample(tmp_path / "project")


async def test_a_good_repository_passes_with_its_facts(repository: Sample) -> None:
    (repository.path / "below").mkdir()
    found = await Git(run, repository.path / "below").preflight()
    assert (found.toplevel, found.branch) == (repository.path, "main")
    assert found.common_dir == repository.path / ".git"
    assert found.head == await repository.git("rev-parse", "HEAD")


async def test_a_detached_head_is_told(repository: Sample) -> None:
    await repository.git("checkout", "-q", "--detach")
    assert (await Git(run, repository.path).preflight()).branch is None


@pytest.mark.parametrize(
    ("make", "error", "remedy"),
    [
        ([], ConfigError, "git init"),
        (["init", "-q", "--bare"], ConfigError, "git clone"),
        (["init", "-q"], WrongState, "first commit"),
    ],
)
async def test_each_unusable_repository_names_its_remedy(
    tmp_path: Path, make: list[str], error: type[AoError], remedy: str
) -> None:
    if make:
        await Sample(tmp_path).git(*make)
    with pytest.raises(error) as caught:
        await Git(run, tmp_path).preflight()
    assert remedy in (caught.value.hint or "")


async def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unknown):
        await Git(run, tmp_path / "missing").preflight()


async def test_a_machine_without_git_is_told_to_install_it(tmp_path: Path) -> None:
    async def without(*_: object, **__: object) -> Completed:
        return Completed("env", 127, b"", b"env: 'git': No such file or directory")

    with pytest.raises(NotInstalled):
        await Git(without, tmp_path).head()


async def test_variables_of_a_git_hook_around_us_lead_nowhere(
    repository: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await sample(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    assert await Git(run, repository.path).toplevel() == repository.path


async def test_names_that_look_like_options_stay_names(repository: Sample) -> None:
    git = Git(run, repository.path)
    assert await git.resolve("--all") is None
    with pytest.raises(AoError):
        await git.diff("--output=stolen", "HEAD")
    assert not (repository.path / "stolen").exists()


async def test_a_ref_moves_only_from_where_it_was_seen(repository: Sample) -> None:
    git = Git(run, repository.path)
    first = await repository.git("rev-parse", "HEAD")
    second = await repository.commit("more.txt")
    await git.update_ref("refs/ao/x", first, NOTHING)
    with pytest.raises(Conflict):
        await git.update_ref("refs/ao/x", second, NOTHING)
    with pytest.raises(Conflict):
        await git.update_ref("refs/ao/x", first, second)
    await git.update_ref("refs/ao/x", second, first)
    assert await repository.git("rev-parse", "refs/ao/x") == second


async def test_status_tells_of_odd_names_conflicts_and_renames(repository: Sample) -> None:
    await repository.git("mv", "README.md", "new name")
    (repository.path / "line\nbreak").write_text("x")
    found = {(one.code, one.path) for one in await Git(run, repository.path).status()}
    assert found == {("D.", "README.md"), ("A.", "new name"), ("?", "line\nbreak")}


async def test_log_and_diff_show_what_is_between_two_commits(repository: Sample) -> None:
    await repository.git("config", "diff.external", "false")
    first = await repository.git("rev-parse", "HEAD")
    second = await repository.commit("more.txt", "line\n", "a subject")
    git = Git(run, repository.path)
    (commit,) = await git.log(first, second)
    assert (commit.id, commit.author, commit.subject) == (second, "A Person", "a subject")
    assert "+line" in await git.diff(first, second)
    assert len(await git.diff(first, second, limit=10)) == 10
    (repository.path / "more.txt").write_text("changed\n")
    assert "+changed" in await git.diff(second)


async def test_work_trees_and_branches_are_listed(repository: Sample, tmp_path: Path) -> None:
    path = tmp_path / "odd\nplace"
    await repository.git("worktree", "add", "-q", "--lock", "--reason", "why", "-b", "x", str(path))
    git = Git(run, repository.path)
    held = await git.checked_out_at("x")
    assert held
    assert (held.path, held.lock) == (path, "why")
    assert await git.checked_out_at("y") is None
    assert await git.default_branch() == "main"
    await repository.git("branch", "-m", "main", "trunk")
    assert await git.default_branch() == "trunk"


async def test_a_work_tree_that_another_git_is_registering_is_no_failure(
    repository: Sample, tmp_path: Path
) -> None:
    await repository.git("worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    await repository.git("worktree", "add", "-q", "--detach", str(tmp_path / "mine"))
    common = repository.path / ".git" / "worktrees" / "other" / "commondir"
    written = common.read_text()
    common.write_text("")
    statuses: list[int] = []

    async def meanwhile(*args: Any, **settings: Any) -> Completed:
        done = await run(*args, **settings)
        statuses.append(done.status)
        common.write_text(written)
        return done

    await Git(meanwhile, repository.path).call("worktree", "lock", str(tmp_path / "mine"))
    assert statuses == [128, 0]


async def test_a_program_named_in_the_repository_does_not_run(
    repository: Sample, tmp_path: Path
) -> None:
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    spy.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "diff.external", "gpg.program", "core.editor"):
        await repository.git("config", key, str(spy))
    git = Git(run, repository.path)
    (repository.path / "README.md").write_text("changed")
    await git.status()
    await git.diff("HEAD")
    await git.log("HEAD", "HEAD")
    assert not (tmp_path / "ran").exists()


async def test_reading_takes_no_lock_and_writes_no_index(repository: Sample) -> None:
    recorder = Recorder()
    index = repository.path / ".git" / "index"
    os.utime(repository.path / "README.md", (1, 1))
    before = index.read_bytes()
    await Git(recorder, repository.path).status()
    await Git(recorder, repository.path).diff("HEAD")
    assert index.read_bytes() == before
