"""What aider writes down: a transcript in Markdown, and one line for each thing it does.

The second is the log of its `--analytics-log`, which it keeps on this machine alone. Its transcript
has no times, and its log no words.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from ao_core.drive.loose import mapping, number
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Turn
from ao_plugins._grown import Grown

_TAIL, _TEXT, _DETAIL = 512 * 1024, 16_000, 300
_SAID, _SHOWN = "#### ", "> "
_DEEDS = re.compile(r"(Applied edit to|Commit|Running|Run shell command) .*")


@dataclass(slots=True)
class Deeds:
    """What its log amounts to so far."""

    last: Activity | None = None
    thinks: bool = False
    used: Usage = field(default_factory=Usage)


def take(deeds: Deeds, line: Mapping[str, Any]) -> Deeds:
    """One more line."""
    event, told = str(line.get("event")), mapping(line.get("properties"))
    at = _time(line.get("time"))
    if at is None or not event.startswith("message_send"):
        return deeds
    deeds.thinks = event == "message_send_starting"
    state = ActivityState.ACTIVE if deeds.thinks else ActivityState.READY
    deeds.last = Activity(state, at, Source.NATIVE)
    if event == "message_send":
        deeds.used = deeds.used.plus(_usage(told))
    return deeds


deeds_in: Grown[Deeds] = Grown(Deeds, take)


def turns_in(transcript: Path) -> tuple[Turn, ...]:
    """The last messages of its transcript."""
    return tuple(_turns(_lines(transcript)))


def speaks(log: Path, transcript: Path) -> bool:
    """Whether its model does: the one tells when that began, the other, in time, that it is over.

    What a question is about is in the transcript before the question is asked.
    """
    deeds = deeds_in.of(log)
    written = [line for line in _lines(transcript)[-50:] if line.strip()]
    return bool(deeds and deeds.thinks and written and written[-1].startswith(_SAID))


def _lines(transcript: Path) -> list[str]:
    try:
        with transcript.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            return file.read(_TAIL).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _turns(lines: Iterable[str]) -> Iterator[Turn]:
    """Each run of lines of one kind; what it did goes with what it had said."""
    said: Turn | None = None
    for role, run in groupby(lines, _role):
        text = "\n".join(map(_plain, run)).strip()
        if role == "tool" and said is not None:
            deeds = tuple(visible(one[0], _DETAIL) for one in _DEEDS.finditer(text))
            said = Turn("assistant", said.text, None, (*said.tools, *deeds))
        elif text and role in ("user", "assistant"):
            if said is not None:
                yield said
            said = Turn(role, visible(text, _TEXT)) if role == "assistant" else None
            if said is None:
                yield Turn(role, visible(text, _TEXT))
    if said is not None:
        yield said


def _role(line: str) -> str:
    if line.startswith("# aider chat started"):
        return "start"
    if line.startswith(_SAID):
        return "user"
    return "tool" if line.startswith(_SHOWN) else "assistant"


def _plain(line: str) -> str:
    for mark in (_SAID, _SHOWN):
        if line.startswith(mark):
            return line.removeprefix(mark).rstrip()
    return line


def _usage(told: Mapping[str, Any]) -> Usage:
    cost = told.get("cost")  # nothing, where it does not know the model's prices
    price = float(cost) if isinstance(cost, int | float) and 0 < cost < 10**6 else None
    return Usage(number(told.get("prompt_tokens")), number(told.get("completion_tokens")), price)


def _time(value: object) -> datetime | None:
    if not isinstance(value, int) or not 0 < value < 10**10:
        return None
    return datetime.fromtimestamp(value, UTC)
