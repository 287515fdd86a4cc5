"""The configuration as it was when a project was last opened, so that what runs can go on with it.

An edit may break a file, or bear code that nobody has trusted yet, and the engine may be started
anew just then: its agents run all the same, and have to be seen, answered and ended. The files are
kept as they were written, with no variable filled in.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ao_core.config import document
from ao_core.config.document import Document
from ao_core.config.layers import Loaded
from ao_core.config.load import assembled, layers_of
from ao_core.files import write_atomic

_NAME = "configuration.json"


@dataclass(frozen=True, slots=True)
class _Kept:
    """`path` is the file that was found; `files` all that were read, the nearest first."""

    path: Path | None
    files: dict[Path, str]


_KEPT = TypeAdapter(_Kept)


def keep(folder: Path, loaded: Loaded) -> None:
    """Keep what a project was opened with. Call it from a thread."""
    files = {str(one.document.path): one.document.text for one in loaded.layers}
    text = json.dumps({"path": loaded.path and str(loaded.path), "files": files})
    if _text(folder) != text:
        write_atomic(folder / _NAME, text)


def kept(folder: Path, *, environment: Mapping[str, str], home: Path) -> Loaded | None:
    """What was kept, read again; None if nothing was. Call it from a thread."""
    try:
        found = _KEPT.validate_json(_text(folder))
    except ValidationError:
        return None

    def read(path: Path) -> Document:
        return document.parse(path, found.files[path])

    return assembled(layers_of(found.files, read, environment), found.path, home=home)


def _text(folder: Path) -> str:
    try:
        return (folder / _NAME).read_text()
    except (OSError, UnicodeDecodeError):
        return ""
