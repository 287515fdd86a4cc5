"""Keys that bear code, and whether a person has trusted them as they stand.

They are read from the main checkout only, never from a worker's tree: `find` sees to that. What
they say is written out line by line and hashed; a person trusts that hash, on the command line or
in the dashboard, never through a tool. When anything in it changes, it is asked again. Beside
commands, links and plugins, this covers what decides where credentials go: a worker's environment
and settings of plugins that are more than a plain word. A person's own `config.yaml`, in the home,
needs no trust.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic.alias_generators import to_snake

from ao_core.clock import Clock
from ao_core.config.document import Document
from ao_core.config.interpolate import PROSE
from ao_core.config.models import EffectiveProject
from ao_core.config.parts import FILE
from ao_core.config.problem import Where, spelled
from ao_core.config.secret import is_secret_name
from ao_core.errors import NotTrusted
from ao_core.ids import folder_hash
from ao_core.redact import looks_secret
from ao_core.store.contract import Put, Store
from ao_core.store.records import TRUST, Trust

_ALWAYS = {
    "gates", "post_create", "symlinks", "allow_commands", "credentials", "env", "plugins",
    "commit_signing",  # with the person's own key
    "permission_rules",  # any of them: a list takes the place of another
}  # fmt: skip
_SLOTS = {"runtime", "agent", "workspace", "tracker", "scm"}
_ROLES = {"worker", "orchestrator"}
_HARMLESS_MODES = ("default", "auto-edit", "suggest")  # compared: a setting may be a list
_PROGRAMS = {
    "command", "args", "resume", "protocol", "process", "program", "binary", "executable", "path",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ELSEWHERE = re.compile(r"\$\{\w+\}|secret://\S+")


@dataclass(frozen=True, slots=True)
class CodeBearing:
    """What has to be trusted: the lines a person reads, and their hash."""

    digest: str
    lines: tuple[str, ...]


def code_digest(project: EffectiveProject) -> CodeBearing:
    """What the project's configuration could make this machine do."""
    text = "\n".join(project.code)
    return CodeBearing(hashlib.sha256(text.encode()).hexdigest(), project.code)


async def is_trusted(store: Store, path: Path, digest: str) -> bool:
    """Whether a person has trusted exactly this, in this file."""
    row = await store.read(TRUST, _id(path, digest))
    return row is not None and row.value == Trust(str(path), digest, row.value.at)


async def trust(store: Store, clock: Clock, path: Path, digest: str) -> None:
    """Note that a person trusts it. Only what a person uses may call this."""
    if not await is_trusted(store, path, digest):
        record = Trust(str(path), digest, clock.now())
        await store.commit([Put(TRUST, _id(path, digest), record, 0)])


async def require(store: Store, path: Path, project: EffectiveProject) -> None:
    """Raise `NotTrusted` unless there is nothing to trust, or it has been trusted."""
    code = code_digest(project)
    if not code.lines or await is_trusted(store, path, code.digest):
        return
    raise NotTrusted(
        f"{path} can run commands or use credentials in project {project.id}"
        " (for example "
        f"{code.lines[0].partition(':')[0]}), and nobody has trusted it as it is now.",
        hint=f"A person has to read it and run `ao trust {project.id}`.",
    )


def code_lines(document: Document, id: str, folder: Path) -> tuple[str, ...]:
    """Every code-bearing key for one project, as it is written, with secrets masked."""
    places: list[tuple[Where, object]] = [
        ((), {key: document.data.get(key) for key in ("env", "plugins", "reactions")}),
        (("defaults",), document.data.get("defaults")),
        (("projects", id), _table(document.data.get("projects")).get(id)),
    ]
    found = [line for where, table in places for line in _of(where, table, folder)]
    found += _of_notifiers(document)
    others = {name: None for name in _table(document.data.get("projects")) if name != id}
    own = document.data | {"projects": _table(document.data.get("projects")) | others}
    files = sorted(set(_files(own, document.path.parent)))
    return (*found, *files)


def _of(where: Where, table: object, folder: Path) -> Iterator[str]:
    for written, value in sorted(_table(table).items()):
        key, here = to_snake(written), (*where, written)
        if value is None:
            continue
        if key in _ALWAYS:
            yield _line(here, value)
        elif key in _SLOTS or key == "notifiers":
            yield from _of_slot(here, value)
        elif key == "agent_config":
            yield from _of_agent(here, value)
        elif key in _ROLES:
            yield from _of(here, value, folder)
        elif key == "reactions":
            yield from _of_reactions(here, value)
        elif key == "agent_rules_file" and _leaves(str(value), folder):
            yield _line(here, value)


def _of_reactions(where: Where, value: object) -> Iterator[str]:
    """Who merges by itself moves a branch of the person's."""
    for key, table in sorted(_table(value).items()):
        if _table(table).get("action") == "auto-merge":
            yield _line((*where, key), table)


def _of_slot(where: Where, value: object) -> Iterator[str]:
    listed = isinstance(value, list)
    names = cast("list[object]", value) if listed else [value]
    if not all(_is_harmless_choice(one) for one in names):
        yield _line(where, value)


def _is_harmless_choice(value: object) -> bool:
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return all(_is_harmless(key, item) for key, item in table.items())
    return _is_harmless("plugin", value)


def _of_agent(where: Where, value: object) -> Iterator[str]:
    for key, item in sorted(_table(value).items()):
        harmless = {"permissions": item in _HARMLESS_MODES, "model": True}
        if not harmless.get(key, _is_harmless(key, item)):
            yield _line((*where, key), item)


def _is_harmless(key: str, value: object) -> bool:
    """A plain word or number chooses among what a plugin offers; it names no program or place."""
    if value is None or isinstance(value, bool | int):
        return True
    return to_snake(key) not in _PROGRAMS and bool(_WORD.fullmatch(str(value)))


def _of_notifiers(document: Document) -> Iterator[str]:
    for alias, table in sorted(_table(document.data.get("notifiers")).items()):
        yield from _of_slot(("notifiers", alias), table)
    for key in ("notification_routing", "notificationRouting"):
        for priority, names in sorted(_table(document.data.get(key)).items()):
            yield from _of_slot((key, priority), names)


def _files(value: object, folder: Path) -> Iterator[str]:
    """The content of each plugin file that is named anywhere."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            if to_snake(key) not in PROSE:
                yield from _files(item, folder)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _files(item, folder)
    elif isinstance(value, str) and (match := FILE.fullmatch(value)):
        path = folder / Path(match["file"]).expanduser()
        yield f"file {path}: sha256 {_content(path)}"


def _content(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return "missing"


def _line(where: Where, value: object) -> str:
    shown = json.dumps(_masked(value, str(where[-1])), sort_keys=True, ensure_ascii=True)
    return f"{spelled(where)}: {shown}"


def _masked(value: object, key: str) -> object:
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return {name: _masked(item, name) for name, item in table.items()}
    if isinstance(value, list):
        return [_masked(item, key) for item in cast("list[object]", value)]
    text = str(value)
    literal = is_secret_name(to_snake(key)) and not _ELSEWHERE.fullmatch(text)
    if literal or looks_secret(text):
        return f"(secret {hashlib.sha256(text.encode()).hexdigest()[:12]})"
    return value


def _leaves(path: str, folder: Path) -> bool:
    return not (folder / path).resolve().is_relative_to(folder.resolve())


def _table(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _id(path: Path, digest: str) -> str:
    return f"{folder_hash(path)}-{digest[:32]}"
