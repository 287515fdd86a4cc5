"""What goes wrong because a test arranged it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from standins.server import Reply

Kind = Literal[
    "lost reply",  # it is done, and the connection ends before the answer
    "dropped",  # the connection ends, and nothing is done
    "truncated",  # it is done, and half of the answer arrives
    "server error",  # 500; nothing is done
]


@dataclass
class Faults:
    """A request is named by the field that it asks for first: `issues`, `issueCreate`."""

    waiting: list[tuple[str, Kind]] = field(default_factory=list[tuple[str, Kind]])

    def next(self, where: str, kind: Kind, *, times: int = 1) -> None:
        """The next such request goes wrong; those that were arranged before come first."""
        self.waiting.extend((where, kind) for _ in range(times))

    def take(self, name: str) -> Kind | None:
        """What goes wrong with a request of this name."""
        found = next((one for one in self.waiting if one[0] == name), None)
        if found:
            self.waiting.remove(found)
        return found[1] if found else None


def through(kind: Kind | None, perform: Callable[[], Reply]) -> Reply:
    """What becomes of a request that may meet a fault."""
    match kind:
        case "dropped":
            return Reply(ending="lost")
        case "server error":
            return Reply(500, {"content-type": "text/html"}, b"<title>Server Error</title>")
        case "lost reply":
            return replace(perform(), ending="lost")
        case "truncated":
            return replace(perform(), ending="cut")
        case None:
            return perform()
