"""The clients that are led as leads, one value each: where each comes from and how it is started.

Each runs headless in a home of its own, tells nobody, updates nothing, and has the scripted model
on loopback behind it. What registers our server is `ao install`, after `prepare`.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ao_mcp.clients.known import CLIENTS
from models.server import KEY, MODEL


@dataclass(frozen=True, slots=True)
class Client:
    """A client that can be had from npm."""

    name: str  # by which `ao install` knows it
    package: str
    version: str
    command: Sequence[str]  # the prompt comes last
    naming: str  # how it names our tools to a model; a dot ends a space of names
    prepare: Callable[[Path, str], Mapping[str, str]]  # home and model: the environment it needs

    @property
    def title(self) -> str:
        return CLIENTS[self.name].title

    @property
    def pinned(self) -> str:
        return f"{self.package}@{self.version}"

    def installed(self, folder: Path) -> str | None:
        """The version that is in a folder of npm's, if its program is there as well."""
        return version_of(folder, self.package, self.command[0])


def version_of(folder: Path, package: str, program: str) -> str | None:
    """The version of a package that is in a folder of npm's, if its program is there as well."""
    told = folder / "node_modules" / package / "package.json"
    if not told.exists() or not (bin_of(folder) / program).exists():
        return None
    return str(json.loads(told.read_text())["version"])


def bin_of(folder: Path) -> Path:
    return folder / "node_modules" / ".bin"


def node_of(folder: Path) -> Path:
    """Where Node.js is, if the machine has none, or an older one than is wanted."""
    return folder / "node" / "path"


def path_of(folder: Path, ours: Path) -> str:
    """PATH, with our programs and npm's first."""
    return os.pathsep.join([*map(str, (ours, bin_of(folder), node_of(folder))), os.environ["PATH"]])


def _write(file: Path, settings: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings))


def _claude(home: Path, url: str) -> Mapping[str, str]:
    off = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY",
           "DISABLE_ERROR_REPORTING", "DISABLE_AUTOUPDATER")  # fmt: skip
    named = {"ANTHROPIC_MODEL": MODEL, "ANTHROPIC_SMALL_FAST_MODEL": MODEL}
    return dict.fromkeys(off, "1") | named | {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY}


_CODEX = """\
model = "{model}"
model_provider = "loopback"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.loopback]
name = "loopback"
base_url = "{url}/v1"
env_key = "LOOPBACK_KEY"
wire_api = "responses"
"""


def _codex(home: Path, url: str) -> Mapping[str, str]:
    config = home / ".codex" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(_CODEX.format(model=MODEL, url=url))
    return {"LOOPBACK_KEY": KEY}


def _opencode(home: Path, url: str) -> Mapping[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible", "models": {MODEL: {"tool_call": True}},
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
    }  # fmt: skip
    named = {"model": f"loopback/{MODEL}", "small_model": f"loopback/{MODEL}"}
    settings = {
        **named,
        "provider": {"loopback": provider},
        "autoupdate": False,
        "share": "disabled",
    }
    _write(home / ".config" / "opencode" / "opencode.json", settings)
    off = ("OPENCODE_DISABLE_AUTOUPDATE", "OPENCODE_DISABLE_MODELS_FETCH",
           "OPENCODE_DISABLE_LSP_DOWNLOAD", "OPENCODE_DISABLE_DEFAULT_PLUGINS")  # fmt: skip
    return dict.fromkeys(off, "1")


def _gemini(home: Path, url: str) -> Mapping[str, str]:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    }
    _write(home / ".gemini" / "settings.json", settings)
    return {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": KEY}


def _copilot(home: Path, url: str) -> Mapping[str, str]:
    return {
        "COPILOT_OFFLINE": "true", "COPILOT_AUTO_UPDATE": "false", "COPILOT_MODEL": MODEL,
        "COPILOT_PROVIDER_TYPE": "openai", "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_API_KEY": KEY,
    }  # fmt: skip


_ALL = (
    Client(
        "claude-code", "@anthropic-ai/claude-code", "2.1.329",
        ("claude", "--allowedTools", "mcp__ao", "-p"), "mcp__ao__{}", _claude,
    ),
    Client(
        "codex", "@openai/codex", "0.169.0",
        ("codex", "exec", "--skip-git-repo-check",
         "-c", 'mcp_servers.ao.default_tools_approval_mode="approve"',
         "-c", "mcp_servers.ao.required=true"),
        "mcp__ao.{}", _codex,
    ),
    Client(
        "opencode", "opencode-ai", "1.18.33",
        ("opencode", "run", "--auto"), "ao_{}", _opencode,
    ),
    Client(
        "gemini", "@google/gemini-cli", "0.61.0",
        ("gemini", "--yolo", "--skip-trust", "--model", MODEL, "--prompt"), "mcp_ao_{}", _gemini,
    ),
    Client(
        "copilot", "@github/copilot", "1.0.102",
        ("copilot", "--allow-all-tools", "--disable-builtin-mcps", "--no-color", "-p"),
        "ao-{}", _copilot,
    ),
)  # fmt: skip

KNOWN: Mapping[str, Client] = {client.name: client for client in _ALL}
