"""What OpenHands draws. Its composer is always there; so what counts is what stands right above it,
and the keys that it names on the last line: they tell what the keyboard goes to.
"""

import re
from itertools import takewhile

from ao_core.model.activity import ActivityState
from ao_plugins._boxes import Box, lowest_box

LAST_CHOICE, MODAL, PALETTE = "Auto LOW/MED", "^c Exit  esc Cancel", "Search for commands…"
WORKING = "• ESC: pause)"
_FOOTER, _TYPES = r" ?\[(Ctrl\+L for multi-line|Multi-line: Ctrl\+J)", r" ?\^a Select all"
READY = rf"\n{_FOOTER}[^╭]*\n{_TYPES}[^╭\n]*\s*\Z"
DRAFT = r"\n ?│ (?!Type your message, @| *│)[^╭]*\Z"
_CHOICE = re.compile(rf"  (> |  ){re.escape(LAST_CHOICE)}(?!\S)")
_WORKS = re.compile(r"[\u2801-\u28ff] Working \(\d{1,9}s • ESC: pause\)(?=\s|$)")
_TOP = re.compile(r" ?╭─")
_LONGEST, _LINE, _STATUS, _CHOICES = 100_000, 300, 3, 5  # what a narrow screen breaks, at most


def state_on(screen: str) -> ActivityState | None:
    """What a screen shows."""
    box = lowest_box(screen)
    if box is None or not box.below or not re.match(_FOOTER, box.below[0]):
        return None
    if box.below[-1].strip() == MODAL or _chooses(box):
        return ActivityState.WAITING_INPUT
    return ActivityState.ACTIVE if _WORKS.search(_status(screen)) else ActivityState.IDLE


def asks_on(screen: str) -> bool:
    """Whether its question for a permission has the keyboard."""
    box = lowest_box(screen)
    return box is not None and bool(box.below) and _chooses(box)


def _chooses(box: Box) -> bool:
    """What is asked may also be quoted, right above its composer: then that is typed to."""
    typed_to = re.match(_TYPES, box.below[-1]) or box.below[-1].strip() == MODAL
    return not typed_to and any(map(_CHOICE.match, box.above[-_CHOICES:]))


def _status(screen: str) -> str:
    """What is written right on top of the composer, where what the agent says never stands."""
    lines = screen[-_LONGEST:].splitlines()
    top = next((at for at in reversed(range(len(lines))) if _TOP.match(lines[at])), 0)
    near = [_left(line) for line in reversed(lines[max(0, top - _STATUS) : top])]
    return " ".join(reversed([*takewhile(bool, near)]))


def _left(line: str) -> str:
    """What is not its panel with the plan."""
    return line[:_LINE].partition("▏")[0].strip()
