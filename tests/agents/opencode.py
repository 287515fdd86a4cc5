"""opencode, as somebody has it who has a provider of their own in its settings."""

import json
from collections.abc import Mapping
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL

_VERSION = "1.18.33"
_OFF = (
    "OPENCODE_DISABLE_MODELS_FETCH", "OPENCODE_DISABLE_LSP_DOWNLOAD",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS",
)  # fmt: skip


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible", "models": {MODEL: {"tool_call": True}},
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
    }  # fmt: skip
    named = dict.fromkeys(("model", "small_model"), f"loopback/{MODEL}")
    settings = {**named, "provider": {"loopback": provider}, "share": "disabled"}
    _write(home / ".config" / "opencode", settings)
    return dict.fromkeys(_OFF, "1")


def _write(folder: Path, settings: Mapping[str, object]) -> None:
    """Its settings, and what it has brought from npm when it ran for the first time."""
    needs = {"dependencies": {"@opencode-ai/plugin": _VERSION}}
    (folder / "node_modules").mkdir(parents=True)
    (folder / "opencode.json").write_text(json.dumps(settings))
    (folder / "package.json").write_text(json.dumps(needs))
    (folder / "package-lock.json").write_text(json.dumps({"packages": {"": needs}}))


_AGENT = ("opencode", "opencode", "opencode-ai", _VERSION, "opencode", _prepare)
WAYS = (Real(*_AGENT, drive="protocol"), Real(*_AGENT))
