"""The hourly limits: https://linear.app/developers/rate-limiting"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

_HOUR = 3600


@dataclass
class Limits:
    """What may still be asked in this hour: so many requests, and so complex. Both may be set."""

    now: Callable[[], float]
    requests: int = 5_000
    complexity: int = 3_000_000
    asked: int = 0
    points: int = 0
    began: float = 0.0

    def spend(self, points: int) -> bool:
        """Take one request; false, if there is not so much."""
        if self.now() >= self.began + _HOUR:
            self.began, self.asked, self.points = self.now(), 0, 0
        if self.asked + 1 > self.requests or self.points + points > self.complexity:
            return False
        self.asked, self.points = self.asked + 1, self.points + points
        return True

    def exhaust(self) -> None:
        """Nothing is left until the hour is over."""
        self.began, self.asked = self.now(), self.requests

    def headers(self) -> Mapping[str, str]:
        """Times are in milliseconds, of UTC."""
        reset = str(int((self.began + _HOUR) * 1000))
        return {
            "x-ratelimit-requests-limit": str(self.requests),
            "x-ratelimit-requests-remaining": str(self.requests - self.asked),
            "x-ratelimit-requests-reset": reset,
            "x-ratelimit-complexity-limit": str(self.complexity),
            "x-ratelimit-complexity-remaining": str(self.complexity - self.points),
            "x-ratelimit-complexity-reset": reset,
        }
