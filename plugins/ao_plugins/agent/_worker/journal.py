"""The worker's own log, `<workspace>/.ao/worker.jsonl`, from which it can be resumed."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from ao_core.files import append_line, read_json_lines_tail
from ao_core.ids import new_token

_TAIL = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Past:
    """What the log tells: whose it is, and the turn that was not finished, if there is one."""

    native_id: str
    turns: int = 0
    task: str | None = None
    done: int = 0
    answer: str = ""


class Journal:
    """Appends one line for each thing said."""

    def __init__(self, workspace: Path) -> None:
        self._path = workspace / ".ao" / "worker.jsonl"
        self._path.parent.mkdir(exist_ok=True)

    def begin(self) -> Past:
        """A conversation of its own."""
        native_id = f"worker-{new_token(8)}"
        self._put(role="session", text=native_id)
        return Past(native_id)

    def past(self) -> Past | None:
        """The last conversation, if there was one."""
        lines = read_json_lines_tail(self._path, _TAIL)
        starts = [n for n, line in enumerate(lines) if line.get("role") == "session"]
        return _told(lines[starts[-1] :]) if starts else None

    def task(self, text: str) -> None:
        """A turn begins."""
        self._put(role="user", text=text, state="active", step="0")

    def answer(self, text: str) -> None:
        """A question was answered."""
        self._put(role="user", text=text, state="active")

    def step(self, number: int, text: str) -> None:
        """A step was done."""
        self._put(role="assistant", text=text, state="active", step=str(number))

    def waits(self, text: str) -> None:
        """It waits for an answer or a permission."""
        self._put(role="assistant", text=text, state="waiting_input")

    def goes_on(self, text: str) -> None:
        """It waits no longer."""
        self._put(role="assistant", text=text, state="active")

    def ends(self, text: str, state: str = "ready") -> None:
        """The turn is over."""
        self._put(role="assistant", text=text, state=state)

    def _put(self, **values: str) -> None:
        line = values | {"at": datetime.now(UTC).isoformat()}
        append_line(self._path, json.dumps(line).encode())


def _told(lines: Iterable[Mapping[str, object]]) -> Past:
    native_id, turns, task, done, answer = "", 0, None, 0, ""
    for line in cast("Iterable[Mapping[str, str]]", lines):
        text, step = line.get("text", ""), line.get("step")
        if line.get("role") == "session":
            native_id = text
        elif step == "0":
            turns, task, done, answer = turns + 1, text, 0, ""
        elif step is not None:
            done = int(step)
        elif line.get("role") == "user":
            answer = text
        elif line.get("state") in ("ready", "blocked"):
            task = None
    return Past(native_id, turns, task, done, answer)
