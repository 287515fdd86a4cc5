"""Each kind of unsaved work, by itself, in a workspace that goes: all of it can be had again."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio
import pytest

from ao_core.git.salvage import Saved as Kept
from ao_core.git.salvage import has_unsaved, restore_into, salvage
from ao_core.ids import home_id, session_id
from ao_core.plugin import Scope
from ao_core.process import Completed, run
from ao_core.slots.workspace import Plan, Workspace
from ao_core.testing.repository import Sample, sample
from ao_plugins.workspace.clone import Clone, CloneConfig
from ao_plugins.workspace.worktree import Worktree, WorktreeConfig
from salvage.recovering import Saved, changed, follow, missing, recovered
from salvage.works import WORKS, disorder
from salvage.yard import LARGE, git, settled

HOME, SESSION = home_id("0a1b2c3d"), session_id("app-1")
EVERY = bool(os.environ.get("EVERY_SALVAGE"))
RARE = {"many bytes": pytest.mark.skipif(not EVERY, reason="60 MB take long; EVERY_SALVAGE=1 does")}
EACH = [pytest.param(name, marks=RARE.get(name, ()), id=name) for name in WORKS]
KINDS = {"worktree": (Worktree, WorktreeConfig), "clone": (Clone, CloneConfig)}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")


async def kept(plan: Plan) -> Kept | None:
    return await salvage(
        run, plan.path, HOME, SESSION, "test",
        archive=plan.root / "archive", repository=plan.repository,
    )  # fmt: skip


def at(kind: str, project: Sample, tmp_path: Path) -> tuple[Workspace[Any], Plan]:
    plan = Plan(SESSION, "demo", project.path, tmp_path / "home", "ao/app-1-abcdef", "main")
    scope = Scope(tmp_path / "state", project="demo", repository=project.path, home=HOME)
    plugin, config = KINDS[kind]
    return plugin(config(), scope), plan  # type: ignore[arg-type]


@pytest.fixture
async def project(tmp_path: Path) -> Sample:
    made = await sample(tmp_path / "project")
    (tmp_path / "aside").mkdir()
    settled(made.path, tmp_path / "aside")
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("work", EACH)
async def test_it_comes_back(work: str, kind: str, project: Sample, tmp_path: Path) -> None:
    workspace, plan = at(kind, project, tmp_path)
    checkout = await workspace.create(plan, run)
    assert not await has_unsaved(run, plan.path, repository=project.path)

    seen = disorder(plan.path, work)
    done = await kept(plan)
    await workspace.destroy(checkout, run, saved=done.commit if done else None)
    assert not plan.path.exists()
    saved = Saved(done and done.ref, str(done.archive) if done and done.archive else None)
    back = recovered(tmp_path / "by hand", project.path, saved, plan.branch)
    assert missing(seen, back, project.path, saved) == []
    if done is None:
        await project.git("worktree", "remove", str(back))
    await workspace.restore(plan, run)
    if done is not None:
        await restore_into(
            run, done.ref, plan.path, repository=project.path, archive=plan.root / "archive"
        )
    assert changed(seen, plan.path) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["deinit -f", "rm -f"])
async def test_the_history_of_a_submodule_comes_back_whose_folder_is_gone(
    how: str, kind: str, project: Sample, tmp_path: Path
) -> None:
    workspace, plan = at(kind, project, tmp_path)
    checkout = await workspace.create(plan, run)
    WORKS["submodule with commits"](plan.path)
    inner = git(plan.path / "sub", "rev-parse", "HEAD")
    git(plan.path, *(["submodule", *how.split()] if "deinit" in how else how.split()), "sub")
    assert not (plan.path / "sub" / "tracked").exists()
    done = await kept(plan)
    assert done
    await workspace.destroy(checkout, run, saved=done.commit)
    saved = Saved(done.ref, str(done.archive))
    back = recovered(tmp_path / "by hand", project.path, saved, plan.branch)
    assert git(back / ".ao" / "modules" / "sub", "cat-file", "-t", inner) == "commit"
    assert git(back / ".ao" / "modules" / "sub", "show", "HEAD:in sub") == "x"


async def lost_and_put_back(workspace: Workspace[Any], plan: Plan, *works: str) -> list[str]:
    checkout = await workspace.create(plan, run)
    seen = disorder(plan.path, *works)
    done = await kept(plan)
    assert done
    await workspace.destroy(checkout, run, saved=done.commit)
    await workspace.restore(plan, run)
    archive = plan.root / "archive"
    await restore_into(
        run, done.ref, plan.path, repository=plan.repository, archive=archive, fresh=True
    )
    return changed(seen, plan.path)


async def test_the_page_tells_how_to_get_at_parts_of_it(project: Sample, tmp_path: Path) -> None:
    workspace, plan = at("clone", project, tmp_path)
    checkout = await workspace.create(plan, run)
    seen = disorder(plan.path, "merge under way", "listed", "modified")
    done = await kept(plan)
    assert done
    await workspace.destroy(checkout, run, saved=done.commit)
    saved = Saved(done.ref, str(done.archive))
    said = follow("parts", project.path, project.path, saved)
    assert said.startswith("modified\n")
    assert ".ao-unmerged/2/two" in said
    assert ".env" in said.splitlines()
    assert "theirs" in said
    assert await project.git("rev-parse", "shop-3-rescued") == seen.head


async def test_what_the_projects_sparse_checkout_leaves_out_stays_out(
    project: Sample, tmp_path: Path
) -> None:
    await project.git("sparse-checkout", "set", "in")
    workspace, plan = at("worktree", project, tmp_path)
    assert await lost_and_put_back(workspace, plan, "untracked", "staged and modified") == []
    assert not (plan.path / "out").exists()
    assert " D " not in await project.at(plan.path).git("status", "--porcelain")


async def test_line_ends_that_git_would_not_check_out_so_do_not_stand_in_the_way(
    project: Sample, tmp_path: Path
) -> None:
    blob = git(project.path, "hash-object", "-w", "--no-filters", "--stdin", data=b"a\r\nb\r\n")
    git(project.path, "update-index", "--add", "--cacheinfo", f"100644,{blob},crlf.unix")
    git(project.path, "commit", "-q", "-m", "never made regular")
    workspace, plan = at("worktree", project, tmp_path)
    assert await lost_and_put_back(workspace, plan, "modified") == []


async def test_a_clone_stores_large_files_where_the_project_does(
    project: Sample, tmp_path: Path
) -> None:
    store = await project.git("rev-parse", "--path-format=absolute", "--git-path", "lfs")
    await anyio.Path(store).rename(Path(store).with_name("elsewhere"))
    await project.git("config", "lfs.storage", "elsewhere")
    workspace, plan = at("clone", project, tmp_path)
    await workspace.create(plan, run)
    assert (plan.path / "first.large").read_bytes() == LARGE
    told = await project.at(plan.path).git("config", "lfs.storage")
    assert Path(told) == Path(store).with_name("elsewhere")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_half_removed_is_never_taken_for_the_work(
    kind: str, project: Sample, tmp_path: Path
) -> None:
    workspace, plan = at(kind, project, tmp_path)
    checkout = await workspace.create(plan, run)
    disorder(plan.path, "modified", "untracked")
    done = await kept(plan)
    assert done

    remove = shutil.rmtree

    def broken_off(path: Path, *rest: Any, **more: Any) -> None:
        if path not in (plan.path, plan.path.with_name(".gone-app-1")):
            return remove(path, *rest, **more)
        for one in [one for one in path.iterdir() if one.is_file() and one.name != ".git"][:5]:
            one.unlink()
        raise PowerFailed

    async def dying(argv: Sequence[str], **more: Any) -> Completed:
        if "remove" in argv and plan.path.exists():
            broken_off(plan.path)
        return await run(argv, **more)

    with patch.object(shutil, "rmtree", broken_off), pytest.raises(PowerFailed):
        await workspace.destroy(checkout, dying, saved=done.commit)
    assert not plan.path.exists()
    await workspace.destroy(checkout, run, saved=done.commit)
    assert [one.name for one in plan.root.iterdir()] == []
    assert str(plan.path) not in await project.git("worktree", "list")


class PowerFailed(BaseException):
    """In the middle of it."""
