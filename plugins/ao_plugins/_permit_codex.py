"""What Codex asks permission for, put so that the policy can judge it.

Its hook is told in which folder a command would run, but not what the paths of a patch are relative
to: that shows in its log, which has the call before the hook runs. Where it does not, somebody is
asked.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

from ao_core.drive.loose import mapping
from ao_core.errors import StoreError
from ao_core.files import read_json_lines_tail

_TAIL = 512 * 1024
_LATE, _SOON = 2.0, 0.03
_FILE = re.compile(r"^\*\*\* (?:(?:Add|Update|Delete) File|Move to): (.+?) *$", re.MULTILINE)
_UNJUDGED = {"unjudged": True}  # a word that the policy does not know: so it asks


def wished(told: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The tool and its arguments, from what the hook was told."""
    tool, given = str(told.get("tool_name")), mapping(told.get("tool_input"))
    folder, command = told.get("cwd"), given.get("command")
    if not isinstance(folder, str) or not isinstance(command, str):
        return tool, {**given, **_UNJUDGED}
    match tool:
        case "Bash":
            return tool, {**given, "workdir": folder}
        case "apply_patch":
            where = _base(Path(str(told.get("transcript_path"))), command, folder)
            return "edit", {"paths": _FILE.findall(command), "content": command, **where}
        case _:  # another server's tool may call anything its command
            return tool, {**given, **_UNJUDGED}


def _base(log: Path, patch: str, folder: str) -> Mapping[str, Any]:
    """What its paths are relative to, by the call that is under way; the log may be a bit late."""
    until = monotonic() + _LATE
    while not (found := _calls(log, patch)) and monotonic() < until:
        Event().wait(_SOON)
    bases = [_folder(call, folder) for call in found]
    known = bases and None not in bases and len(set(bases)) == 1
    return {"workdir": bases[0]} if known else _UNJUDGED


def _folder(call: Mapping[str, Any], folder: str) -> str | None:
    """The folder of one call; None where a shell may have gone elsewhere before it."""
    command, chosen = call.get("cmd"), call.get("workdir")
    if command is None:
        return folder
    plain = isinstance(command, str) and command.lstrip().startswith("apply_patch")
    if not plain or not isinstance(chosen, str | None):
        return None
    return str(Path(folder, chosen)) if chosen else folder


def _calls(log: Path, patch: str) -> list[Mapping[str, Any]]:
    """The calls without a result that have this in them."""
    try:
        lines = read_json_lines_tail(log, _TAIL)
    except StoreError:
        return []
    payloads = [mapping(line.get("payload")) for line in lines]
    over = {one.get("call_id") for one in payloads if str(one.get("type")).endswith("_output")}
    calls = [_arguments(one) for one in payloads if one.get("call_id") not in over]
    return [call for call in calls if _has(call, patch)]


def _has(call: Mapping[str, Any], patch: str) -> bool:
    return any(isinstance(one, str) and patch.strip() in one for one in call.values())


def _arguments(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a call was made with; nothing where it is none."""
    match payload.get("type"):
        case "function_call":
            return _loaded(str(payload.get("arguments")))
        case "custom_tool_call":
            return {"input": payload.get("input")}
        case _:
            return {}


def _loaded(arguments: str) -> Mapping[str, Any]:
    try:
        return mapping(json.loads(arguments))
    except (ValueError, RecursionError):
        return {}
