"""Keeps `/.ao/` out of git, in a repository's own list that is nobody's to commit."""

from pathlib import Path

from ao_core.files import append_line, in_our_words

_EXCLUDED = b"/.ao/"


def keep_out(common: Path) -> None:
    """Add the one line, unless it is there."""
    exclude = common / "info" / "exclude"
    with in_our_words(exclude, "read"):
        lines = exclude.read_bytes().split(b"\n") if exclude.exists() else [b""]
        if _EXCLUDED in lines:
            return
        exclude.parent.mkdir(exist_ok=True)
    if lines[-1]:
        append_line(exclude, b"")
    append_line(exclude, _EXCLUDED)
