"""Keeps `/.ao/` out of git, in a repository's own list that is nobody's to commit."""

from pathlib import Path

from ao_core.git import exclude


def keep_out(common: Path) -> None:
    """Add the one line, unless it is there."""
    exclude.keep_out(common, ["/.ao/"])
