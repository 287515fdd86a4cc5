"""A real git repository for tests, out of reach of the person's own configuration."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from ao_core.process import Completed, run

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A Person",
    "GIT_AUTHOR_EMAIL": "person@example.com",
    "GIT_COMMITTER_NAME": "A Person",
    "GIT_COMMITTER_EMAIL": "person@example.com",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A repository, driven as a person would drive it."""

    path: Path

    async def git(self, *args: str, ok: bool = True) -> str:
        """Run git as the person; hooks and configuration are in force."""
        env = {**os.environ, **_ENVIRONMENT}
        done = await run(["git", "-C", str(self.path), *args], env=env)
        return (done.check("git") if ok else done).text.strip()

    async def commit(self, name: str, content: str = "x\n", message: str | None = None) -> str:
        """Write a file and commit it; returns the commit."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        await self.git("add", "--", name)
        await self.git("commit", "-q", "-m", message or f"add {name}")
        return await self.git("rev-parse", "HEAD")

    def at(self, path: Path) -> "Sample":
        """The same person in another work tree."""
        return Sample(path)


async def sample(path: Path) -> Sample:
    """Make a repository with one commit on `main`."""
    await anyio.Path(path).mkdir(parents=True)
    made = Sample(path)
    await made.git("init", "-q", "-b", "main")
    await made.commit("README.md", "# sample\n", "start")
    return made


@dataclass(slots=True)
class Recorder:
    """A `Run` that remembers what went through it."""

    argvs: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    async def __call__(
        self, argv: Sequence[str], *, cwd: Path | None = None, env: object = None,
        deadline: float = 30.0, stdin: bytes | None = None, limit: int = 8 * 1024 * 1024,
        last: bool = False,
    ) -> Completed:  # fmt: skip
        """Run, and remember."""
        self.argvs.append(tuple(argv))
        return await run(argv, cwd=cwd, deadline=deadline, stdin=stdin, limit=limit, last=last)
