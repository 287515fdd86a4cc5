"""A root folder for one session's goose: what the user has, and a hook and permissions of ours.

goose finds hooks in plugins alone, and plugins in `.agents/plugins` of its root, which one variable
moves. So each session has a root of links: to the configuration, the login and the conversations
that the user has, and to the user's own plugins. What is allowed once and for all is no link: what
the user once allowed by hand holds for no worker, what was forbidden does.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from ao_core.drive.loose import mapping, sequence
from ao_core.files import write_atomic

KEYS = (
    "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY", "DATABRICKS_TOKEN", "GOOGLE_API_KEY",
    "GROQ_API_KEY", "LITELLM_API_KEY", "MISTRAL_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY",
    "XAI_API_KEY",
)  # fmt: skip
SURROUNDINGS = (
    "GOOSE_PROVIDER", "GOOSE_MODEL", "GOOSE_DISABLE_KEYRING", "GOOSE_PATH_ROOT",
    "ANTHROPIC_HOST", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT_NAME", "DATABRICKS_HOST",
    "LITELLM_HOST", "OLLAMA_HOST", "OPENAI_HOST", "OPENAI_BASE_PATH", "OPENAI_BASE_URL",
)  # fmt: skip

_OURS, _PERMISSIONS = "ao", "permission.yaml"
TOOLS = ("approve", "ask", "inbox", "message", "report")


@dataclass(frozen=True, slots=True)
class Places:
    """Where goose has its own things."""

    config: Path
    data: Path
    state: Path
    agents: Path

    @property
    def database(self) -> Path:
        """All conversations."""
        return self.data / "sessions" / "sessions.db"


def places(environment: Mapping[str, str]) -> Places:
    """Where they are, by the user's environment."""
    home = Path(environment.get("HOME") or "~").expanduser()
    if root := environment.get("GOOSE_PATH_ROOT"):
        at = Path(root)
        return Places(at / "config", at / "data", at / "state", at / ".agents")

    def xdg(name: str, usual: str) -> Path:
        return Path(environment.get(f"XDG_{name}_HOME") or home / usual) / "goose"

    return Places(
        xdg("CONFIG", ".config"), xdg("DATA", ".local/share"), xdg("STATE", ".local/state"),
        home / ".agents",
    )  # fmt: skip


def build(root: Path, users: Places, hooks: Mapping[str, str]) -> None:
    """Make it, or what is missing of it; `hooks` are the commands for events."""
    plugins = root / ".agents" / "plugins"
    ours = plugins / _OURS / "hooks"
    ours.mkdir(parents=True, exist_ok=True, mode=0o700)
    for place in (users.config, users.data, users.state):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)  # as goose itself would
    _link(root / "data", users.data)
    _link(root / "state", users.state)
    _link_all(root / "config", users.config, but=_PERMISSIONS)
    write_atomic(root / "config" / _PERMISSIONS, _permissions(users.config / _PERMISSIONS))
    _link_all(root / ".agents", users.agents)
    _link_all(plugins, users.agents / "plugins")
    about = {"name": _OURS, "version": "1.0.0", "description": "Tells ao what goose does."}
    write_atomic(ours.parent / "plugin.json", json.dumps(about) + "\n")
    write_atomic(ours / "hooks.json", json.dumps({"hooks": dict(map(_hook, hooks.items()))}) + "\n")


def _permissions(users: Path) -> str:
    """Our own tools need nobody's permission; the rest is asked for, or stays forbidden."""
    try:
        loaded: object = yaml.safe_load(users.read_bytes())
    except (OSError, ValueError, yaml.YAMLError):
        loaded = None
    forbidden = sequence(mapping(mapping(loaded).get("user")).get("never_allow"))
    never = [one for one in forbidden if isinstance(one, str)]
    own = {
        "always_allow": [f"ao__{name}" for name in TOOLS],
        "ask_before": list[str](),
        "never_allow": never,
    }
    return json.dumps({"user": own}) + "\n"  # which is YAML, too


def _link_all(folder: Path, users: Path, but: str = "") -> None:
    folder.mkdir(exist_ok=True, mode=0o700)
    if users.is_dir():
        for one in users.iterdir():
            if one.name != but:
                _link(folder / one.name, one)


def _link(at: Path, to: Path) -> None:
    if at.is_symlink() and at.readlink() != to:
        at.unlink()
    if not at.is_symlink() and not at.exists():
        at.symlink_to(to)


def _hook(entry: tuple[str, str]) -> tuple[str, object]:
    event, command = entry
    return event, [{"hooks": [{"type": "command", "command": command, "timeout": 10}]}]
