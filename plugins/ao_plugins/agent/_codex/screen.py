"""What the screen of Codex shows: its composer is the lowest thing, unless a dialog is."""

import re
from collections.abc import Sequence

from ao_core.model.activity import ActivityState
from ao_plugins._bottom import bottom
from ao_plugins.agent._codex.settings import ASKING

DIALOGS = ("Press enter to co", "· esc back", "· esc skip", "· esc close", "· esc cancel")
DRAFT = r"\n›[ \xa0](?!Ask Codex to do anything)\S[^\n]*(?:\n(?:[ \xa0][^\n]*)?)*\Z"
READY = r"\n›[ \xa0](?!\d\. )"

_DIALOG = re.compile(r" *(Press enter to co|.* · esc (back|skip|close|cancel)$)")
_FOOTER = re.compile(r"  \S.* · ")
_BUSY = re.compile(r"[•◦] .*\(.*esc to interrupt\)")
_QUEUED = re.compile(r"• (Messages|Queued)")
_OVER = "  Worked for"
_SIGNED_OUT, _WHY = "Sign in with ChatGPT", "It is not signed in: run `codex login`."
_BY_HAND = "■ Conversation interrupted"
_LOWEST = 3


def state(screen: str) -> ActivityState | None:
    """What it does; None where that cannot be seen."""
    lines = bottom(screen)
    if _asks(lines):
        signed_out = any(_SIGNED_OUT in line for line in lines)
        return ActivityState.BLOCKED if signed_out else ActivityState.WAITING_INPUT
    above = _above(lines)
    if above is None:
        return None
    if above and _BUSY.match(above[0]):
        waits = any(ASKING in line for line in above)
        return ActivityState.WAITING_INPUT if waits else ActivityState.ACTIVE
    return ActivityState.BLOCKED if _is_complaint(above) else ActivityState.IDLE


def complaint(screen: str) -> str | None:
    """Why it cannot go on, where it says so."""
    lines = bottom(screen)
    if _asks(lines):
        return _WHY if any(_SIGNED_OUT in line for line in lines) else None
    above = _above(lines) or []
    return " ".join(above).removeprefix("■ ") if _is_complaint(above) else None


def _is_complaint(above: Sequence[str]) -> bool:
    return bool(above) and above[0].startswith("■") and not above[0].startswith(_BY_HAND)


def _asks(lines: Sequence[str]) -> bool:
    """Whether a dialog is lowest; below a composer that quotes one there is the footer."""
    for place in range(max(0, len(lines) - _LOWEST), len(lines)):
        if _DIALOG.match(lines[place]):
            return not any(" · " in line for line in lines[place + 1 :])
    return False


def _above(lines: Sequence[str]) -> list[str] | None:
    """The paragraph above its composer, without what waits to be submitted; None: there is none."""
    place = next((n for n in range(len(lines) - 1, -1, -1) if lines[n].startswith("›")), None)
    if place is None or not any(map(_FOOTER.match, lines[place + 1 :][-2:])):
        return None
    found: list[str] = []
    for line in reversed(lines[:place]):
        if line.startswith(_OVER):
            break
        found = [] if _QUEUED.match(line) else [line, *found]
        if found and line[0] in "•◦■›✔✗⚠":
            break
    return found
