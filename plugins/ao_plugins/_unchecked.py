"""Work that is quite new: what passed on it may be the first of many, and it only looks green."""

from dataclasses import dataclass, field
from datetime import datetime

from ao_core.clock import Clock
from ao_core.model.work import ChecksSummary

UNCHECKED = "it is quite new, and more checks may begin"
_REMEMBERED = 200
_DRIFT = 60.0  # seconds by which a host's clock may be another than ours


@dataclass(slots=True)
class NewHeads:
    """Since when each head is known; `within` so many seconds its checks are to begin.

    After a start every head is seen for the first time, so the host has a word in it: a push is an
    update, and what was not updated lately is not new.
    """

    clock: Clock
    within: float
    _since: dict[str, float] = field(default_factory=dict[str, float])

    def hold(self, head: str, updated: datetime, checks: ChecksSummary) -> bool:
        """Whether more of its checks may still begin; one that failed is word enough."""
        now = self.clock.monotonic()
        if head not in self._since:
            self._since = dict([*self._since.items(), (head, now)][-_REMEMBERED:])
        if checks is ChecksSummary.FAILING or now - self._since[head] >= self.within:
            return False
        return (self.clock.now() - updated).total_seconds() < self.within + _DRIFT
