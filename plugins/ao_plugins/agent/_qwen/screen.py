"""What Qwen Code's terminal shows: its composer is lowest, and what counts is above it."""

import re
from collections.abc import Sequence

from ao_core.model.activity import ActivityState
from ao_plugins._bottom import bottom, ends_with, shows

_ASKS, _CHOICE = r" +[⠀-⣿] Waiting for user confirmation", r"^ +› \d"
_BOX = r"  [╰└]─{10}"
_BUSY = r"^  ([⠀-⣿] .*)?\(\d+.* esc to cancel\)$"
_USED_UP = r"([Qq]uota exceeded|exceeded your .*quota|insufficient_quota|RESOURCE_EXHAUSTED)"
_COMPOSER, _FROM_END = r"─{20}", 4


def state_of(screen: str) -> ActivityState | None:
    """By what is lowest: a dialog, or the composer, and what stands above it."""
    lines = bottom(screen)
    if ends_with(lines, _BOX) or (ends_with(lines, _ASKS) and shows(lines, _CHOICE, 30)):
        return ActivityState.WAITING_INPUT
    if not ends_with(lines, _COMPOSER, _FROM_END):
        return None
    if shows(lines, _BUSY, 16):
        return ActivityState.ACTIVE
    return ActivityState.BLOCKED if _failed(lines) else ActivityState.IDLE


def used_up(screen: str) -> str | None:
    """The line with which it ended a turn for want of quota."""
    lines = bottom(screen)
    failed = _failed(lines) if ends_with(lines, _COMPOSER, _FROM_END) else ""
    return failed if re.search(_USED_UP, failed) else None


def _failed(lines: Sequence[str]) -> str:
    """The error that nothing but the composer follows."""
    said = [line.strip() for line in lines if re.match(r"  [◆✕>✓?●-]", line)]
    return said[-1][2:] if said and said[-1].startswith("✕ ") else ""
