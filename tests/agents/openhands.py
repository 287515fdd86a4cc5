"""OpenHands, as somebody has it who has told it of a model once."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    folder = home / ".openhands"
    folder.mkdir()
    model = {"model": f"openai/{MODEL}", "api_key": KEY, "base_url": f"{url}/v1"}
    settings = {"llm": {**model, "usage_id": "agent"}, "kind": "Agent"}
    (folder / "agent_settings.json").write_text(json.dumps(settings))
    return {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}


_openhands = partial(
    Real, "openhands", "OpenHands", "openhands", "1.16.0", "openhands", _prepare,
    python="python3.12",
)  # fmt: skip
_ASKS = {"asks": "not offered: by protocol it asks without saying what for"}
WAYS = (_openhands(drive="terminal"), _openhands(drive="protocol", lacks=_ASKS))
