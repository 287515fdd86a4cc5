"""Continue, as somebody has it whose configuration names a model and its key."""

from collections.abc import Mapping
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL

_CONFIG = """\
name: local
version: 1.0.0
schema: v1
models:
  - name: {model}
    provider: openai
    model: {model}
    apiBase: {url}/v1
    apiKey: {key}
    roles: [chat]
"""


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    folder = home / ".continue"
    folder.mkdir()
    (folder / "config.yaml").write_text(_CONFIG.format(model=MODEL, url=url, key=KEY))
    (folder / ".onboarding_complete").touch()
    return {"CONTINUE_CLI_ENABLE_TELEMETRY": "0", "CONTINUE_METRICS_ENABLED": "0"}


WAYS = (Real("continue", "Continue", "@continuedev/cli", "1.5.47", "cn", _prepare),)
