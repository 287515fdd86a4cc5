"""Work that is quite new, of which a host has not begun to check anything: it only looks green."""

from dataclasses import dataclass, field

from ao_core.clock import Clock

UNCHECKED = "no check has begun yet on what is quite new"
_REMEMBERED = 200


@dataclass(slots=True)
class NewHeads:
    """Since when each head is known; `within` so many seconds its checks are to begin."""

    clock: Clock
    within: float
    _since: dict[str, float] = field(default_factory=dict[str, float])

    def has(self, head: str) -> bool:
        """Whether its checks may still begin."""
        now = self.clock.monotonic()
        if head not in self._since:
            self._since = dict([*self._since.items(), (head, now)][-_REMEMBERED:])
        return now - self._since[head] < self.within
