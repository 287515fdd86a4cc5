"""Each kind of unsaved work, by itself, in a workspace that goes: all of it can be had again."""

import os
from pathlib import Path
from typing import Any

import pytest

from ao_core.git.salvage import Saved as Kept
from ao_core.git.salvage import has_unsaved, restore_into, salvage
from ao_core.ids import home_id, session_id
from ao_core.plugin import Scope
from ao_core.process import run
from ao_core.slots.workspace import Plan, Workspace
from ao_core.testing.repository import sample
from ao_plugins.workspace.clone import Clone, CloneConfig
from ao_plugins.workspace.worktree import Worktree, WorktreeConfig
from salvage.recovering import Saved, changed, missing, recovered
from salvage.works import WORKS, disorder
from salvage.yard import settled

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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("work", EACH)
async def test_it_comes_back(work: str, kind: str, tmp_path: Path) -> None:
    project = await sample(tmp_path / "project")
    (tmp_path / "aside").mkdir()
    settled(project.path, tmp_path / "aside")
    plan = Plan(SESSION, "demo", project.path, tmp_path / "home", "ao/app-1-abcdef", "main")
    scope = Scope(tmp_path / "state", project="demo", repository=project.path, home=HOME)
    plugin, config = KINDS[kind]
    workspace: Workspace[Any] = plugin(config(), scope)  # type: ignore[arg-type]
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
