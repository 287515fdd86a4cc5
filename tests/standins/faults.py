"""What goes wrong because a test arranged it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from standins.server import Reply

Kind = Literal[
    "lost reply",  # it is done, and the connection ends before the answer
    "dropped",  # the connection ends, and nothing is done
    "truncated",  # half of the answer arrives
    "giant",  # the answer comes with `size` bytes of nothing before its end
    "slow",  # the answer comes after `seconds`
    "not JSON",  # it is done, and something between answers with a page
    "server error",  # 500, 502, 503 or 504, by `status`; nothing is done
    "secondary limit",  # too much at once, with Retry-After unless `retry_after` is None
    "primary limit",  # the limit is used up from now on
]
_PAGE = b"<!DOCTYPE html><title>Unicorn!</title><p>We had issues producing the response.</p>"
_HTML: Mapping[str, str] = {"content-type": "text/html; charset=utf-8"}


@dataclass
class Fault:
    """One thing that goes wrong, `times` times."""

    where: str
    kind: Kind
    times: int = 1
    seconds: float = 0.0
    status: int = 0
    retry_after: int | None = 60
    size: int = 0

    @property
    def wait(self) -> Mapping[str, str]:
        """How long to wait, as a header says it; nothing, if nothing is said."""
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}


@dataclass
class Faults:
    """A request is named by `GET /path/{with}/{names}`, by its operation's id, or is any: `*`."""

    waiting: list[Fault] = field(default_factory=list[Fault])

    def next(
        self, where: str, kind: Kind, *, times: int = 1, seconds: float = 0.0, status: int = 0,
        retry_after: int | None = 60, size: int = 0,
    ) -> None:  # fmt: skip
        """The next such request goes wrong; those that were arranged before come first."""
        assert kind in get_args(Kind), kind
        self.waiting.append(Fault(where, kind, times, seconds, status, retry_after, size))

    def take(self, *names: str) -> Fault | None:
        """What goes wrong with a request of these names."""
        found = next((one for one in self.waiting if one.where in ("*", *names)), None)
        if found:
            found.times -= 1
            if not found.times:
                self.waiting.remove(found)
        return found


def through(
    fault: Fault | None, perform: Callable[[], Reply], refused: Callable[[Fault], Reply]
) -> Reply:
    """What becomes of a request that may meet a fault; the host has its own words for refusing."""
    match fault and fault.kind:
        case "dropped":
            return Reply(ending="lost")
        case "server error" | "secondary limit":
            assert fault
            return refused(fault)
        case kind:
            done = perform()
            return _spoilt(fault, done) if fault and kind != "primary limit" else done


def _spoilt(fault: Fault, done: Reply) -> Reply:
    match fault.kind:
        case "lost reply":
            return replace(done, ending="lost")
        case "truncated":
            return replace(done, ending="cut")
        case "giant":
            return replace(done, body=done.body[:-1] + b" " * fault.size + done.body[-1:])
        case "slow":
            return replace(done, after=fault.seconds)
        case _:
            return replace(done, status=fault.status or 502, headers=_HTML, body=_PAGE)
