"""Qwen Code, as somebody has it who signs in with a key for an API like OpenAI's."""

import json
from collections.abc import Mapping
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL

_SETTINGS = {
    "security": {"auth": {"selectedType": "openai"}},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
    "general": {"enableAutoUpdate": False},
}


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    folder = home / ".qwen"
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps(_SETTINGS))
    return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": KEY, "OPENAI_MODEL": MODEL}


def _way(drive: str) -> Real:
    package = "@qwen-code/qwen-code"
    return Real("qwen-code", "Qwen Code", package, "0.24.4", "qwen", _prepare, drive)


WAYS = (_way("protocol"), _way("terminal"))
