"""Gemini CLI, as somebody has it who signs in with a key and has trusted the repository."""

import json
from collections.abc import Mapping
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL

_SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
}


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    folder = home / ".gemini"
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps(_SETTINGS))
    (folder / "trustedFolders.json").write_text(json.dumps({str(repository): "TRUST_FOLDER"}))
    return {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": KEY, "GEMINI_MODEL": MODEL}


def _way(drive: str) -> Real:
    return Real("gemini", "Gemini CLI", "@google/gemini-cli", "0.61.0", "gemini", _prepare, drive)


WAYS = (_way("protocol"), _way("terminal"))
