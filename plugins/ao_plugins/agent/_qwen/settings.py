"""Qwen Code's settings for one session: those of its machine, and ours, which outweigh its user's.

https://qwenlm.github.io/qwen-code-docs/en/users/configuration/settings/
"""

from collections.abc import Mapping
from pathlib import Path

from ao_core.slots.agent import Launch
from ao_plugins._hooks import settings
from ao_plugins._jsonc import listed, part, read

TOOLS = "qwen-mcp.json"
_OURS = "qwen.json"
_LAYERS = {"SETTINGS": "settings.json", "DEFAULTS": "system-defaults.json"}
_FIXED: Mapping[str, Mapping[str, object]] = {
    "general": {"enableAutoUpdate": False, "vimMode": False},
    "ui": {"enableFollowupSuggestions": False},  # looks like a draft
}
_SEEN = [f"mcp__ao__{name}" for name in ("report", "ask", "message", "inbox")]
_PASSED_ON = ("AO_SOCKET", "AO_SPOOL")  # it hides no variable from servers: the token is there


def layers(launch: Launch) -> Mapping[str, str]:
    """The variables that name the files."""
    return {
        _variable("SETTINGS"): str(launch.folder / _OURS),
        _variable("DEFAULTS"): str(_usual("DEFAULTS", launch)),
    }


def furnish(launch: Launch, ours: Mapping[str, object]) -> None:
    """Write them, with these hooks, and the file that names the server with a worker's tools."""
    known = read(_usual("SETTINGS", launch))
    hooks, tools = part(known, "hooks"), part(known, "tools")
    hooks |= {name: [*listed(hooks, name), one] for name, one in ours.items()}
    tools |= {"visible": [*listed(tools, "visible"), *_SEEN]}
    fixed = {name: {**part(known, name), **values} for name, values in _FIXED.items()}
    settings(launch.folder, _OURS, {**known, **fixed, "hooks": hooks, "tools": tools})
    if launch.face:
        program, *args = launch.face
        given = launch.environment
        env = {name: given[name] for name in _PASSED_ON if name in given}
        server = {"command": program, "args": args, "env": env}
        settings(launch.folder, TOOLS, {"mcpServers": {"ao": server}})


def hook(command: str, timeout: int) -> Mapping[str, object]:
    """One that runs this."""
    run = {"type": "command", "name": "ao", "command": command, "timeout": timeout}
    return {"hooks": [run]}


def _variable(name: str) -> str:
    return f"QWEN_CODE_SYSTEM_{name}_PATH"


def _usual(name: str, launch: Launch) -> Path:
    """Where its machine's settings are, of which ours take the place."""
    given = launch.environment.get(_variable(name))
    return Path(given) if given else Path("/etc/qwen-code") / _LAYERS[name]
