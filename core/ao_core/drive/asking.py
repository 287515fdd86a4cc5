"""A permission request of the protocol: what it is about, and how an answer is put.

What the agent says of its own tool is a claim. Only a request of which every word is understood is
judged; one that says more, or says it oddly, is always asked for, and shown whole.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ao_core.drive.loose import mapping, sequence, text
from ao_core.drive.messages import Params
from ao_core.engine.policy import Wish, is_for_a_shell, parse_command
from ao_core.store.records import Decision

_PATHS = (
    "path", "file_path", "filePath", "filepath", "file", "filename", "fileName", "abs_path",
    "target_file",
)  # fmt: skip
_MANY = "paths"
_FOLDERS = ("cwd", "workdir", "directory", "working_directory")
_COMMANDS = ("command", "cmd", "script")
_ARGUMENTS, _DIFF, _SEGMENTS = "args", "diff", "commands"
_NAMED = re.compile(  # in a diff: each file that it is of
    r"^(?:---|\+\+\+|Index:|(?:rename|copy) (?:from|to)|\*\*\* [\w ]{1,20}:) ([^\t\n]+)",
    re.MULTILINE,
)
_NO_FILE = "/dev/null"
_HARMLESS = frozenset({
    "description", "timeout", "timeout_ms", "limit", "offset", "line", "content", "contents",
    "file_text", "old_string", "new_string", "oldString", "newString", "old_text", "new_text",
    "oldText", "newText",
})  # fmt: skip
_PARTS = {
    "locations": frozenset({"path", "line"}),
    "content": frozenset({"type", "content", "path", "oldText", "newText", "terminalId"}),
}
# a worker's own tools, as agents name those of a server `ao`, and what each takes
_OURS = re.compile(r"(?:mcp__ao__|mcp_ao_|ao[_./-])(report|ask|inbox|message)")
_TAKES = {
    "report": frozenset({"note", "state"}), "ask": frozenset({"question"}),
    "inbox": frozenset({"after", "read"}), "message": frozenset({"to", "text"}),
}  # fmt: skip
_KNOWN = _HARMLESS.union(_PATHS, _FOLDERS, _COMMANDS, (_ARGUMENTS, _MANY, _DIFF, _SEGMENTS))
_LONGEST, _RUNS = 4_000, "execute"
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
    kind, title = text(call.get("kind"), 40) or "other", text(call.get("title"), 100)
    if kind == "other" and is_ours(title, call.get("rawInput")):
        return Wish(kind, own=True)
    try:
        said = _read(call)
    except _Unclear:
        return Wish(kind, clear=False, line=_line(call.get("rawInput"), kind), title=title)
    if said.command is not None or kind == _RUNS:
        wish = Wish("run", said.folder, said.command or (), said.paths, folder=said.folder)
        line = None if wish.command else _line(call.get("rawInput"), kind)
        return replace(wish, line=line, title=title)
    path = said.paths[0] if said.paths else said.folder
    return Wish(kind, path, also=said.paths, folder=said.folder, title=title)


def _line(given: object, kind: str) -> str | None:
    """The command as a shell would be given it, empty where nobody can say; None: there is none."""
    raw, odd = mapping(given), not isinstance(given, dict | None)
    if not (odd or kind == _RUNS or {*_COMMANDS, _ARGUMENTS, _SEGMENTS} & set(raw)):
        return None
    said = [raw[name] for name in _COMMANDS if name in raw]
    more, segments = raw.get(_ARGUMENTS, []), raw.get(_SEGMENTS, [])
    if len(said) != 1 or not _says_the_same(said[0], segments):
        return ""
    begun = said[0] if isinstance(said[0], str) else _joined(said[0])
    return f"{begun} {_joined(more)}".strip() if begun else ""


def _joined(words: object) -> str:
    """Words in a line that a shell takes apart as they are; nothing where they are odd."""
    every = sequence(words)
    said = [word for word in every if isinstance(word, str)]
    return shlex.join(said) if len(said) == len(every) else ""


def is_ours(name: str, given: object) -> bool:
    """Whether it is a tool that we have given it ourselves: there nobody need be asked."""
    found, named = _OURS.fullmatch(name), set(mapping(given))
    return found is not None and isinstance(given, dict) and named <= _TAKES[found[1]]


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
    named = [*_texts(raw, _PATHS), *_many(raw.get(_MANY, [])), *_changed(raw.get(_DIFF, ""))]
    paths = [*_places(call, "locations"), *_places(call, "content"), *named]
    return _Said(tuple(dict.fromkeys(paths)), folders[0] if folders else None, _command(raw))


def _places(call: Mapping[str, Any], name: str) -> Iterator[str]:
    """The paths of its locations, or of the changes it would make."""
    given: object = call.get(name) or []
    places = sequence(given)
    whole = isinstance(given, list) and all(isinstance(one, dict) for one in places)
    if not whole or any(set(one) - _PARTS[name] for one in places):
        raise _Unclear
    yield from (_path(one["path"]) for one in places if "path" in one)


def _changed(diff: object) -> list[str]:
    """The files of a diff; a line of theirs that looks like a name counts as one, too."""
    if not isinstance(diff, str):
        raise _Unclear
    names = [found.strip() for found in _NAMED.findall(diff)]
    return [_path(name) for name in names if name != _NO_FILE]


def _texts(raw: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [_path(raw[name]) for name in names if name in raw]


def _many(value: object) -> Iterator[str]:
    paths = sequence(value)
    if not isinstance(value, list):
        raise _Unclear
    yield from map(_path, paths)


def _path(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > _LONGEST:
        raise _Unclear
    return value


def _command(raw: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Its words; none of them where only a shell could tell. None: there is no command."""
    given = [raw[name] for name in _COMMANDS if name in raw]
    if len(given) > 1 or (not given and {_ARGUMENTS, _SEGMENTS} & set(raw)):
        raise _Unclear
    if not given:
        return None
    if not _says_the_same(given[0], raw.get(_SEGMENTS, [])):
        raise _Unclear
    words = parse_command(given[0]) if isinstance(given[0], str) else _words(given[0])
    more = _words(raw.get(_ARGUMENTS, []))
    if more and len(words) != 1:  # a line and arguments: nobody knows how they come together
        raise _Unclear
    # words, too, may be put together for a shell; those of a line are as it has them
    loose = more if isinstance(given[0], str) else (*words, *more)
    return () if any(map(is_for_a_shell, loose)) else (*words, *more)


def _says_the_same(line: object, segments: object) -> bool:
    """Whether what is told of a line's parts is in the line as well."""
    whole = line if isinstance(line, str) else ""
    parts = sequence(segments)
    return isinstance(segments, list) and all(
        isinstance(one, str) and one in whole for one in parts
    )


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
    if (
        set(raw) - {"command", "description", _SEGMENTS}
        or call.get("locations")
        or call.get("content")
    ):
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
