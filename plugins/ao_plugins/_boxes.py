"""The lowest box on a screen, drawn with round corners: where some agents have their composer, and
draw their dialogs in its place. What they say above it may quote anything.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ao_plugins._bottom import bottom

_LINES = 80
_TOP, _END = re.compile(r" ?╭─"), re.compile(r" ?╰─")


@dataclass(frozen=True, slots=True)
class Box:
    """What is written in it, above it and below it."""

    above: Sequence[str]
    inside: Sequence[str]
    below: Sequence[str]


def lowest_box(screen: str) -> Box | None:
    """The last box, if it is whole; else what of it is to be seen, without anything above."""
    lines = bottom(screen, _LINES)
    end = next((at for at in reversed(range(len(lines))) if _END.match(lines[at])), None)
    if end is None:
        return None
    top = next((at for at in reversed(range(end)) if _TOP.match(lines[at])), -1)
    inside = [line.strip(" │") for line in lines[top + 1 : end]]
    return Box(lines[: max(top, 0)], [line for line in inside if line], lines[end + 1 :])
