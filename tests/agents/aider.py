"""Aider, as somebody has it whose configuration names a model and who has its key."""

import json
from collections.abc import Mapping
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL

_CONFIG = f"""\
model: openai/{MODEL}
edit-format: diff
"""
_PRICES = {
    "max_input_tokens": 100_000,
    "max_output_tokens": 8_000,
    "input_cost_per_token": 0.000_001,
    "output_cost_per_token": 0.000_002,
    "litellm_provider": "openai",
    "mode": "chat",
}


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    (home / ".aider.conf.yml").write_text(_CONFIG)
    prices = home / ".aider" / "caches" / "model_prices_and_context_window.json"
    prices.parent.mkdir(parents=True)
    prices.write_text(json.dumps({f"openai/{MODEL}": _PRICES}))
    return {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": KEY}


_LACKS = {
    "inbox, question": "not offered: it has no tools but a shell",
    "tokens counted": "not offered: it estimates them by itself, whatever its model tells",
}
WAYS = (
    Real(
        "aider", "Aider", "aider-chat", "0.86.2", "aider", _prepare, python="python3.11",
        lacks=_LACKS,
    ),
)  # fmt: skip
