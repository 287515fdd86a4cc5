"""One look at all branches of a repository, in as many git calls as there are bases."""

from collections.abc import Mapping
from dataclasses import dataclass

from ao_core.git.repository import Git
from ao_core.slots.scm import WorkRef


@dataclass(frozen=True, slots=True)
class View:
    """Where each branch is, where each base is, and the tips that each base contains."""

    tips: Mapping[str, str]
    bases: Mapping[str, str]
    contained: Mapping[str, frozenset[str]]

    def ahead(self, tip: str, base: str) -> bool:
        """Whether a tip has commits that its base has not."""
        return base in self.bases and tip not in self.contained[base]

    def has_work(self, work: WorkRef, tip: str) -> bool:
        """Whether a tip is the session's own, and ahead of its base."""
        claimed = not work.commits or tip in work.commits
        return claimed and self.ahead(tip, work.base) and tip != work.base_commit


@dataclass(frozen=True, slots=True)
class Size:
    """How many lines a branch adds and takes away, if that can be told."""

    additions: int | None = None
    deletions: int | None = None


async def look(git: Git, bases: set[str]) -> View:
    """Look at the branches and these bases."""
    how = ("--format=%(objectname) %(refname)", "refs/heads")
    listed = (await git.call("for-each-ref", *how)).text.splitlines()
    pairs = [line.split(" ", 1) for line in listed]
    tips = {ref.removeprefix("refs/heads/"): commit for commit, ref in pairs}
    known = {base: tips.get(base) or await git.resolve(base) for base in sorted(bases)}
    there = {base: commit for base, commit in known.items() if commit}
    return View(tips, there, {base: await _contained(git, one) for base, one in there.items()})


async def size(git: Git, base: str, head: str) -> Size:
    """Count the lines changed since the branch left its base."""
    how = ("--numstat", "--no-renames", "--no-ext-diff", "--no-textconv")
    done = await git.attempt("diff", *how, f"{base}...{head}", "--")
    if done.status != 0 or done.truncated:
        return Size()
    rows = [line.split(b"\t") for line in done.stdout.splitlines()]
    counted = [row for row in rows if row[0].isdigit()]
    return Size(sum(int(row[0]) for row in counted), sum(int(row[1]) for row in counted))


async def _contained(git: Git, base: str) -> frozenset[str]:
    how = (f"--merged={base}", "--format=%(objectname)", "refs/heads")
    return frozenset((await git.call("for-each-ref", *how)).text.split())
