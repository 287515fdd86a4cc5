"""What goose's terminal shows: it prints from top to bottom, and the lowest line tells."""

import re
from collections.abc import Sequence

from ao_core.model.activity import ActivityState
from ao_core.redact import visible
from ao_core.slots.agent import Asked
from ao_plugins._bottom import bottom, ends_with

ASKS = ("◆  Goose would like to call the above tool", "◆  Do you allow this tool call?")
WORKING = "(Ctrl+C to interrupt)"
READY = r"[━╌]{20} +\d+%[^\n]*\n (Enter to send|Press Ctrl\+C again|Interrupted, )[^\n]*\s*\Z"

_OPEN, _END, _TALLEST = "◆  ", "└", 14
_SPINS = r"[◒◐◓◑]  .*\(Ctrl\+C to interrupt\)"
_USED, _HINTS = r"  [━╌]{20} +\d+%", r" (Enter to send|Press Ctrl\+C again to exit|Interrupted, )"
_ERROR = re.compile(
    r"(?:\A|\n|(?<=[.!?]))(Ran into this error(?:(?!Ran into this error).)*?)"
    r"\s*\nPlease (?:retry if|try again or)[^\n]*\s*\Z",
    re.DOTALL,
)
_FURTHEST, _LONGEST = 30, 2_000


def state_of(screen: str) -> ActivityState | None:
    """By what is lowest: a dialog, its spinner, or its empty composer below what is used."""
    lines = bottom(screen)
    if _dialog(lines) is not None:
        return ActivityState.WAITING_INPUT
    if ends_with(lines, _SPINS):
        return ActivityState.ACTIVE
    if ends_with(lines, _HINTS) and ends_with(lines[:-1], _USED):
        return ActivityState.IDLE
    return None


def trouble(screen: str) -> str | None:
    """What it could not go on for, where that is the last it has printed."""
    lines = bottom(screen)
    if not ends_with(lines, _HINTS) or not ends_with(lines[:-1], _USED):
        return None
    return error_in("\n".join(lines[:-2]), " ")


def error_in(said: str, between: str = "\n") -> str | None:
    """What follows its words for it, where it says them last of all."""
    found = _ERROR.search(said[-_LONGEST:])
    return visible(found[1].replace("\n", between), _LONGEST) if found else None


def asked(screen: str) -> Asked | None:
    """The tool above the dialog, with its arguments as far as they are shown."""
    lines = bottom(screen)
    at = _dialog(lines)
    if at is None or not lines[at].startswith(ASKS):
        return None
    above = lines[max(0, at - _FURTHEST) : at]
    begins = [place for place, line in enumerate(above) if line.startswith("  ▸ ")]
    if not begins:
        return Asked("a tool")
    tool, *arguments = above[begins[-1] :]
    said = "\n".join(line.strip() for line in arguments)
    return Asked(visible(tool[4:].strip(), 100), visible(said, _LONGEST))


def _dialog(lines: Sequence[str]) -> int | None:
    """Where the dialog begins that is lowest of all; None where there is none."""
    if not lines or lines[-1] != _END:
        return None
    places = range(max(0, len(lines) - _TALLEST), len(lines))
    return max((at for at in places if lines[at].startswith(_OPEN)), default=None)
