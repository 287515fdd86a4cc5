"""The two servers that are judged: the product itself, and one with the suite's fixtures."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from ao_mcp.http.tokens import own_token
from conformance.fixtures import fixtures
from team import Team

_CONFIG = "http: {enabled: true}\n"
_READY = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where one listens, and the token that it wants."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Product:
    """The product, with one worker that waits for an answer."""

    team: Team
    server: Server
    session: str


@contextmanager
def product(folder: Path) -> Generator[Product]:
    """An engine of its own, at work; and all of it gone afterwards."""
    home = folder / "home"
    home.mkdir(parents=True, mode=0o700)
    (home / "config.yaml").write_text(_CONFIG)
    team = Team(home, Team.new_repository(folder / "sample"), folder / "run").trusted()
    try:
        url = str(team.call("about")["http"])
        session = team.spawn("do: ask Which colour?")
        team.until(session, "needs_input", _READY)
        yield Product(team, Server(url, own_token(home)), session)
    finally:
        team.end()


@contextmanager
def with_fixtures(folder: Path) -> Generator[Server]:
    """The suite's things on our desk, in this very process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(fixtures(folder)) as one,
    ):
        yield Server(one.url, one.token)
