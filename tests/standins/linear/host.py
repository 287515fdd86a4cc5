"""The stand-in as a server."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Self

from standins import specs
from standins.graphql import Graph, schema_of
from standins.linear import changes  # puts what it answers into FIELDS
from standins.linear.api import Api, Call
from standins.linear.world import World
from standins.server import Server

KEY, OAUTH = "lin_api_standin", "lin_oauth_standin"
NEEDED = "linear.graphql"
_MOST = 250
FIELDS = changes.FIELDS


class Linear:
    """Enter it to listen. `world` is arranged, `faults` go wrong, `calls` came in."""

    def __init__(self, port: int = 0) -> None:
        self.world = World()
        self.me = self.world.user("lead")
        self.team = self.world.team("ENG")
        self.world.token(KEY, self.me)
        self.world.token(OAUTH, self.me)
        self.violations: list[str] = []
        self.expected: list[str] = []
        self.api = Api(self.world, described(specs.wanted(NEEDED)), self.violations.append)
        self.faults, self.limits, self.calls = self.api.faults, self.api.limits, self.api.calls
        self._server = Server(self.api.answered, port)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.__exit__(*exc)

    @property
    def url(self) -> str:
        """Where it is; the interface is at `/graphql`."""
        return self._server.url

    def called(self, field: str) -> list[Call]:
        """The requests that asked for a field: `issues`, `issueCreate`."""
        return [call for call in self.calls if field in call.fields]

    def expect(self, violation: str) -> None:
        """That something is asked that nobody should ask; a regular expression."""
        self.expected.append(violation)

    def in_order(self) -> None:
        """Raise, if something was asked that should not be, or a fault never met."""
        surprising = [
            one for one in self.violations if not any(re.search(e, one) for e in self.expected)
        ]
        missed = [e for e in self.expected if not any(re.search(e, one) for one in self.violations)]
        assert not surprising, "\n".join(surprising)
        assert not missed, f"expected, but never seen: {missed}"
        assert not self.faults.waiting, f"never met: {self.faults.waiting}"


@contextmanager
def hosted() -> Generator[Linear]:
    """A stand-in of which everything must have been in order at the end."""
    with Linear() as linear:
        yield linear
        linear.in_order()


@cache
def described(file: Path) -> Graph:
    """Read once a process."""
    return Graph(schema_of(specs.text(file)), FIELDS, usual=50, most=_MOST)
