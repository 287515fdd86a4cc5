"""The worker's own log, `<workspace>/.ao/worker.jsonl`, from which it can be resumed."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ao_core.files import append_line, read_json_lines_tail
from ao_core.ids import new_token
from ao_plugins._console.later import Later

_TAIL = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Past:
    """What the log tells: whose it is, and the turn that was not finished, if there is one."""

    native_id: str
    turns: int = 0
    task: str | None = None
    done: int = 0
    answer: str = ""
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `step` is how many steps of the turn are done; 0 begins one."""

    role: str
    text: str
    state: str
    step: int | None


class Journal:
    """Appends one line for each thing said."""

    def __init__(self, workspace: Path) -> None:
        self._path = workspace / ".ao" / "worker.jsonl"
        self._path.parent.mkdir(exist_ok=True)
        self._later, self._torn = Later(), False

    def begin(self) -> Past:
        """A conversation of its own."""
        native_id = f"worker-{new_token(8)}"
        self._put(role="session", text=native_id)
        return Past(native_id)

    def past(self) -> Past | None:
        """The last conversation, if there was one."""
        entries = self.entries()
        return _told(entries) if entries else None

    def entries(self) -> tuple[Entry, ...]:
        """The last conversation, line by line."""
        entries = [_entry(line) for line in read_json_lines_tail(self._path, _TAIL)]
        starts = [n for n, entry in enumerate(entries) if entry.role == "session"]
        return tuple(entries[starts[-1] :]) if starts else ()

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

    def spends(self, cost: float, tokens: int) -> tuple[float, int]:
        """So much more was used; what it comes to in all."""
        lines = [
            one for one in read_json_lines_tail(self._path, _TAIL) if one.get("role") == "usage"
        ]
        last = lines[-1] if lines else {"cost_usd": "0", "output_tokens": "0"}
        total = float(str(last["cost_usd"])) + cost, int(str(last["output_tokens"])) + tokens
        self._put(role="usage", cost_usd=str(total[0]), output_tokens=str(total[1]))
        return total

    def ends(self, text: str, state: str = "ready") -> None:
        """The turn is over."""
        self._put(role="assistant", text=text, state=state)

    def _put(self, **values: str) -> None:
        line = values | {"at": datetime.now(UTC).isoformat()}
        self._later.write(lambda: self._append(json.dumps(line).encode()))

    def _append(self, line: bytes) -> None:
        if self._torn:  # a disk that is full takes half a line
            append_line(self._path, b"")
        self._torn = True
        append_line(self._path, line)
        self._torn = False


def _entry(line: Mapping[str, object]) -> Entry:
    text, step = line.get("text"), str(line.get("step"))
    return Entry(
        role=str(line.get("role")),
        text=text if isinstance(text, str) else "",
        state=str(line.get("state")),
        step=int(step) if step.isdecimal() else None,
    )


def _told(entries: Iterable[Entry]) -> Past:
    past = Past("")
    for entry in entries:
        past = replace(_followed(past, entry), waits=entry.state == "waiting_input")
    return past


def _followed(past: Past, entry: Entry) -> Past:
    match entry:
        case Entry(role="session", text=text):
            return Past(text)
        case Entry(step=0, text=text):
            return Past(past.native_id, past.turns + 1, text)
        case Entry(step=int(step)):
            return replace(past, done=step)
        case Entry(role="user", text=text):
            return replace(past, answer=text)
        case Entry(state="ready" | "blocked"):
            return replace(past, task=None)
        case _:
            return past
