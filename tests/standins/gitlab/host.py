"""The stand-in as a server: the interface, git and the webhooks together."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Self

from standins import smart_http
from standins.faults import through
from standins.gitlab import (
    rest_issues,
    rest_merge_requests,
    rest_notes,
    rest_pipelines,
    rest_projects,
)
from standins.gitlab.api import PREFIX, Api, Call, refusal
from standins.gitlab.hooks import Delivery, Messenger
from standins.gitlab.operations import OPERATIONS
from standins.gitlab.payloads import EVENTS
from standins.gitlab.things import THINGS
from standins.gitlab.world import World
from standins.judge import Judge
from standins.openapi import OpenApi
from standins.server import Reply, Request, Server
from standins.short import described

# each puts what it answers into ROUTES
ROOMS = (rest_issues, rest_merge_requests, rest_notes, rest_pipelines, rest_projects)
TOKEN = "glpat-standin"


class GitLab:
    """Enter it to listen. `world` is arranged, `faults` go wrong, `calls` came in."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.world = World(folder)
        self.world.project("acme/app")
        self.token = self.world.token(TOKEN).token
        self.judge = Judge()
        self._api = Api(self.world, interface(), self.judge.protest)
        self._messenger = Messenger(self.world, interface(), self.judge.protest)
        self.faults, self.limit, self.calls = self._api.faults, self._api.limit, self._api.calls
        self._server, self._stack = Server(self._answered, port), ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._messenger)
            stack.enter_context(self._server)
            self._stack = stack.pop_all()
        self.world.url = self._server.url
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """Where pages and git are."""
        return self._server.url

    @property
    def api(self) -> str:
        """Where the interface is."""
        return f"{self.url}{PREFIX}"

    def remote(self, project: str = "acme/app", token: str = TOKEN) -> str:
        """The address of a project for git, with a token in it."""
        return f"{self.url.replace('://', f'://oauth2:{token}@')}/{project}.git"

    @property
    def deliveries(self) -> list[Delivery]:
        """What webhooks were told, once all of it was."""
        self._messenger.settled()
        return self._messenger.deliveries

    def redeliver(self, delivery: Delivery) -> None:
        """Tell it again, under the same key."""
        self._messenger.again(delivery)

    def called(self, operation: str) -> list[Call]:
        """The requests for one operation, by its name: `merge_requests/get`, `git-receive-pack`."""
        return [call for call in self.calls if call.operation == operation]

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
        call = Call(service, request.method, request.path, who.user.username if who else "")
        fault = self.faults.take(service) if request.method == "POST" else None
        known, lock = who is not None, self.world.lock
        reply = through(
            fault, lambda: smart_http.served(request, self._opened, known, lock), refusal
        )
        call.status, call.fault = reply.status, fault.kind if fault else None
        self.calls.append(call)
        return reply

    def _opened(self, path: str, token: str) -> smart_http.Opened | None:
        access, at = self.world.tokens[token], self.world.projects.get(path.lower())
        if at is None or (at.visibility == "private" and access.user not in at.members):
            return None
        may_write = access.may_write and at.members.get(access.user, 0) >= 30
        pushed = partial(self.world.pushed, at, by=access.user)
        return smart_http.Opened(at.bare, access.user.username, may_write, pushed)


@contextmanager
def hosted(folder: Path) -> Generator[GitLab]:
    """A stand-in of which everything must have been in order at the end."""
    with GitLab(folder) as gitlab:
        yield gitlab
        gitlab.in_order()


@cache
def interface() -> OpenApi:
    """Made once a process."""
    return OpenApi(described({**THINGS, **EVENTS}, OPERATIONS))
