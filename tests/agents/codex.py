"""Codex, as somebody has it who has his own provider and has trusted the repository."""

from collections.abc import Mapping
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL

CONFIG = f"""\
model = "{MODEL}"
model_provider = "loopback"

[analytics]
enabled = false

[model_providers.loopback]
name = "loopback"
base_url = "{{url}}/v1"
env_key = "LOOPBACK_KEY"
wire_api = "responses"
"""
_TRUSTED = '\n[projects."{repository}"]\ntrust_level = "trusted"\n'
_ADAPTER = "@agentclientprotocol/codex-acp@2.6.0"


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    config = home / ".codex" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG.format(url=url) + _TRUSTED.format(repository=repository))
    return {"LOOPBACK_KEY": KEY}


WAYS = (
    Real("codex", "Codex", "@openai/codex", "0.169.0", "codex", _prepare),
    Real(
        "codex", "Codex", "@openai/codex", "0.169.0", "codex", _prepare, "protocol",
        also=(_ADAPTER,),
    ),
)  # fmt: skip
