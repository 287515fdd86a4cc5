"""What OpenHands had begun, or only wanted to do, when it ended.

Continued, it does that at the next word it is told, whether or not anybody ever allowed it. So it
is refused in the conversation before that is taken up again, as OpenHands itself writes it down.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ao_core.drive.loose import mapping, text
from ao_core.files import write_atomic

_LONGEST = 64 * 1024 * 1024
_UNDER_WAY = ("running", "waiting_for_confirmation")
_WHY = (
    "OpenHands was ended before this was allowed, or before it was over. Nothing more comes of it:"
    " see how far it got, and ask again if it is still wanted."
)


def refuse_open(conversations: Path) -> None:
    """Nothing may be running on it."""
    for state in conversations.glob("*/base_state.json"):
        told = _read(state)
        files = sorted(state.parent.glob("events/event-*.json"))
        for number, act in enumerate(_open([_read(one) for one in files]), len(files)):
            _refuse(state.parent / "events", number, act)
        if told.get("execution_status") in _UNDER_WAY:
            write_atomic(state, json.dumps({**told, "execution_status": "idle"}))


def _open(events: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The actions nothing has come of; an error is known by its call alone."""
    over = {one.get("action_id") for one in events}
    wrong = {one.get("tool_call_id") for one in events if one.get("kind") == "AgentErrorEvent"}
    acts = (one for one in events if one.get("kind") == "ActionEvent" and one.get("action"))
    return [
        one for one in acts if one.get("id") not in over and one.get("tool_call_id") not in wrong
    ]


def _refuse(folder: Path, number: int, act: Mapping[str, Any]) -> None:
    event = {
        "id": str(uuid.uuid4()),
        "timestamp": datetime.now().isoformat(),  # noqa: DTZ005  # as all of them are there
        "source": "environment",
        "tool_name": text(act.get("tool_name"), 200),
        "tool_call_id": text(act.get("tool_call_id"), 200),
        "rejection_reason": _WHY,
        "rejection_source": "user",
        "action_id": text(act.get("id"), 200),
        "kind": "UserRejectObservation",
    }
    write_atomic(folder / f"event-{number:05d}-{event['id']}.json", json.dumps(event))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            return mapping(json.loads(file.read(_LONGEST)))
    except (OSError, ValueError, RecursionError):
        return {}
