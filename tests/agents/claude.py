"""Claude Code, as somebody has it who signs in with a key and has trusted the repository."""

import json
from collections.abc import Mapping
from pathlib import Path

from agents.known import Real
from models.server import KEY, MODEL

_OFF = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING",
)  # fmt: skip


def _prepare(home: Path, url: str, repository: Path) -> Mapping[str, str]:
    settled = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
        "projects": {str(repository): {"hasTrustDialogAccepted": True}},
    }
    (home / ".claude.json").write_text(json.dumps(settled))
    named = {"ANTHROPIC_MODEL": MODEL, "ANTHROPIC_SMALL_FAST_MODEL": MODEL}
    return dict.fromkeys(_OFF, "1") | named | {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY}


_PACKAGE, _VERSION = "@anthropic-ai/claude-code", "2.1.329"
_ADAPTER = ("@agentclientprotocol/claude-agent-acp@0.100.0",)
WAYS = (
    Real("claude-code", "Claude Code", _PACKAGE, _VERSION, "claude", _prepare),
    Real(
        "claude-code", "Claude Code", _PACKAGE, _VERSION, "claude", _prepare, "protocol",
        also=_ADAPTER,
    ),
)  # fmt: skip
