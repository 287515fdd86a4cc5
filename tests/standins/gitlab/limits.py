"""What may be asked in a minute: https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

_MINUTE = 60


@dataclass
class Limit:
    """The limit of one user. A test may set `used`."""

    now: Callable[[], float]
    limit: int = 2000
    used: int = 0
    began: float = 0.0

    @property
    def remaining(self) -> int:
        self._turned()
        return max(0, self.limit - self.used)

    @property
    def wait(self) -> int:
        """Seconds until a new minute begins."""
        self._turned()
        return max(1, int(self.began + _MINUTE - self.now()))

    def exhaust(self) -> None:
        """Nothing is left until the minute is over."""
        self._turned()
        self.used = self.limit

    def spend(self) -> bool:
        """One more request; false, if it is one too many."""
        if not self.remaining:
            return False
        self.used += 1
        return True

    def headers(self) -> Mapping[str, str]:
        reset = int(self.began) + _MINUTE
        when = datetime.fromtimestamp(reset, UTC)
        return {
            "ratelimit-name": "throttle_authenticated_api",
            "ratelimit-limit": str(self.limit),
            "ratelimit-observed": str(self.used),
            "ratelimit-remaining": str(self.remaining),
            "ratelimit-reset": str(reset),
            "ratelimit-resettime": f"{when:%a, %d %b %Y %H:%M:%S} GMT",
        }

    def _turned(self) -> None:
        """A new minute begins with the first request after the last one."""
        if self.now() >= self.began + _MINUTE:
            self.began, self.used = self.now(), 0
