"""Cline, as somebody has it who has configured a provider of the common kind."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL

_KIND = "openai-compatible"


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    settings = {"provider": _KIND, "apiKey": KEY, "model": MODEL, "baseUrl": f"{url}/v1"}
    about = {"settings": settings, "updatedAt": "2026-01-01T00:00:00Z", "tokenSource": "manual"}
    folder = home / ".cline" / "data" / "settings"
    folder.mkdir(parents=True)
    known = {"version": 1, "lastUsedProvider": _KIND, "modes": {}, "providers": {_KIND: about}}
    (folder / "providers.json").write_text(json.dumps(known))
    return {}


def _keyed(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    """By protocol, it wants a variable."""
    _prepare(home, url, repository)
    return {"CLINE_PROVIDER": _KIND, "CLINE_API_KEY": KEY}


_cline = partial(Real, "cline", "Cline", "cline", "3.0.65", "cline")
WAYS = (_cline(_prepare), _cline(_keyed, "protocol"))
