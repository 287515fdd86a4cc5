"""The folder Continue has its things in, one for each session: the user's own, by links, save for
the conversations. So the session's own conversation is the last one there, which is the one that
`--resume` takes up.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ao_core.drive.loose import mapping
from ao_core.files import write_atomic

_RULES, _INDEX, _CHOICES = "rules", "index", "globalContext.json"
_ITS_OWN = frozenset({"sessions", "logs", "input_history.json", _RULES, _INDEX})


def home_of(environment: Mapping[str, str]) -> Path:
    """The user's own."""
    given = environment.get("CONTINUE_GLOBAL_DIR")
    return Path(given) if given else Path(environment.get("HOME", "~")) / ".continue"


def furnished(folder: Path, user: Path, rules: Path, model: str | None) -> None:
    """Make it, or make it anew: what the user has, our rules, and the choice of a model."""
    for place in (folder, folder / _RULES, folder / _INDEX):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    _link(user, folder)
    _link(user / _RULES, folder / _RULES)
    write_atomic(folder / _RULES / "ao.md", rules.read_text(encoding="utf-8"))
    chosen = {**_choices(user), "autoUpdateCli": False}  # not under a worker's hands
    if model:
        chosen["cliSelectedModel"] = model
    write_atomic(folder / _INDEX / _CHOICES, json.dumps(chosen) + "\n")


def _link(theirs: Path, ours: Path) -> None:
    for path in _entries(theirs):
        link = ours / path.name
        if path.name in _ITS_OWN or (link.exists() and not link.is_symlink()):
            continue
        link.unlink(missing_ok=True)
        os.symlink(path.absolute(), link)


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return


def _choices(user: Path) -> Mapping[str, object]:
    try:
        return mapping(json.loads((user / _INDEX / _CHOICES).read_bytes()))
    except (OSError, ValueError):
        return {}
