"""A permission request of the protocol: what it is about, and how an answer is put.

What the agent says of its own tool is a claim. Whatever in it may be a path or a command is judged;
what only a shell could understand is asked for.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ao_core.drive.loose import mapping, sequence, text
from ao_core.drive.messages import Params
from ao_core.engine.policy import Wish, parse_command
from ao_core.store.records import Decision

_PATHS = ("path", "file_path", "filePath", "file", "filename", "abs_path", "target_file")
_FOLDERS = ("cwd", "workdir", "directory", "working_directory")
_COMMANDS = ("command", "cmd", "script")
_LONGEST = 4_000
_PREFERRED = {
    Decision.ALLOW: ("allow_once", "allow_always"),
    Decision.DENY: ("reject_once", "reject_always"),
}


def wish_of(params: Params) -> Wish:
    """What the agent wants to do, as the policy judges it."""
    call = mapping(params.get("toolCall"))
    raw = mapping(call.get("rawInput"))
    kind = text(call.get("kind"), 40) or "other"
    paths = tuple(dict.fromkeys([*_paths(call, raw), *_folders(raw)]))
    if kind == "execute" or any(name in raw for name in _COMMANDS):
        return Wish("run", _first(_folders(raw)), _command(raw), also=paths)
    return Wish(kind, _first(paths), also=paths)


def _command(raw: Mapping[str, Any]) -> tuple[str, ...]:
    given = next((raw[name] for name in _COMMANDS if name in raw), None)
    if isinstance(given, str):
        return parse_command(given)
    words = sequence(given)
    whole = all(isinstance(word, str) for word in words)
    return tuple(words) if whole else ()


def _paths(call: Mapping[str, Any], raw: Mapping[str, Any]) -> Iterator[str]:
    places = [mapping(one).get("path") for one in sequence(call.get("locations"))]
    changes = [mapping(one).get("path") for one in sequence(call.get("content"))]
    for given in (*places, *changes, *(raw.get(name) for name in _PATHS)):
        if path := text(given, _LONGEST):
            yield path


def _folders(raw: Mapping[str, Any]) -> list[str]:
    return [folder for name in _FOLDERS if (folder := text(raw.get(name), _LONGEST))]


def _first(texts: Sequence[str]) -> str | None:
    return texts[0] if texts else None


def about(params: Params) -> str:
    """The request as people read it; whoever shows it escapes it."""
    call = mapping(params.get("toolCall"))
    if line := _command_line(mapping(call.get("rawInput"))):
        return line
    title, raw = text(call.get("title"), 500), call.get("rawInput")
    given = "" if raw in (None, {}) else json.dumps(raw, ensure_ascii=False)
    return " ".join(part for part in (title, given) if part) or "nothing is said about it"


def _command_line(raw: Mapping[str, Any]) -> str:
    """The command as it would be typed, where that is all there is to it."""
    given = next((raw[name] for name in _COMMANDS if name in raw), None)
    words = [word for word in sequence(given) if isinstance(word, str)]
    line = text(given, _LONGEST) or shlex.join(words)
    return line if not set(raw) - {*_COMMANDS, "description"} else ""


def outcome(params: Params, decision: Decision | None) -> Params:
    """The answer, in the agent's own words; no decision, or none it offers, cancels."""
    options = [mapping(one) for one in sequence(params.get("options"))]
    for kind in _PREFERRED.get(decision, ()) if decision else ():
        for option in options:
            if option.get("kind") == kind and isinstance(option.get("optionId"), str):
                return {"outcome": {"outcome": "selected", "optionId": option["optionId"]}}
    return {"outcome": {"outcome": "cancelled"}}
