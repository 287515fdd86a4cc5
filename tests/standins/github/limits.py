"""The limits, hourly but for searches: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Resource = Literal["core", "graphql", "search"]
RESOURCES: tuple[Resource, ...] = ("core", "graphql", "search")
_HOUR, _MINUTE = 3600, 60


@dataclass
class Limit:
    """What one kind of request may still cost. A test may set `used`."""

    resource: Resource
    limit: int
    now: Callable[[], float]
    lasts: int = _HOUR
    used: int = 0
    began: float = 0.0

    @property
    def remaining(self) -> int:
        self._turned()
        return max(0, self.limit - self.used)

    @property
    def reset(self) -> int:
        self._turned()
        return int(self.began) + self.lasts

    def exhaust(self) -> None:
        """Nothing is left until its time is over."""
        self._turned()
        self.used = self.limit

    def spend(self, cost: int) -> bool:
        """Take what a request costs; false, if there is not so much."""
        if cost and self.remaining < cost:
            return False
        self.used += cost
        return True

    def headers(self) -> Mapping[str, str]:
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-reset": str(self.reset),
            "x-ratelimit-resource": self.resource,
        }

    def told(self) -> Mapping[str, int]:
        return {name: getattr(self, name) for name in ("limit", "remaining", "reset", "used")}

    def _turned(self) -> None:
        """A new time begins with the first request after the last one."""
        if self.now() >= self.began + self.lasts:
            self.began, self.used = self.now(), 0


class Limits:
    """All of them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.core = Limit("core", 5000, now)
        self.graphql = Limit("graphql", 5000, now)
        self.search = Limit("search", 30, now, _MINUTE)

    def __getitem__(self, resource: Resource) -> Limit:
        return {"core": self.core, "graphql": self.graphql, "search": self.search}[resource]
