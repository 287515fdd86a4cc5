"""What is on the host, and who may ask for it."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeVar

from standins.git import Bare
from standins.github.records import (
    CheckRun,
    CheckSuite,
    Label,
    Moment,
    Protection,
    Record,
    Repository,
    Run,
    Status,
    User,
)
from standins.one_at_a_time import OneAtATime

R = TypeVar("R", bound=Record)
README = "# sample\n"


class Refused(Exception):
    """The host will not do it. `kind` is what GraphQL calls it."""

    def __init__(
        self, status: int, message: str, *errors: Mapping[str, Any], kind: str = "UNPROCESSABLE"
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.errors, self.kind = status, message, errors, kind


class NotFound(Refused):
    """There is no such thing, or not for whoever asks."""

    def __init__(self, message: str = "Not Found") -> None:
        super().__init__(404, message, kind="NOT_FOUND")


@dataclass(frozen=True)
class Access:
    """What a token is good for; who may not push opens issues, and neither labels nor assigns."""

    token: str
    user: User
    may_write: bool = True
    may_push: bool = True


@dataclass(frozen=True)
class App:
    """A GitHub App; what is signed with the other half of its key is its word."""

    id: str
    installation: int
    public_key: str


@dataclass(frozen=True)
class Event:
    """Something happened that webhooks tell of."""

    name: str
    action: str | None
    repository: Repository
    sender: User
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Hook:
    """Where events are told, signed with the secret; all of them, unless some are named."""

    id: int
    url: str
    secret: str
    events: Sequence[str]

    def wants(self, event: str) -> bool:
        return event == "ping" or not self.events or event in self.events


class State(OneAtATime):
    """Users, tokens and repositories. `now` may be replaced by a clock of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = "http://host.invalid"
        self.now: Callable[[], float] = time.time
        self.lock: AbstractContextManager[Any] = threading.RLock()
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Access] = {}
        self.apps: dict[str, App] = {}
        self.repositories: dict[str, Repository] = {}
        self.suites: dict[tuple[Repository, str, str, str], CheckSuite] = {}
        self.checks: list[CheckRun] = []
        self.statuses: list[Status] = []
        self.runs: list[Run] = []
        self.hooks: list[Hook] = []
        self.listeners: list[Callable[[Event], None]] = []
        self.nodes: dict[str, Record] = {}
        self._ids = count(1001)
        self.person = self.user("octocat")
        self.reviewer = self.user("hubot")

    # -- arranging -------------------------------------------------------------------------------

    def user(self, login: str, kind: Literal["User", "Bot", "Organization"] = "User") -> User:
        """Somebody by login; made if there is no such."""
        if login not in self.users:
            self.users[login] = self.kept(User(id=self.next_id(), login=login, kind=kind))
        return self.users[login]

    def token(
        self, token: str, login: str = "octocat", *, may_write: bool = True, may_push: bool = True
    ) -> Access:
        """From now on this token speaks for that user."""
        self.tokens[token] = Access(token, self.user(login), may_write, may_push)
        return self.tokens[token]

    def app(self, id: str, installation: int, public_key: str) -> App:
        """An app that is installed everywhere."""
        self.apps[id] = App(id, installation, public_key)
        return self.apps[id]

    def repository(self, name: str, **settings: Any) -> Repository:
        """`owner/name`; made, with one commit on its main branch, if there is no such."""
        if name.lower() not in self.repositories:
            made = self._made(name, **settings)
            made.bare.write("refs/heads/main", {"README.md": README}, "start", None, self.now())
        return self.repositories[name.lower()]

    def fork(self, of: str, owner: str) -> Repository:
        """A copy of a repository that belongs to somebody else."""
        origin = self.repositories[of.lower()]
        made = self._made(f"{owner}/{origin.name}", parent=origin, private=origin.private)
        made.bare.git("fetch", "-q", str(origin.bare.folder), "+refs/heads/*:refs/heads/*")
        return made

    def commit(
        self, repository: str, branch: str, files: Mapping[str, str], message: str = "work",
        onto: str | None = None,
    ) -> str:  # fmt: skip
        """A commit as if pushed, on a branch that may be new; its parent is `onto`."""
        at = self.repositories[repository.lower()]
        parent = at.bare.find(onto or f"refs/heads/{branch}") or at.bare.find(at.default_branch)
        before = at.bare.heads()
        sha = at.bare.write(f"refs/heads/{branch}", files, message, parent, self.now())
        self.pushed(at, before, self.person)
        return sha

    def protect(self, repository: str, branch: str = "main", **asked: Any) -> Protection:
        """Ask something of pull requests into a branch; see `Protection`."""
        at = self.repositories[repository.lower()]
        at.protected[branch] = Protection(**asked)
        return at.protected[branch]

    def hook(self, url: str, secret: str, *events: str) -> Hook:
        """From now on events are posted there; the first is a ping."""
        made = Hook(self.next_id(), url, secret, events)
        self.hooks.append(made)
        self.tell("ping", None, next(iter(self.repositories.values())), self.person, hook=made)
        return made

    # -- for those who build on it ---------------------------------------------------------------

    def pushed(self, repository: Repository, before: Mapping[str, str], by: User) -> None:
        """Branches may have moved from where they were."""
        raise NotImplementedError

    def moment(self) -> Moment:
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def next_id(self) -> int:
        return next(self._ids)

    def kept(self, record: R) -> R:
        """The record, from now on to be found by its id."""
        self.nodes[record.node_id] = record
        return record

    def known(self, node_id: str, kind: type[R]) -> R:
        found = self.nodes.get(node_id)
        if isinstance(found, kind):
            return found
        raise NotFound(f"Could not resolve to a node with the global id of '{node_id}'")

    def tell(self, name: str, action: str | None, at: Repository, by: User, **about: Any) -> None:
        event = Event(name, action, at, by, about)
        for listener in self.listeners:
            listener(event)

    def label(self, repository: Repository, name: str, color: str = "ededed") -> Label:
        """A label by name, whatever its case; made if there is no such."""
        if name.lower() not in repository.labels:
            made = Label(id=self.next_id(), name=name, color=color)
            repository.labels[name.lower()] = self.kept(made)
        return repository.labels[name.lower()]

    def _made(self, name: str, **settings: Any) -> Repository:
        owner, _, plain = name.partition("/")
        made = Repository(
            id=self.next_id(), owner=self.user(owner), name=plain,
            bare=Bare(self.folder / f"{name.lower()}.git"), created_at=self.moment(), **settings,
        )  # fmt: skip
        self.repositories[name.lower()] = self.kept(made)
        return made
