"""goose, as somebody has it who has configured a provider and signs in with a key."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL

_CONFIGURED = f"""\
GOOSE_PROVIDER: openai
GOOSE_MODEL: {MODEL}
"""


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    folder = home / ".config" / "goose"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"{_CONFIGURED}OPENAI_HOST: {url}\n")
    return {"OPENAI_API_KEY": KEY, "GOOSE_DISABLE_KEYRING": "1"}


_goose = partial(Real, "goose", "goose", "@aaif/goose", "0.20.1", "goose", _prepare)
WAYS = (_goose("protocol"), _goose("terminal"))
