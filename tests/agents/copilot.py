"""Copilot CLI, as somebody has it who brings a model of their own and trusts the home's folder."""

import json
from collections.abc import Mapping
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    (home / ".copilot").mkdir()
    trusted = {"trustedFolders": [str(home.parent)]}
    (home / ".copilot" / "config.json").write_text(json.dumps(trusted))
    return {
        "COPILOT_OFFLINE": "true", "COPILOT_AUTO_UPDATE": "false", "COPILOT_MODEL": MODEL,
        "COPILOT_PROVIDER_TYPE": "openai", "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_API_KEY": KEY,
    }  # fmt: skip


_AGENT = ("copilot", "GitHub Copilot CLI", "@github/copilot", "1.0.102", "copilot", _prepare)
WAYS = (Real(*_AGENT, drive="protocol"), Real(*_AGENT))
