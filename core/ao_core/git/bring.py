"""Commits from one repository into another. What is brought, nothing there points to yet."""

from pathlib import Path

from ao_core.git.repository import LONG, Git

# the file transport may be switched off for others; older protocols only serve what a ref names
_ALLOWED = ("-c", "protocol.file.allow=always", "-c", "protocol.version=2")
_AS_ASKED = (
    "--quiet", "--no-tags", "--no-prune", "--no-write-fetch-head", "--no-auto-maintenance",
    "--no-recurse-submodules",
)  # fmt: skip


async def bring(into: Git, source: Path, *wanted: str) -> None:
    """Fetch commits by their full names, or refs by `<from>:<to>`, with all they hang on."""
    how = (*_ALLOWED, "fetch", *_AS_ASKED, "--", str(source), *wanted)
    await into.call(*how, deadline=LONG)


async def tips(git: Git, *refs: str) -> dict[str, str]:
    """Where these refs, and those below them, point to: one call, however many there are."""
    output = await git.call("for-each-ref", "--format=%(objectname) %(refname)", *refs)
    pairs = (line.split(" ", 1) for line in output.text.splitlines())
    return {ref: commit for commit, ref in pairs}
