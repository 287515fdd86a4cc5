"""The clients that `ao install` knows. What each reads was looked up in it or its documents.

A call of ours may take as long as the gates of a merge, so whoever has a limit of its own is given
`_PATIENCE`. Claude Code, the editors and Claude Desktop are left with theirs: it is longer there,
or cannot be said in this file. Zed's was once in milliseconds and is in seconds now.
"""

from collections.abc import Mapping
from pathlib import Path

from ao_mcp.clients.client import Client
from ao_mcp.clients.form import Entry
from ao_mcp.clients.launch import Launch
from ao_mcp.clients.machine import Machine

NAME = "ao"
_PATIENCE = 900  # seconds
_TOLD = "Run a team of coding agents"


def _plain(launch: Launch, variables: str = "env") -> dict[str, object]:
    entry: dict[str, object] = {"command": launch.command, "args": list(launch.args)}
    return entry | ({variables: dict(launch.environment)} if launch.environment else {})


def _stdio(launch: Launch) -> Entry:
    return {"type": "stdio", **_plain(launch)}


def _claude_code(launch: Launch) -> Entry:
    # else its tools are not there until the model searches for them
    return {**_stdio(launch), "alwaysLoad": True}


def _copilot(launch: Launch) -> Entry:
    tools: dict[str, object] = {"tools": ["*"], "timeout": _PATIENCE * 1000}
    return {"type": "local", **_plain(launch), **tools}


def _portable(launch: Launch) -> Entry:
    """For the `.mcp.json` that Claude Code, Copilot and VS Code share."""
    return {**_claude_code(launch), "tools": ["*"], "timeout": _PATIENCE * 1000}


def _codex(launch: Launch) -> Entry:
    return {**_plain(launch), "tool_timeout_sec": _PATIENCE}


def _gemini(launch: Launch) -> Entry:
    return {**_plain(launch), "timeout": _PATIENCE * 1000}


def _opencode(launch: Launch) -> Entry:
    named = _plain(launch, "environment")
    command = [launch.command, *launch.args]
    rest = {key: value for key, value in named.items() if key not in ("command", "args")}
    return {"type": "local", "command": command, **rest, "timeout": _PATIENCE * 1000}


def _goose(launch: Launch) -> Entry:
    entry: dict[str, object] = {"enabled": True, "type": "stdio", "name": NAME}
    entry |= {"description": _TOLD, "cmd": launch.command, "args": list(launch.args)}
    entry |= {"envs": dict(launch.environment)} if launch.environment else {}
    return entry | {"timeout": _PATIENCE}


def _claude_folder(machine: Machine) -> Path:
    return machine.named("CLAUDE_CONFIG_DIR") or machine.home() / ".claude"


def _claude_files(machine: Machine) -> tuple[Path, ...]:
    top = machine.named("CLAUDE_CONFIG_DIR") or machine.home()
    return (_claude_folder(machine) / ".config.json", top / ".claude.json")


def _claude_nested(machine: Machine) -> tuple[str, ...]:
    """Where `claude mcp add` puts it unless it is told otherwise."""
    return ("projects", str(machine.repository()), "mcpServers")


def _code_folder(machine: Machine) -> Path:
    if portable := machine.named("VSCODE_PORTABLE"):
        return portable / "user-data" / "User"
    return (machine.named("VSCODE_APPDATA") or machine.applications()) / "Code" / "User"


def _copilot_folder(machine: Machine) -> Path:
    return machine.named("COPILOT_HOME") or machine.home() / ".copilot"


def _codex_folder(machine: Machine) -> Path:
    return machine.named("CODEX_HOME") or machine.home() / ".codex"


def _gemini_folder(machine: Machine) -> Path:
    return (machine.named("GEMINI_CLI_HOME") or machine.home()) / ".gemini"


def _opencode_folder(machine: Machine) -> Path:
    return machine.settings() / "opencode"


