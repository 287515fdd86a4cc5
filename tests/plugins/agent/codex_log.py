"""Logs as Codex keeps them, for tests."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ao_core.slots.agent import Launch
from ao_plugins._found import PLACES, remember

AT = datetime(2026, 11, 21, 22, 9, tzinfo=UTC)
ID = "01a20027-c223-70d0-96b3-dcbba5787f61"


def line(at: datetime, kind: str, **payload: Any) -> str:
    return json.dumps({"timestamp": at.isoformat(), "type": kind, "payload": payload}) + "\n"


def write_log(launch: Launch, text: str, id: str = ID) -> Path:
    """A log where it keeps its own; it began in the session's workspace."""
    if not (launch.folder / PLACES).exists():
        remember(launch.folder, {"home": str(launch.folder / "home")})
    day = launch.folder / "home" / "sessions" / "2026" / "11" / "21"
    day.mkdir(parents=True, exist_ok=True)
    log = day / f"rollout-2026-11-21T22-08-55-{id}.jsonl"
    log.write_text(text)
    return log


def begun(launch: Launch, id: str = ID) -> str:
    return line(AT, "session_meta", id=id, cwd=str(launch.workspace))
