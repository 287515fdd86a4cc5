"""The end of a job's log, cut to what helps whoever has to mend it."""

from collections.abc import Sequence

from ao_core.redact import visible

LINES = 40
WIDTH = 300
_LONGEST = 3_000


def fitting(lines: Sequence[str]) -> list[str]:
    """The last of these lines, as many as are worth reading."""
    kept: list[str] = []
    room = _LONGEST
    for line in reversed(lines[-LINES:]):
        shown = visible(line, WIDTH)
        room -= len(shown) + 1
        if room < 0:
            break
        kept.append(shown)
    return kept[::-1]
