"""What cline's terminal shows: a composer and a footer at its lower end, and dialogs in between."""

import re
from collections.abc import Sequence

from ao_core.model.activity import ActivityState
from ao_plugins._bottom import bottom, ends_with

ASKS = "[y] Approve   [n] Deny"
ADVERT = "any other key to close"

_FOOTER = r" Auto-approve all (disabled|enabled)"
_RULE = r"─{20}"
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SPINS, _OUTPUT = rf" [{_FRAMES}] \S", 12
WORKING = ("(esc to cancel)", *(f" {frame} " for frame in _FRAMES))
_BAR = 4  # lines below a dialog


def state_of(screen: str) -> ActivityState | None:
    """A dialog above the footer, or what is above its composer."""
    lines = bottom(screen)
    if not ends_with(lines, _FOOTER, 2):
        return None
    if _dialog(lines) is not None:
        return ActivityState.WAITING_INPUT
    rules = [at for at, line in enumerate(lines) if re.match(_RULE, line)]
    if len(rules) < 2 or len(lines) - rules[-1] > _BAR + 1:
        return None
    busy = ends_with(lines[: rules[-2]], _SPINS, _OUTPUT)
    return ActivityState.ACTIVE if busy else ActivityState.IDLE


def _dialog(lines: Sequence[str]) -> int | None:
    """Where the keys of the dialog are that stands in the place of the composer."""
    for at in range(max(0, len(lines) - _BAR - 1), len(lines)):
        if re.match(rf" +{re.escape(ASKS)}$", lines[at]):
            return at
    return None
