"""The settings that a worker's opencode runs with, above those of its user and of the project."""

import json
from collections.abc import Mapping
from pathlib import Path

from ao_core.drive.loose import mapping, sequence
from ao_core.model.session import PermissionMode
from ao_core.slots.agent import Launch
from ao_plugins._hooks import settings
from ao_plugins.agent._opencode.plugin import NAME

KEYS, KEYS_FILE = "OPENCODE_TUI_CONFIG", "opencode-tui.json"
INTERRUPT = ("F12", "F12")  # two escapes at once are another key in a terminal
VARIABLE = "OPENCODE_CONFIG_CONTENT"  # no file but an administrator's is above it
_PATIENCE = 3_600_000  # milliseconds that one of our own tools may take
_LISTS = ("plugin", "instructions")
_READING = {
    "read": {"*": "allow", "*.env": "ask", "*.env.*": "ask", "*.env.example": "allow"},
    **dict.fromkeys(("glob", "grep", "list", "lsp", "todowrite", "skill"), "allow"),
}
_ASKING = {"*": "ask", **_READING}  # what comes later holds
_MODES: Mapping[PermissionMode, Mapping[str, object]] = {
    PermissionMode.DEFAULT: _ASKING,
    PermissionMode.SUGGEST: _ASKING,  # our policy asks before each edit
    PermissionMode.AUTO_EDIT: {**_ASKING, "edit": "allow"},
    PermissionMode.PERMISSIONLESS: {"*": "allow"},
}
_OURS = {"ao_*": "allow", "question": "deny"}  # it asks by our own tool


def above(launch: Launch, agent: str) -> dict[str, object]:
    """Ours, above what was given in the same way."""
    ours, theirs = _ours(launch, agent), _given(launch.environment.get(VARIABLE))
    both = {name: [*sequence(theirs.get(name)), *sequence(ours[name])] for name in _LISTS}
    return {**theirs, **ours, **both}


def keys(folder: Path) -> Path:
    """A file with the keys of its terminal that are ours, beside those its user has."""
    return settings(folder, KEYS_FILE, {"keybinds": {"session_interrupt": "escape,f12"}})


def _ours(launch: Launch, agent: str) -> dict[str, object]:
    """The permissions of the agent that works hold above all; the others are of its subagents."""
    rules = {**_MODES[launch.permissions], **(_OURS if launch.face else {})}
    named = {"model": launch.model} if launch.model else {}
    return {
        **named,
        "default_agent": agent,
        "permission": rules,
        "agent": {agent: {"permission": rules}},
        "plugin": [str(launch.folder / NAME)],
        "instructions": [str(launch.system_prompt)],
        "experimental": {"mcp_timeout": _PATIENCE},
    }


def _given(content: str | None) -> Mapping[str, object]:
    try:
        return mapping(json.loads(content or "{}"))
    except (ValueError, RecursionError):
        return {}
