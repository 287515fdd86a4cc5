"""What goes wrong because a test arranged it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from standins.server import Reply

Kind = Literal[
    "lost reply",  # it is done, and the connection ends before the answer
    "dropped",  # the connection ends, and nothing is done
    "truncated",  # half of the answer arrives
    "slow",  # the answer comes after `seconds`
    "not JSON",  # it is done, and something between answers with a page
    "server error",  # 500, 502, 503 or 504, by `status`; nothing is done
    "secondary limit",  # 403 or 429, by `status`, with Retry-After unless `retry_after` is None
    "primary limit",  # the hour's limit is used up from now on
]
_PAGE = b"<!DOCTYPE html><title>Unicorn!</title><p>We had issues producing the response.</p>"
_SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)
_LIMITS = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"


@dataclass
class Fault:
    """One thing that goes wrong, `times` times."""

    where: str
    kind: Kind
    times: int = 1
    seconds: float = 0.0
    status: int = 0
    retry_after: int | None = 60


@dataclass
class Faults:
    """A request is named by `GET /path/{with}/{names}`, by its operation's id, or is any: `*`."""

    waiting: list[Fault] = field(default_factory=list[Fault])

    def next(
        self, where: str, kind: Kind, *, times: int = 1, seconds: float = 0.0, status: int = 0,
        retry_after: int | None = 60,
    ) -> None:  # fmt: skip
        """The next such request goes wrong; those that were arranged before come first."""
        assert kind in get_args(Kind), kind
        self.waiting.append(Fault(where, kind, times, seconds, status, retry_after))

    def take(self, *names: str) -> Fault | None:
        """What goes wrong with a request of these names."""
        found = next((one for one in self.waiting if one.where in ("*", *names)), None)
        if found:
            found.times -= 1
            if not found.times:
                self.waiting.remove(found)
        return found


def through(fault: Fault, perform: Callable[[], Reply]) -> Reply:
    """What becomes of a request that meets a fault."""
    match fault.kind:
        case "dropped":
            return Reply(ending="lost")
        case "lost reply":
            return replace(perform(), ending="lost")
        case "truncated":
            return replace(perform(), ending="cut")
        case "slow":
            return replace(perform(), after=fault.seconds)
        case "not JSON":
            return replace(perform(), status=fault.status or 502, headers=_HTML, body=_PAGE)
        case "server error":
            return _said(fault.status or 502, "Server Error", {})
        case "secondary limit":
            wait = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
            return _said(fault.status or 403, _SECONDARY, wait)
        case "primary limit":
            return perform()


_HTML: Mapping[str, str] = {"content-type": "text/html; charset=utf-8"}


def _said(status: int, message: str, headers: Mapping[str, str]) -> Reply:
    told = {"message": message, "documentation_url": _LIMITS, "status": str(status)}
    json_too = {"content-type": "application/json; charset=utf-8", **headers}
    return Reply(status, json_too, json.dumps(told).encode())
