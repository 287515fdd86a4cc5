"""The stand-in as a server: the interfaces, git, the logs' own origin and the webhooks together."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Self

from standins import smart_http, specs
from standins.faults import through
from standins.github import (
    graph_changes,
    graph_pulls,
    rest_apps,
    rest_checks,
    rest_hooks,
    rest_issues,
    rest_pulls,
    rest_repositories,
    rest_reviews,
    rest_search,
)
from standins.github.api import Api, Call, refusal
from standins.github.graph_fields import FIELDS
from standins.github.hooks import Delivery, Messenger
from standins.github.world import World
from standins.graphql import Graph, schema_of
from standins.judge import Judge
from standins.openapi import OpenApi
from standins.server import Reply, Request, Server

# each puts what it answers into ROUTES or FIELDS
ROOMS = (
    graph_changes,
    graph_pulls,
    rest_apps,
    rest_checks,
    rest_hooks,
    rest_issues,
    rest_pulls,
    rest_repositories,
    rest_reviews,
    rest_search,
)
TOKEN = "ghp_standin"
NEEDED = ("github-rest.json.gz", "github.graphql")
_PLAIN = {"content-type": "text/plain; charset=utf-8"}


class GitHub:
    """Enter it to listen. `world` is arranged, `faults` go wrong, `calls` came in."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.world = World(folder)
        self.world.repository("acme/app")
        self.token = self.world.token(TOKEN).token
        self.judge = Judge()
        rest, sdl = map(specs.wanted, NEEDED)
        described = rest_described(rest)
        self._api = Api(self.world, described, lambda: graph_described(sdl), self.judge.protest)
        self._messenger = Messenger(self.world, described, self.judge.protest)
        self.faults, self.limits, self.calls = self._api.faults, self._api.limits, self._api.calls
        self._server, self._logs = Server(self._answered, port), Server(self._logged)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for part in (self._messenger, self._logs, self._server):
                stack.enter_context(part)
            self._stack = stack.pop_all()
        self.world.url, self._api.logs = self._server.url, self._logs.url
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """Where pages, git and both interfaces are; below /api/v3 and /api/graphql they are too."""
        return self._server.url

    def remote(self, repository: str = "acme/app", token: str = TOKEN) -> str:
        """The address of a repository for git, with a token in it."""
        return f"{self.url.replace('://', f'://x-access-token:{token}@')}/{repository}.git"

    def logs_at(self, url: str) -> None:
        """From now on logs lie there."""
        self._api.logs = url

    @property
    def deliveries(self) -> list[Delivery]:
        """What webhooks were told, once all of it was."""
        self._messenger.settled()
        return self._messenger.deliveries

    def redeliver(self, delivery: Delivery) -> None:
        """Tell it again, under the same id."""
        self._messenger.again(delivery)

    def called(self, operation: str) -> list[Call]:
        """The requests for one operation, by its id: `pulls/get`, `graphql`, `git-receive-pack`."""
        return [call for call in self.calls if call.operation == operation]

    def cost(self, resource: str) -> int:
        """What all requests cost."""
        return sum(call.cost for call in self.calls if call.resource == resource)

    def expect(self, violation: str) -> None:
        """That something is asked that nobody should ask; a regular expression."""
        self.judge.expect(violation)

    def in_order(self) -> None:
        """Raise, if something was asked or answered that should not be, or a fault never met."""
        self._messenger.settled()
        self.judge.in_order(self.faults)

    def _answered(self, request: Request) -> Reply:
        try:
            return self._git(request) or self._api.answered(request)
        except Exception as error:
            self.judge.protest(f"{request.method} {request.path}: the stand-in failed: {error!r}")
            raise

    def _git(self, request: Request) -> Reply | None:
        if (service := smart_http.service(request)) is None:
            return None
        who = self.world.tokens.get(smart_http.password(request.headers))
        call = Call(service, request.method, request.path, "core", who.user.login if who else "")
        fault = self.faults.take(service) if request.method == "POST" else None
        perform = partial(
            smart_http.served, request, self._opened, who is not None, self.world.lock
        )
        reply = through(fault, perform, refusal)
        call.status, call.fault = reply.status, fault.kind if fault else None
        self.calls.append(call)
        return reply

    def _opened(self, path: str, token: str) -> smart_http.Opened | None:
        access, at = self.world.tokens[token], self.world.repositories.get(path.lower())
        if at is None:
            return None
        pushed = partial(self.world.pushed, at, by=access.user)
        return smart_http.Opened(at.bare, access.user.login, access.may_write, pushed)

    def _logged(self, request: Request) -> Reply:
        """Logs lie elsewhere, and nobody may bring a token: their address is the permission."""
        if "authorization" in request.headers:
            self.judge.protest(f"GET {request.path}: a token was sent to where the logs are")
            return Reply(400, _PLAIN, b"InvalidAuthenticationInfo")
        wanted = request.path.removeprefix("/logs/")
        for run in self.world.runs:
            for job in run.jobs:
                if str(job.id) == wanted:
                    return Reply(200, _PLAIN, job.log.encode())
        return Reply(404, _PLAIN, b"BlobNotFound")


@contextmanager
def hosted(folder: Path) -> Generator[GitHub]:
    """A stand-in of which everything must have been in order at the end."""
    graph_described(specs.wanted(NEEDED[1]))  # read before anybody waits for an answer
    with GitHub(folder) as github:
        yield github
        github.in_order()


@cache
def rest_described(file: Path) -> OpenApi:
    """Read once a process."""
    return OpenApi(specs.document(file))


@cache
def graph_described(file: Path) -> Graph:
    """Read once a process, and only if somebody asks."""
    return Graph(schema_of(specs.text(file)), FIELDS)
