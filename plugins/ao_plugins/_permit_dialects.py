"""How each agent's permission hook puts its question, and how it wants to be answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, cast

from ao_core.drive.loose import mapping
from ao_core.ids import new_id
from ao_plugins._tool_uses import use_of

_LATE, _SOON = 2.0, 0.03


@dataclass(frozen=True, slots=True)
class Question:
    """What the agent wants to do, and where its log would show that it has been answered.

    One of our own tools needs no permission: what may be done by it is the engine's affair.
    """

    id: str
    tool: str
    arguments: Mapping[str, Any]
    log: Path | None = None
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an agent asks, and how it wants to be answered."""

    read: Callable[[Mapping[str, Any]], Question]
    answer: Callable[[bool, str], Mapping[str, Any]]


def _read_claude(told: Mapping[str, Any]) -> Question:
    tool, arguments = str(told.get("tool_name")), told.get("tool_input")
    given = cast("dict[str, Any]", arguments) if isinstance(arguments, dict) else {}
    log = Path(str(told["transcript_path"])) if told.get("transcript_path") else None
    id = told.get("tool_use_id") or (log and _use_of(log, tool, given))
    return Question(str(id), tool, given, log) if id else Question(new_id("use"), tool, given)


def _use_of(log: Path, tool: str, arguments: Mapping[str, Any]) -> str | None:
    """Its id, by the log, which is written about when the hook is called."""
    until, written = monotonic() + _LATE, Event()
    while (id := use_of(log, tool, arguments)) is None and monotonic() < until:
        written.wait(_SOON)
    return id


def _answer_claude(allowed: bool, why: str) -> Mapping[str, Any]:
    decision = {"behavior": "allow"} if allowed else {"behavior": "deny", "message": why}
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}


def _read_codex(told: Mapping[str, Any]) -> Question:
    from ao_plugins._permit_codex import wished  # the other agents need none of it

    tool, arguments = wished(told)
    return Question(new_id("use"), tool, arguments)  # it ends this hook itself when it stops


def _read_opencode(told: Mapping[str, Any]) -> Question:
    about = told.get("metadata") or {"patterns": told.get("patterns")}
    return Question(str(told["id"]), str(told.get("permission")), mapping(about))


def _answer_opencode(allowed: bool, why: str) -> Mapping[str, Any]:
    return {"reply": "once"} if allowed else {"reply": "reject", "message": why}


_OURS = "ao/"  # a tool's name begins with its server's


def _read_copilot(told: Mapping[str, Any]) -> Question:
    tool, given = str(told.get("toolName")), mapping(told.get("toolInput"))
    return Question(new_id("use"), tool, given, ours=tool.startswith(_OURS))


def _answer_copilot(allowed: bool, why: str) -> Mapping[str, Any]:
    return {"behavior": "allow"} if allowed else {"behavior": "deny", "message": why}


_UNSAID = (("is_background", False),)  # which is so anyway


def _read_qwen(told: Mapping[str, Any]) -> Question:
    tool, given = str(told.get("tool_name")), mapping(told.get("tool_input"))
    said = {name: value for name, value in given.items() if (name, value) not in _UNSAID}
    return Question(new_id("use"), tool, said)  # it ends this hook itself when it stops


DIALECTS: Mapping[str, Dialect] = {
    "claude": Dialect(_read_claude, _answer_claude),
    "codex": Dialect(_read_codex, _answer_claude),
    "copilot": Dialect(_read_copilot, _answer_copilot),
    "opencode": Dialect(_read_opencode, _answer_opencode),
    "qwen": Dialect(_read_qwen, _answer_claude),
}
