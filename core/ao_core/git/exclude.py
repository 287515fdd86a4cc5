"""Keeps files out of git's sight, in a repository's own list that is nobody's to commit."""

import re
from collections.abc import Iterable
from pathlib import Path

from anyio import to_thread

from ao_core.files import append_line, in_our_words
from ao_core.git.repository import LONG, Git

_MEANT = re.compile(r"[\\*?\[]| $")  # what stands for something else in a pattern


async def hide(git: Git, names: Iterable[str]) -> None:
    """Keep these out of sight, where git would show them; what it tracks stays tracked."""
    wanted = set(names)
    if not wanted:
        return
    shown = await git.fields("ls-files", "-z", "--others", "--exclude-standard", deadline=LONG)
    if found := sorted(wanted & set(shown)):
        common = await git.common_dir()
        await to_thread.run_sync(keep_out, common, [f"/{_escaped(name)}" for name in found])


def keep_out(common: Path, patterns: Iterable[str]) -> None:
    """Add these lines, but those that are there."""
    exclude = common / "info" / "exclude"
    with in_our_words(exclude, "read"):
        lines = exclude.read_bytes().split(b"\n") if exclude.exists() else [b""]
        exclude.parent.mkdir(exist_ok=True)
    missing = [line for line in map(str.encode, patterns) if line not in lines]
    if missing and lines[-1]:
        append_line(exclude, b"")
    for line in missing:
        append_line(exclude, line)


def _escaped(name: str) -> str:
    return _MEANT.sub(lambda match: f"\\{match[0]}", name)
