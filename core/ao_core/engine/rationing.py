"""Many things that are told in one room: each by its name, then an equal share of what it says."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ao_core.redact import visible

_REST = 30  # for how many more there are
_BETWEEN = "\n\n"
Cut: TypeAlias = Callable[[str, int], str]


@dataclass(frozen=True, slots=True)
class Thing:
    """Its name and its place stand before what it says, that by which it is answered after it."""

    before: str
    said: str = ""
    after: str = ""

    @property
    def frame(self) -> int:
        """The room that it needs without what it says."""
        return len(self.before) + len(self.after) + len(_BETWEEN)


def named(things: Sequence[Thing], room: int) -> int:
    """How many of them can at least be named there, the first ones."""
    if sum(one.frame for one in things) <= room:
        return len(things)
    count, left = 0, room - _REST
    while (left := left - things[count].frame) >= 0:
        count += 1
    return count


def shared(things: Sequence[Thing], room: int, cut: Cut, between: str = _BETWEEN) -> str:
    """As many as can be named; what is too long of what they say is `cut`."""
    some = things[: named(things, room)]
    said = [visible(one.said, len(one.said)) for one in some]
    more = len(things) - len(some)
    left = room - sum(one.frame for one in some) - (_REST if more else 0)
    share = _share(map(len, said), left)
    told = [one.before + cut(text, share) + one.after for one, text in zip(some, said, strict=True)]
    return between.join([*told, f"and {more} more"] if more else told)


def _share(lengths: Iterable[int], room: int) -> int:
    """What each may have at most: who needs less leaves the rest to the others."""
    longer = sorted(lengths)
    for at, length in enumerate(longer):
        each = room // (len(longer) - at)
        if length > each:
            return max(0, each)
        room -= length
    return longer[-1] if longer else 0
