"""What Claude Code's terminal shows, and how it is typed to."""

import re

from ao_core.model.activity import ActivityState
from ao_core.slots.agent import Composer
from ao_core.store.records import Delivery
from ao_plugins._bottom import bottom, ends_with, shows

_DIALOG = r" ?(Esc to cancel|Enter to (confirm|select|submit)|↑/↓ to)"

COMPOSER = Composer(
    folded=("[Pasted text",),
    dialogs=("Esc to cancel", "Enter to confirm", "Enter to select"),
    clear=("C-u",),
    allow=("1",),
    deny=("Escape",),
    interrupt=("Escape",),
    working=("esc to interrupt",),
    draft=r"─\n❯[ \xa0](?!Try \"|Press up to edit)\S",
    ready=r"─\n❯",
    best=Delivery.ACCEPTED,
)


def shown(screen: str) -> ActivityState | None:
    """By what is lowest: a dialog, or its composer with the footer."""
    lines = bottom(screen)
    if ends_with(lines, _DIALOG):
        return ActivityState.WAITING_INPUT
    if not ends_with(lines, r"❯", 8) or not ends_with(lines, r"─{20}", 5):
        return None
    busy = shows(lines, r"esc to interrupt", 3)
    return ActivityState.ACTIVE if busy else ActivityState.IDLE


def used_up(screen: str) -> str | None:
    """The line with which it ends a turn for want of quota."""
    lines = reversed(bottom(screen, 20))
    found = (one.lstrip(" ⎿●") for one in lines if re.match(r" *[⎿●] .*\blimit\b", one))
    return next((one for one in found if "reset" in one or "reached" in one), None)
