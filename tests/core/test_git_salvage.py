"""Everything in a work tree comes back, and nothing of the person's is touched to save it."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from ao_core.errors import CommandFailed, WrongState
from ao_core.git.salvage import SIZE_LIMIT, Saved, has_unsaved, restore_into, salvage
from ao_core.ids import home_id, session_id
from ao_core.process import Completed, run
from ao_core.testing.repository import Sample, sample

HOME, SESSION = home_id("0a1b2c3d"), session_id("app-1")


@pytest.fixture
async def repository(tmp_path: Path) -> Sample:
    return await sample(tmp_path / "project")


@pytest.fixture
async def work(tmp_path: Path, repository: Sample) -> Sample:
    path = tmp_path / "work"
    await repository.git("worktree", "add", "-q", "-b", "ao/app-1-x", str(path))
    return repository.at(path)


async def save(work: Sample, limit: int = SIZE_LIMIT) -> Saved | None:
    archive = work.path.parent / "archive"
    return await salvage(run, work.path, HOME, SESSION, "test", archive=archive, limit=limit)


def write(folder: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(folder), name), "wb") as file:
        file.write(name)


def unpack(archive: Path, folder: Path) -> set[str]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)
    with tarfile.open(archive) as opened:
        return set(opened.getnames())


def content(root: Path) -> dict[bytes, tuple[int, str]]:
    """Every file and link below, its kind and mode, and a hash of its bytes."""
    found: dict[bytes, tuple[int, str]] = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        if b".git" in folders:
            folders.remove(b".git")
        for name in [*files, *(one for one in folders if os.path.islink(folder + b"/" + one))]:
            path = os.path.join(folder, name)
            link = os.path.islink(path)
            data = os.readlink(path) if link else Path(os.fsdecode(path)).read_bytes()
            key = os.path.relpath(path, os.fsencode(root))
            found[key] = (os.lstat(path).st_mode & 0o170100, hashlib.sha256(data).hexdigest())
    return {name: facts for name, facts in found.items() if name != b".git"}


async def back(repository: Sample, ref: str, folder: Path) -> dict[bytes, tuple[int, str]]:
    await restore_into(run, ref, folder, repository=repository.path)
    return content(folder)


async def test_a_clean_tree_on_its_branch_has_nothing_to_save(work: Sample) -> None:
    await work.commit("done.txt")
    assert not await has_unsaved(run, work.path)
    assert await save(work) is None


async def test_every_byte_comes_back_whatever_filters_and_names_there_are(
    repository: Sample, work: Sample, tmp_path: Path
) -> None:
    await work.git("config", "core.autocrlf", "true")
    await work.git("config", "filter.upper.clean", "tr a-z A-Z")
    await work.git("config", "filter.upper.smudge", "tr A-Z a-z")
    attributes = "*.up filter=upper\n*.id ident\n*.u16 working-tree-encoding=UTF-16LE text\n"
    (work.path / ".gitattributes").write_text(attributes)
    (work.path / "tracked.up").write_bytes(b"mixed Case\n")
    (work.path / "gone.txt").write_text("gone")
    await work.git("add", "-A")
    await work.git("commit", "-q", "-m", "attributes")
    (work.path / "gone.txt").unlink()
    (work.path / "crlf.txt").write_bytes(b"one\r\ntwo\nthree\r\n")
    (work.path / "new.up").write_bytes(b"Mixed\r\n")
    (work.path / "a.id").write_bytes(b"$Id: mine $\n")
    (work.path / "a.u16").write_bytes("text\n".encode("utf-16-le"))
    (work.path / "binary").write_bytes(bytes(range(256)) * 40)
    (work.path / "run.sh").write_text("#!/bin/sh\n")
    (work.path / "run.sh").chmod(0o755)
    (work.path / "link").symlink_to("nowhere/at all")
    (work.path / "README.md").unlink()
    (work.path / "README.md").mkdir()
    (work.path / "README.md" / "now a folder").write_text("x")
    for name in (b"new\nline", b'quo"te\\', b"caf\xe9", b"-rf", b"git~1", "ünï".encode()):
        write(work.path, name)
    expected = content(work.path)
    saved = await save(work)
    assert saved
    assert await back(repository, saved.ref, tmp_path / "back") == expected
    assert stat.S_IMODE((tmp_path / "back" / "run.sh").stat().st_mode) & 0o100


async def test_saving_changes_nothing_the_person_has(repository: Sample, work: Sample) -> None:
    (work.path / "README.md").write_text("staged\n")
    await work.git("add", "README.md")
    (work.path / "README.md").write_text("staged, then changed\n")
    hooks = repository.path / ".git" / "hooks"
    for name in ("post-commit", "pre-commit", "reference-transaction", "post-index-change"):
        (hooks / name).write_text('#!/bin/sh\ntouch "$0.ran"\n')
        (hooks / name).chmod(0o755)
    git_dir = Path(await work.git("rev-parse", "--absolute-git-dir"))
    before = content(git_dir), await work.git("stash", "list"), content(work.path)
    assert await save(work)
    assert (content(git_dir), await work.git("stash", "list"), content(work.path)) == before
    assert not [path for path in hooks.iterdir() if path.name.endswith(".ran")]


async def test_the_index_is_kept_beside_the_files(repository: Sample, work: Sample) -> None:
    (work.path / "README.md").write_text("staged\n")
    await work.git("add", "README.md")
    (work.path / "README.md").write_text("on disk\n")
    saved = await save(work)
    assert saved
    assert await repository.git("show", f"{saved.ref}:README.md") == "on disk"
    assert await repository.git("show", f"{saved.ref}^2:README.md") == "staged"
    head = await work.git("rev-parse", "HEAD")
    assert await repository.git("rev-parse", f"{saved.ref}^1") == head


async def test_a_conflict_under_way_is_kept_with_all_its_versions(
    repository: Sample, work: Sample
) -> None:
    await work.commit("file", "ours\n")
    await repository.commit("file", "theirs\n")
    await work.git("merge", "main", ok=False)
    assert await has_unsaved(run, work.path)
    saved = await save(work)
    assert saved
    assert await repository.git("show", f"{saved.ref}^2:.ao-unmerged/2/file") == "ours"
    assert await repository.git("show", f"{saved.ref}^2:.ao-unmerged/3/file") == "theirs"
    assert "<<<<<<<" in await repository.git("show", f"{saved.ref}:file")
    assert "AO-Doing: merge" in await repository.git("log", "-1", "--format=%B", saved.ref)


async def test_commits_on_a_detached_head_count_as_unsaved(
    repository: Sample, work: Sample
) -> None:
    await work.git("checkout", "-q", "--detach")
    assert not await has_unsaved(run, work.path)
    loose = await work.commit("loose.txt")
    assert await has_unsaved(run, work.path)
    saved = await save(work)
    assert saved
    assert await repository.git("merge-base", "--is-ancestor", loose, saved.commit) == ""


async def test_commits_of_a_rebase_under_way_are_held(repository: Sample, work: Sample) -> None:
    await work.commit("one.txt")
    await work.commit("file", "ours\n")
    await repository.commit("file", "theirs\n")
    await work.git("rebase", "main", ok=False)
    rebased = await work.git("rev-parse", "HEAD")
    saved = await save(work)
    assert saved
    assert "AO-Doing: rebase" in await repository.git("log", "-1", "--format=%B", saved.ref)
    held = await repository.git("rev-list", saved.commit)
    assert rebased in held.splitlines()


@pytest.mark.parametrize("how", ["--assume-unchanged", "--skip-worktree"])
async def test_a_change_hidden_from_git_is_seen(work: Sample, how: str) -> None:
    await work.git("update-index", how, "README.md")
    (work.path / "README.md").write_text("hidden change")
    assert await work.git("status", "--porcelain") == ""
    assert await has_unsaved(run, work.path)


async def test_untracked_files_count_even_if_status_hides_them(work: Sample) -> None:
    await work.git("config", "status.showUntrackedFiles", "no")
    (work.path / "new.txt").write_text("new")
    assert await has_unsaved(run, work.path)


async def test_saving_the_same_twice_gives_the_same_ref_and_a_change_a_new_one(
    work: Sample,
) -> None:
    (work.path / "new.txt").write_text("one")
    first = await save(work)
    assert first == await save(work)
    assert first
    assert not await has_unsaved(run, work.path, saved=first.commit)
    (work.path / "new.txt").write_text("two")
    assert await has_unsaved(run, work.path, saved=first.commit)
    second = await save(work)
    assert second
    assert [one.ref.rpartition("/")[2] for one in (first, second)] == ["0", "1"]


async def test_what_git_would_not_keep_goes_into_a_private_archive(
    work: Sample, tmp_path: Path
) -> None:
    (work.path / ".gitignore").write_text(".env*\nbuild/\n")
    await work.git("add", ".gitignore")
    await work.git("commit", "-q", "-m", "ignore")
    (work.path / ".env.local").write_text("SETTING=1")
    (work.path / "build").mkdir()
    (work.path / "build" / "out").write_text("made again any time")
    nested = await sample(work.path / "nested")
    (nested.path / "dirty.txt").write_text("dirty")
    saved = await save(work)
    assert saved
    assert saved.archive
    assert stat.S_IMODE(saved.archive.stat().st_mode) == 0o600
    names = unpack(saved.archive, tmp_path / "out")
    assert ".env.local" in names
    assert "build/out" not in names
    assert await nested.at(tmp_path / "out" / "nested").git("log", "--format=%s") == "start"
    assert (tmp_path / "out" / "nested" / "dirty.txt").read_text() == "dirty"
    assert not await has_unsaved(run, work.path, saved=saved.commit)
    (work.path / ".env.local").write_text("SETTING=22")
    assert await has_unsaved(run, work.path, saved=saved.commit)


async def test_what_is_too_big_is_named_and_stays_unsaved(work: Sample) -> None:
    nested = await sample(work.path / "nested")
    (nested.path / "big").write_bytes(b"x" * 100_000)
    saved = await save(work, limit=50_000)
    assert saved
    assert saved.left_out == ("nested/",)
    assert saved.archive is None
    assert await has_unsaved(run, work.path, saved=saved.commit)


async def test_a_submodule_with_work_of_its_own_is_archived_with_its_history(
    repository: Sample, work: Sample, tmp_path: Path
) -> None:
    other = await sample(tmp_path / "other")
    await work.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add",
                   str(other.path), "sub")  # fmt: skip
    await work.git("commit", "-q", "-m", "with submodule")
    assert not await has_unsaved(run, work.path)
    inside = work.at(work.path / "sub")
    await inside.git("checkout", "-q", "--detach")
    await inside.commit("in-sub.txt")
    await work.git("commit", "-q", "-a", "-m", "move submodule")
    assert await work.git("status", "--porcelain") == ""
    saved = await save(work)
    assert saved
    assert saved.archive
    unpack(saved.archive, tmp_path / "out")
    assert await work.at(tmp_path / "out" / "sub").git("log", "-1", "--format=%s") == (
        "add in-sub.txt"
    )


async def test_a_saved_tree_is_put_back_into_a_fresh_work_tree(
    repository: Sample, work: Sample, tmp_path: Path
) -> None:
    await work.commit("gone.txt")
    (work.path / "gone.txt").unlink()
    (work.path / "new.txt").write_text("new")
    expected = content(work.path)
    saved = await save(work)
    assert saved
    await repository.git("worktree", "remove", "--force", str(work.path))
    await repository.git("worktree", "add", "-q", str(work.path), "ao/app-1-x")
    await restore_into(run, saved.ref, work.path)
    assert content(work.path) == expected


async def test_nothing_is_put_over_work_that_is_there(work: Sample, tmp_path: Path) -> None:
    (work.path / "new.txt").write_text("new")
    saved = await save(work)
    assert saved
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    for folder in (tmp_path / "full", work.path):
        with pytest.raises(WrongState):
            await restore_into(run, saved.ref, folder, repository=work.path)


async def test_a_repository_without_a_commit_can_be_saved(tmp_path: Path) -> None:
    (tmp_path / "fresh").mkdir()
    fresh = Sample(tmp_path / "fresh")
    await fresh.git("init", "-q")
    (fresh.path / "first.txt").write_text("first")
    saved = await save(fresh)
    assert saved
    assert list(await back(fresh, saved.ref, tmp_path / "back")) == [b"first.txt"]


async def test_a_reason_cannot_pass_for_a_mark_of_ours(work: Sample, tmp_path: Path) -> None:
    (work.path / "new.txt").write_text("new")
    why = "x\n\nAO-Kept: 0123\x1b[31m"
    saved = await salvage(run, work.path, HOME, SESSION, why, archive=tmp_path / "archive")
    assert saved
    lines = (await work.git("log", "-1", "--format=%B", saved.ref)).splitlines()
    assert not [line for line in lines if line.startswith("AO-Kept")]


CAPABILITIES = "-dac_override,-dac_read_search"
PLAIN = (
    () if os.geteuid() else
    ("setpriv", f"--inh-caps={CAPABILITIES}", f"--bounding-set={CAPABILITIES}")
)  # fmt: skip


@pytest.mark.skipif(bool(PLAIN) and not shutil.which("setpriv"), reason="for root, needs setpriv")
async def test_what_cannot_be_looked_into_is_not_taken_for_nothing(work: Sample) -> None:
    (work.path / "closed").mkdir()
    write(work.path, b"closed/new")
    (work.path / "closed").chmod(0)

    async def as_anybody(argv: Sequence[str], **more: Any) -> Completed:
        return await run([*PLAIN, *argv], **more)

    try:
        with pytest.raises(CommandFailed, match="closed"):
            await has_unsaved(as_anybody, work.path)
    finally:
        (work.path / "closed").chmod(0o700)


async def test_what_is_saved_is_on_the_disk_before_anything_goes(work: Sample) -> None:
    write(work.path, b"new")
    traces = work.path.parent / "traces"
    traces.mkdir()
    with patch.dict(os.environ, {"GIT_TRACE2_EVENT": str(traces)}):
        saved = await save(work)
    assert saved
    said = "".join(one.read_text() for one in traces.iterdir())
    flushed = re.findall(r'"key":"fsync/[a-z-]+","value":"(\d+)"', said)
    objects = await work.git("rev-list", "--objects", saved.ref, "--not", "--branches")
    assert sum(map(int, flushed)) > len(objects.splitlines())  # each, and the ref