def _opencode_files(machine: Machine) -> tuple[Path, ...]:
    folder = _opencode_folder(machine)
    return (folder / "opencode.jsonc", folder / "opencode.json")


def _zed_folder(machine: Machine) -> Path:
    match machine.system:
        case "windows":
            return machine.applications() / "Zed"
        case "macos":
            return machine.home() / ".config" / "zed"
        case _:
            return (machine.named("FLATPAK_XDG_CONFIG_HOME") or machine.settings()) / "zed"


def _goose_folder(machine: Machine) -> Path:
    if root := machine.named("GOOSE_PATH_ROOT"):
        return root / "config"
    if machine.system == "windows":
        return machine.applications() / "Block" / "goose" / "config"
    return machine.settings() / "goose"


def _desktop_folder(machine: Machine) -> Path:
    return machine.applications() / "Claude"


def _cursor_folder(machine: Machine) -> Path:
    return machine.home() / ".cursor"


def _windsurf_folder(machine: Machine) -> Path:
    return machine.home() / ".codeium" / "windsurf"


_ALL = (
    Client(
        "claude-code", "Claude Code", ("claude",), _claude_folder, _claude_files,
        "json", ("mcpServers",), _claude_code,
        project=".mcp.json", build_shared=_portable, nested=_claude_nested,
    ),
    Client(
        "claude-desktop", "Claude Desktop", (), _desktop_folder,
        lambda machine: (_desktop_folder(machine) / "claude_desktop_config.json",),
        "json", ("mcpServers",), _plain, shell=False,
    ),
    Client(
        "vscode", "VS Code", ("code",), _code_folder,
        lambda machine: (_code_folder(machine) / "mcp.json",),
        "jsonc", ("servers",), _stdio, project=".vscode/mcp.json", shell=False,
    ),
    Client(
        "copilot", "Copilot CLI", ("copilot",), _copilot_folder,
        lambda machine: (_copilot_folder(machine) / "mcp-config.json",),
        "jsonc", ("mcpServers",), _copilot, project=".mcp.json", build_shared=_portable,
        picks="tools",
    ),
    Client(
        "cursor", "Cursor", ("cursor", "cursor-agent"), _cursor_folder,
        lambda machine: (_cursor_folder(machine) / "mcp.json",),
        "jsonc", ("mcpServers",), _stdio, project=".cursor/mcp.json", shell=False,
    ),
    Client(
        "codex", "Codex", ("codex",), _codex_folder,
        lambda machine: (_codex_folder(machine) / "config.toml",),
        "toml", ("mcp_servers",), _codex, project=".codex/config.toml", picks="enabled_tools",
        merges=True,
    ),
    Client(
        "gemini", "Gemini CLI", ("gemini",), _gemini_folder,
        lambda machine: (_gemini_folder(machine) / "settings.json",),
        "jsonc", ("mcpServers",), _gemini, project=".gemini/settings.json", picks="includeTools",
    ),
    Client(
        "opencode", "opencode", ("opencode",), _opencode_folder, _opencode_files,
        "jsonc", ("mcp",), _opencode, project="opencode.json", merges=True,
    ),
    Client(
        "windsurf", "Windsurf", ("windsurf",), _windsurf_folder,
        lambda machine: (_windsurf_folder(machine) / "mcp_config.json",),
        "jsonc", ("mcpServers",), _plain, shell=False,
    ),
    Client(
        "zed", "Zed", ("zed", "zeditor"), _zed_folder,
        lambda machine: (_zed_folder(machine) / "settings.json",),
        "jsonc", ("context_servers",), _plain, project=".zed/settings.json", shell=False,
    ),
    Client(
        "goose", "goose", ("goose",), _goose_folder,
        lambda machine: (_goose_folder(machine) / "config.yaml",),
        "yaml", ("extensions",), _goose, shell=False,
    ),
)  # fmt: skip

CLIENTS: Mapping[str, Client] = {client.name: client for client in _ALL}
