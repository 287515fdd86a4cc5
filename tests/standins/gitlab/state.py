"""What is on the host, and who may ask for it."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from standins.git import Bare
from standins.gitlab.records import DEVELOPER, Hook, Label, Moment, Project, User
from standins.one_at_a_time import OneAtATime

README = "# sample\n"
EVERY_EVENT = frozenset(
    ("push_events", "issues_events", "merge_requests_events", "note_events", "job_events",
     "pipeline_events")
)  # fmt: skip


class Refused(Exception):
    """The host will not do it. What it says is a text, or what is wrong by field."""

    def __init__(self, status: int, message: Any, key: str = "message") -> None:
        super().__init__(message)
        self.status, self.message, self.key = status, message, key


class NotFound(Refused):
    """There is no such thing, or not for whoever asks."""

    def __init__(self, what: str = "") -> None:
        super().__init__(404, f"404 {what} Not Found".replace("  ", " "))


@dataclass(frozen=True)
class Access:
    """What a token is good for."""

    token: str
    user: User
    may_write: bool = True


@dataclass(frozen=True)
class Event:
    """Something happened that webhooks tell of."""

    kind: str
    project: Project
    user: User
    about: Mapping[str, Any]


class State(OneAtATime):
    """Users, tokens and projects. `now` may be replaced by a clock of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = "http://host.invalid"
        self.now: Callable[[], float] = time.time
        self.lock: AbstractContextManager[Any] = threading.RLock()
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Access] = {}
        self.projects: dict[str, Project] = {}
        self.listeners: list[Callable[[Event], None]] = []
        self._ids = count(1001)
        self.person = self.user("root")
        self.reviewer = self.user("reviewer")

    # -- arranging -------------------------------------------------------------------------------

    def user(self, username: str, *, bot: bool = False) -> User:
        """Somebody by name; made if there is no such."""
        if username not in self.users:
            self.users[username] = User(id=self.next_id(), username=username, bot=bot)
        return self.users[username]

    def token(self, token: str, username: str = "root", *, may_write: bool = True) -> Access:
        """From now on this token speaks for that user."""
        self.tokens[token] = Access(token, self.user(username), may_write)
        return self.tokens[token]

    def project(self, path: str, **settings: Any) -> Project:
        """`group/…/name`; made, with one commit on its main branch, if there is no such."""
        if path.lower() not in self.projects:
            made = Project(
                id=self.next_id(), path=path, bare=Bare(self.folder / f"{path.lower()}.git"),
                created_at=self.moment(), **settings,
            )  # fmt: skip
            made.members = {self.person: 40, self.reviewer: DEVELOPER}
            made.bare.write("refs/heads/main", {"README.md": README}, "start", None, self.now())
            self.projects[path.lower()] = made
        return self.projects[path.lower()]

    def fork(self, of: str, group: str) -> Project:
        """A copy of a project in another group."""
        origin = self.named(of)
        made = self.project(f"{group}/{origin.name}", visibility=origin.visibility)
        made.bare.git("fetch", "-q", str(origin.bare.folder), "+refs/heads/*:refs/heads/*")
        return made

    def member(self, path: str, username: str, level: int = DEVELOPER) -> User:
        """Have somebody be a member of a project; at level 0 they are no longer."""
        at, user = self.named(path), self.user(username)
        at.members[user] = level
        if not level:
            del at.members[user]
        return user

    def commit(
        self, path: str, branch: str, files: Mapping[str, str], message: str = "work",
        onto: str | None = None,
    ) -> str:  # fmt: skip
        """A commit as if pushed, on a branch that may be new; its parent is `onto`."""
        at = self.named(path)
        parent = at.bare.find(onto or f"refs/heads/{branch}") or at.bare.find(at.default_branch)
        before = at.bare.heads()
        sha = at.bare.write(f"refs/heads/{branch}", files, message, parent, self.now())
        self.pushed(at, before, self.person)
        return sha

    def hook(self, path: str, url: str, token: str, *events: str, **settings: Any) -> Hook:
        """From now on events are posted there: `issues_events` and so on; all, if none is named."""
        made = Hook(
            id=self.next_id(), url=url, token=token, wants=set(events) or set(EVERY_EVENT),
            created_at=self.moment(), settings=settings,
        )  # fmt: skip
        self.named(path).hooks.append(made)
        return made

    def label(self, at: Project, name: str, **more: Any) -> Label:
        """A label by name; made if there is no such."""
        if name not in at.labels:
            at.labels[name] = Label(id=self.next_id(), name=name, **more)
        return at.labels[name]

    # -- for those who build on it ---------------------------------------------------------------

    def named(self, path: str | Project) -> Project:
        """The project of this path, or with this id."""
        if isinstance(path, Project):
            return path
        by_id = (one for one in self.projects.values() if str(one.id) == path)
        found = self.projects.get(path.lower()) or next(by_id, None)
        if found is None:
            raise NotFound("Project")
        return found

    def by_id(self, number: int) -> User | None:
        return next((one for one in self.users.values() if one.id == number), None)

    def pushed(self, at: Project, before: Mapping[str, str], by: User) -> None:
        """Branches may have moved from where they were."""
        raise NotImplementedError

    def moment(self) -> Moment:
        now = datetime.fromtimestamp(self.now(), UTC)
        return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"

    def next_id(self) -> int:
        return next(self._ids)

    def tell(self, kind: str, at: Project, by: User, **about: Any) -> None:
        for listener in self.listeners:
            listener(Event(kind, at, by, about))
