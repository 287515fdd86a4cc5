"""A repository with the work of several sessions, and trains of them, for tests."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ao_core.git.train import Fate, Member, Ride, TrainResult, build, predict
from ao_core.ids import home_id, new_id, session_id
from ao_core.model.work import MergeMethod
from ao_core.process import Run, run
from ao_core.testing.repository import Sample, sample

HOME = home_id("0a1b2c3d")
METHODS = list(MergeMethod)
Files = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Yard:
    """Sessions are `app-<n>`; their branches, `w<n>`. `main` is checked out nowhere at first."""

    repository: Sample
    scratch: Path

    async def worker(self, n: int, files: Files, *, on: str = "main") -> Member:
        """One session's work: a commit for each file; None removes it."""
        git = self.repository.git
        await git("checkout", "-q", "-b", f"w{n}", on)
        for name, content in files.items():
            path = self.repository.path / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
            await git("add", "--all", "--", name)
            await git("commit", "-q", "--allow-empty", "-m", f"w{n} {name}")
        await git("checkout", "-q", "--detach", "main")
        return Member(session_id(f"app-{n}"), f"w{n}", f"Work {n}")

    async def on_main(self, name: str, content: str) -> str:
        """A commit on the target, by a person."""
        await self.repository.git("checkout", "-q", "main")
        made = await self.repository.commit(name, content)
        await self.repository.git("checkout", "-q", "--detach", "main")
        return made

    async def train(
        self, *members: Member, method: MergeMethod = MergeMethod.MERGE, through: Run = run,
        **more: Any,
    ) -> TrainResult:  # fmt: skip
        path = self.repository.path
        prediction = await predict(run, path, "main", members)
        return await build(
            through, path, prediction, method=method, home=HOME, train_id=new_id("train"),
            scratch=self.scratch, **more,
        )  # fmt: skip

    async def refs(self) -> str:
        return await self.repository.git("for-each-ref")

    async def files(self, commit: str = "main") -> set[str]:
        return set((await self.repository.git("ls-tree", "-r", "--name-only", commit)).split())

    async def left_nothing(self) -> bool:
        """Whether no work tree, folder or stash of a train is there any more."""
        trees = await self.repository.git("worktree", "list")
        folder = self.scratch.exists() and any(self.scratch.iterdir())
        own = (self.repository.path / ".git" / "worktrees").exists()
        stash = await self.repository.git("stash", "list")
        return len(trees.splitlines()) == 1 and not (folder or own or stash)


async def yard(tmp_path: Path) -> Yard:
    """A repository with one commit."""
    made = await sample(tmp_path / "project")
    await made.git("checkout", "-q", "--detach", "main")
    return Yard(made, tmp_path / "scratch")


def fates(result: TrainResult) -> dict[str, Fate]:
    return {ride.id: ride.fate for ride in result.members}


def ride_of(result: TrainResult, member: Member) -> Ride:
    return next(ride for ride in result.members if ride.id == member.id)


def bytes_of(folder: Path, *, but: Sequence[str] = ()) -> dict[str, str]:
    """Every file below a folder, git's own as well, by its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part in path.parts for part in but)
    }
