"""A gate may write what it likes into the scratch tree, as long as the work stays as it is."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.errors import CommandFailed
from ao_core.git.train import Fate, Outcome
from ao_core.ids import session_id
from ao_core.model.work import MergeMethod
from ao_core.process import Completed, run
from ao_core.testing.repository import Sample, sample
from train_yard import METHODS, Yard, fates, ride_of, yard

ONE, TWO = session_id("app-1"), session_id("app-2")


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> Yard:
    return await yard(tmp_path)


async def change_a_file(tree: Sample) -> None:
    (tree.path / "README.md").write_text("changed\n")


async def remove_a_file(tree: Sample) -> None:
    (tree.path / "README.md").unlink()


async def change_a_mode(tree: Sample) -> None:
    (tree.path / "README.md").chmod(0o755)


async def commit_something(tree: Sample) -> None:
    await tree.commit("more.txt")


async def hide_a_change_from_git(tree: Sample) -> None:
    await tree.git("update-index", "--assume-unchanged", "README.md")
    (tree.path / "README.md").write_text("changed\n")


async def put_a_folder_in_its_place(tree: Sample) -> None:
    (tree.path / "README.md").unlink()
    (tree.path / "README.md").mkdir()
    (tree.path / "README.md" / "inner").write_text("x")


@pytest.mark.parametrize(
    "meddle",
    [
        change_a_file,
        remove_a_file,
        change_a_mode,
        commit_something,
        hide_a_change_from_git,
        put_a_folder_in_its_place,
    ],
)
async def test_a_gate_that_changes_the_work_is_a_gate_that_failed(here: Yard, meddle: Any) -> None:
    one = await here.worker(1, {"a.txt": "a\n"})
    two = await here.worker(2, {"b.txt": "b\n"})

    async def gate(folder: Path, commit: str) -> str | None:
        tree = Sample(folder)
        assert (folder / "README.md").read_text() == "# sample\n"
        assert not os.access(folder / "README.md", os.X_OK)
        assert await tree.git("rev-parse", "HEAD") == commit
        if (folder / "a.txt").exists():
            await meddle(tree)
        return None

    result = await here.train(one, two, gate=gate)
    assert fates(result) == {ONE: Fate.FAILED, TWO: Fate.LANDED}
    why = ride_of(result, one).why or ""
    assert ("another commit" if meddle is commit_something else "README.md") in why
    assert await here.files() == {"README.md", "b.txt"}
    assert await here.left_nothing()


@pytest.mark.parametrize("method", METHODS)
async def test_what_a_gate_leaves_behind_is_gone_before_the_next_member(
    here: Yard, method: MergeMethod
) -> None:
    await here.on_main(".gitignore", "*.o\n")
    one = await here.worker(1, {"a.txt": "a\n"})
    two = await here.worker(2, {"b.txt": "b\n"})
    seen: list[list[str]] = []

    async def gate(folder: Path, commit: str) -> str | None:
        seen.append(sorted(os.listdir(folder)))
        (folder / "left.txt").write_text("x")
        (folder / "ignored.o").write_text("x")
        if len(seen) == 1:
            await sample(folder / "b.txt")  # in the way of the next one's
        (folder / "shut").mkdir()
        (folder / "shut" / "inner").write_text("x")
        (folder / "shut").chmod(0o500)
        return None

    result = await here.train(one, two, gate=gate, method=method)
    assert fates(result) == {ONE: Fate.LANDED, TWO: Fate.LANDED}
    both = [".git", ".gitignore", "README.md", "a.txt"]
    assert seen == [both, [*both, "b.txt"]]
    assert await here.repository.git("show", "main:b.txt") == "b"
    assert await here.left_nothing()


@pytest.mark.parametrize("method", METHODS)
async def test_a_gate_that_checks_out_a_branch_does_not_get_it_moved(
    here: Yard, method: MergeMethod
) -> None:
    one = await here.worker(1, {"a.txt": "a\n"})
    two = await here.worker(2, {"b.txt": "b\n"})
    where: list[str] = []

    async def gate(folder: Path, commit: str) -> str | None:
        if not where:
            where.append(commit)
            await Sample(folder).git("checkout", "-q", "-b", "by-the-gate")
        return None

    result = await here.train(one, two, gate=gate, method=method)
    assert fates(result) == {ONE: Fate.LANDED, TWO: Fate.LANDED}
    assert await here.repository.git("rev-parse", "by-the-gate") == where[0]


async def test_a_gate_that_breaks_the_scratch_tree_harms_no_repository_around_it(
    tmp_path: Path,
) -> None:
    around = await sample(tmp_path / "home")
    (around.path / "precious.txt").write_text("not committed")
    inner = await sample(around.path / "project")
    await inner.git("checkout", "-q", "--detach", "main")
    here = Yard(inner, around.path / "scratch")
    one = await here.worker(1, {"a.txt": "a\n"})
    two = await here.worker(2, {"b.txt": "b\n"})

    async def gate(folder: Path, commit: str) -> str | None:
        (folder / ".git").unlink(missing_ok=True)
        return None

    await here.train(one, two, gate=gate)
    assert (around.path / "precious.txt").read_text() == "not committed"
    assert await around.git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert await here.left_nothing()


async def test_files_that_git_would_convert_are_not_taken_for_changed(here: Yard) -> None:
    (here.repository.path / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    await here.repository.git("add", "crlf.txt")
    await here.repository.git("commit", "-q", "-m", "with carriage returns")
    await here.repository.git("update-ref", "refs/heads/main", "HEAD")
    await here.on_main(".gitattributes", "*.txt text\n")
    await here.repository.git("config", "core.safecrlf", "true")

    async def gate(folder: Path, commit: str) -> str | None:
        return None

    result = await here.train(await here.worker(1, {"a.md": "a\n"}), gate=gate)
    assert fates(result) == {ONE: Fate.LANDED}


async def test_the_gate_sees_all_files_though_the_person_sees_a_part(here: Yard) -> None:
    await here.on_main("deep/down.txt", "x\n")
    one = await here.worker(1, {"other/a.txt": "a\n"})
    await here.repository.git("sparse-checkout", "set", "deep")
    seen: list[bool] = []

    async def gate(folder: Path, commit: str) -> str | None:
        seen.append((folder / "other" / "a.txt").exists() and (folder / "deep").is_dir())
        return None

    assert fates(await here.train(one, gate=gate)) == {ONE: Fate.LANDED}
    assert seen == [True]


async def test_a_submodule_is_for_each_gate_as_empty_as_for_the_first(here: Yard) -> None:
    library = await sample(here.repository.path.parent / "library")
    allow = ("-c", "protocol.file.allow=always")
    add = (*allow, "submodule", "--quiet", "add", str(library.path), "library")
    await here.repository.git("checkout", "-q", "main")
    await here.repository.git(*add)
    await here.repository.git("commit", "-q", "-m", "with a library")
    one = await here.worker(1, {"a.txt": "a\n"})
    newer = await library.commit("newer.txt")
    await here.repository.git("checkout", "-q", "-b", "w2", "main")
    await here.repository.git("update-index", "--cacheinfo", f"160000,{newer},library")
    await here.repository.git("commit", "-q", "-m", "newer library")
    two = type(one)(TWO, "w2", "newer")
    await here.repository.git("checkout", "-q", "--detach", "main")
    seen: list[list[str]] = []

    async def gate(folder: Path, commit: str) -> str | None:
        seen.append(os.listdir(folder / "library"))
        await Sample(folder).git(*allow, "submodule", "--quiet", "update", "--init")
        return None if (folder / "library" / "README.md").exists() else "no library"

    result = await here.train(one, two, gate=gate)
    assert fates(result) == {ONE: Fate.LANDED, TWO: Fate.LANDED}
    assert seen == [[], []]


async def test_no_hook_runs_and_nothing_is_noted_for_the_person(here: Yard) -> None:
    hooks = here.repository.path / ".git" / "hooks"
    (here.repository.path / ".git" / "rr-cache").mkdir()
    for name in ("post-checkout", "pre-rebase", "post-rewrite", "pre-commit", "commit-msg",
                 "reference-transaction", "pre-merge-commit", "post-merge"):  # fmt: skip
        (hooks / name).write_text(f'#!/bin/sh\ntouch "{hooks}/{name}.ran"\nexit 1\n')
    one = await here.worker(1, {"a.txt": "1\n"})
    two = await here.worker(2, {"a.txt": "2\n"})
    for name in hooks.iterdir():
        name.chmod(0o755)

    async def gate(folder: Path, commit: str) -> str | None:
        return None

    result = await here.train(one, two, gate=gate, method=MergeMethod.REBASE)
    assert fates(result) == {ONE: Fate.LANDED, TWO: Fate.CONFLICT}
    assert [path.name for path in hooks.iterdir() if path.name.endswith(".ran")] == []
    assert list((here.repository.path / ".git" / "rr-cache").iterdir()) == []


async def test_a_gate_that_cannot_be_run_ends_the_train_and_nothing_has_moved(here: Yard) -> None:
    one = await here.worker(1, {"a.txt": "a\n"})
    before = await here.refs()

    async def gate(folder: Path, commit: str) -> str | None:
        raise CommandFailed("the runtime is gone")

    with pytest.raises(CommandFailed, match="runtime is gone"):
        await here.train(one, gate=gate)
    assert await here.refs() == before
    assert await here.left_nothing()


async def test_a_commit_that_cannot_be_checked_out_fails_alone(here: Yard) -> None:
    await here.on_main(".gitattributes", "*.picky filter=picky\n")
    one = await here.worker(1, {"a.picky": "a\n"})
    await here.repository.git("config", "filter.picky.smudge", "false")
    await here.repository.git("config", "filter.picky.required", "true")
    two = await here.worker(2, {"b.txt": "b\n"})

    async def gate(folder: Path, commit: str) -> str | None:
        return None

    result = await here.train(one, two, gate=gate)
    assert fates(result) == {ONE: Fate.FAILED, TWO: Fate.LANDED}
    assert "cannot be checked out" in (ride_of(result, one).why or "")


@pytest.mark.parametrize("at", ["gate", "rebase", "worktree"])
async def test_a_train_that_is_called_off_leaves_no_work_tree(here: Yard, at: str) -> None:
    one = await here.worker(1, {"a.txt": "a\n"})
    before = await here.refs()
    reached = anyio.Event()

    async def wait() -> None:
        reached.set()
        await anyio.sleep_forever()

    async def slow(argv: Sequence[str], **options: Any) -> Completed:
        done = await run(argv, **options)
        if at in argv and "remove" not in argv:
            await wait()
        return done

    async def gate(folder: Path, commit: str) -> str | None:
        (folder / "left.txt").write_text("x")
        await wait()
        return None

    async def ride() -> None:
        await here.train(one, gate=gate, through=slow, method=MergeMethod.REBASE)

    async with anyio.create_task_group() as group:
        group.start_soon(ride)
        await reached.wait()
        group.cancel_scope.cancel()
    assert await here.refs() == before
    assert await here.left_nothing()


async def test_nothing_but_the_target_changes(here: Yard) -> None:
    (here.repository.path / "untracked.txt").write_text("mine")
    (here.repository.path / "README.md").write_text("mine, too\n")
    members = [await here.worker(n, {f"{n}.txt": f"{n}\n"}) for n in (1, 2)]
    index = (here.repository.path / ".git" / "index").read_bytes()
    config = (here.repository.path / ".git" / "config").read_bytes()
    refs = (await here.refs()).splitlines()

    async def gate(folder: Path, commit: str) -> str | None:
        return None

    assert (await here.train(*members, gate=gate)).outcome is Outcome.LANDED
    changed = set((await here.refs()).splitlines()) ^ set(refs)
    assert {line.split()[-1] for line in changed} == {"refs/heads/main"}
    assert (here.repository.path / ".git" / "index").read_bytes() == index
    assert (here.repository.path / ".git" / "config").read_bytes() == config
    assert (here.repository.path / "README.md").read_text() == "mine, too\n"
    assert (here.repository.path / "untracked.txt").read_text() == "mine"
