"""A permission request of the protocol: what it is about, and how an answer is put.

What the agent says of its own tool is a claim. Only a request of which every word is understood is
judged; one that says more, or says it oddly, is always asked for, and shown whole.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ao_core.drive.loose import mapping, sequence, text
from ao_core.drive.messages import Params
from ao_core.engine.policy import Wish, is_for_a_shell, parse_command
from ao_core.store.records import Decision

_PATHS = ("path", "file_path", "filePath", "file", "filename", "abs_path", "target_file")
_FOLDERS = ("cwd", "workdir", "directory", "working_directory")
_COMMANDS = ("command", "cmd", "script")
_ARGUMENTS = "args"
_HARMLESS = frozenset({
    "description", "timeout", "timeout_ms", "limit", "offset", "line", "content", "contents",
    "file_text", "old_string", "new_string", "oldString", "newString", "old_text", "new_text",
    "oldText", "newText",
})  # fmt: skip
_PARTS = {
    "locations": frozenset({"path", "line"}),
    "content": frozenset({"type", "content", "path", "oldText", "newText", "terminalId"}),
}
_KNOWN = _HARMLESS.union(_PATHS, _FOLDERS, _COMMANDS, (_ARGUMENTS,))
_LONGEST = 4_000
_PREFERRED = {
    Decision.ALLOW: ("allow_once", "allow_always"),
    Decision.DENY: ("reject_once", "reject_always"),
}


class _Unclear(Exception):
    """The request says something that is not understood."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What a tool call says of itself, every part of it understood."""

    paths: tuple[str, ...]
    folder: str | None
    command: tuple[str, ...] | None


def wish_of(params: Params) -> Wish:
    """What the agent wants to do, as the policy judges it."""
    call = mapping(params.get("toolCall"))
    kind = text(call.get("kind"), 40) or "other"
    try:
        said = _read(call)
    except _Unclear:
        return Wish(kind, clear=False)
    if said.command is not None or kind == "execute":
        return Wish("run", said.folder, said.command or (), said.paths, folder=said.folder)
    path = said.paths[0] if said.paths else said.folder
    return Wish(kind, path, also=said.paths, folder=said.folder)


def _read(call: Mapping[str, Any]) -> _Said:
    given: object = call.get("rawInput")
    raw = mapping(given)
    if not isinstance(given, dict | None) or set(raw) - _KNOWN:
        raise _Unclear
    if any(isinstance(raw[name], dict | list) for name in _HARMLESS & set(raw)):
        raise _Unclear
    folders = _texts(raw, _FOLDERS)
    if len(folders) > 1:
        raise _Unclear
    paths = [*_places(call, "locations"), *_places(call, "content"), *_texts(raw, _PATHS)]
    return _Said(tuple(dict.fromkeys(paths)), folders[0] if folders else None, _command(raw))


def _places(call: Mapping[str, Any], name: str) -> Iterator[str]:
    """The paths of its locations, or of the changes it would make."""
    given: object = call.get(name) or []
    places = sequence(given)
    whole = isinstance(given, list) and all(isinstance(one, dict) for one in places)
    if not whole or any(set(one) - _PARTS[name] for one in places):
        raise _Unclear
    yield from (_path(one["path"]) for one in places if "path" in one)


def _texts(raw: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [_path(raw[name]) for name in names if name in raw]


def _path(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > _LONGEST:
        raise _Unclear
    return value


def _command(raw: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Its words; none of them where only a shell could tell. None: there is no command."""
    given = [raw[name] for name in _COMMANDS if name in raw]
    if len(given) > 1 or (not given and _ARGUMENTS in raw):
        raise _Unclear
    if not given:
        return None
    words = parse_command(given[0]) if isinstance(given[0], str) else _words(given[0])
    more = _words(raw.get(_ARGUMENTS, []))
    if more and len(words) != 1:  # a line and arguments: nobody knows how they come together
        raise _Unclear
    # words, too, may be put together for a shell; those of a line are as it has them
    loose = more if isinstance(given[0], str) else (*words, *more)
    return () if any(map(is_for_a_shell, loose)) else (*words, *more)


def _words(value: object) -> tuple[str, ...]:
    words = sequence(value)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in words):
        raise _Unclear
    return tuple(words)


def about(params: Params) -> str:
    """The request as people read it, whole where it is odd; whoever shows it escapes it."""
    call = mapping(params.get("toolCall"))
    try:
        _read(call)
    except _Unclear:
        return json.dumps(call, ensure_ascii=False)
    if line := _command_line(call):
        return line
    raw = call.get("rawInput")
    given = "" if raw in (None, {}) else json.dumps(raw, ensure_ascii=False)
    parts = (text(call.get("title"), 500), given, _elsewhere(call, given))
    return " ".join(filter(None, parts)) or "nothing is said about it"


def _command_line(call: Mapping[str, Any]) -> str:
    """The command as it would be typed, where that is all there is to it."""
    raw = mapping(call.get("rawInput"))
    if set(raw) - {"command", "description"} or call.get("locations") or call.get("content"):
        return ""
    given = raw.get("command")
    if isinstance(given, str):
        return given
    words = sequence(given)
    return shlex.join(words) if all(isinstance(word, str) for word in words) else ""


def _elsewhere(call: Mapping[str, Any], given: str) -> str:
    """The places it names beside its input."""
    parts = [mapping(one) for name in ("locations", "content") for one in sequence(call.get(name))]
    places = dict.fromkeys(str(part["path"]) for part in parts if "path" in part)
    told = [place for place in places if json.dumps(place, ensure_ascii=False) not in given]
    return f"({', '.join(told)})" if told else ""


def outcome(params: Params, decision: Decision | None) -> Params:
    """The answer, in the agent's own words; no decision, or none it offers, cancels."""
    options = [mapping(one) for one in sequence(params.get("options"))]
    for kind in _PREFERRED.get(decision, ()) if decision else ():
        for option in options:
            if option.get("kind") == kind and isinstance(option.get("optionId"), str):
                return {"outcome": {"outcome": "selected", "optionId": option["optionId"]}}
    return {"outcome": {"outcome": "cancelled"}}
