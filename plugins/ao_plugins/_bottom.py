"""The lower end of a screen, where agents have their composer, their footer and their dialogs.

What an agent says may quote any of these; so a dialog counts only where nothing is drawn below it.
"""

import re
from collections.abc import Sequence

from ao_core.model.activity import ActivityState

_LINES, _LENGTH = 40, 300  # little enough for any pattern


def bottom(screen: str, lines: int = _LINES) -> list[str]:
    """The last lines with something in them."""
    written = [line.rstrip() for line in screen[-100_000:].splitlines() if line.strip()]
    return [line[:_LENGTH] for line in written[-lines:]]


def ends_with(lines: Sequence[str], pattern: str, within: int = 1) -> bool:
    """Whether one of the last lines begins so."""
    return any(re.match(pattern, line) for line in lines[-within:])


def shows(lines: Sequence[str], pattern: str, within: int) -> bool:
    """Whether one of the last lines has this somewhere."""
    return any(re.search(pattern, line) for line in lines[-within:])


Rule = tuple[ActivityState, str, int]  # a state, how a line begins, and how far from the end


def first_of(rules: Sequence[Rule], screen: str) -> ActivityState | None:
    """The state of the first rule that holds."""
    lines = bottom(screen)
    return next((state for state, how, far in rules if ends_with(lines, how, far)), None)
