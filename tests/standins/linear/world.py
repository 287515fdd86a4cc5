"""What is in the workspace, and what it does when it is changed."""

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from standins.linear.records import (
    Attachment,
    Comment,
    Issue,
    Label,
    Moment,
    Record,
    Relation,
    State,
    Team,
    User,
)

R = TypeVar("R", bound=Record)
WORKFLOW = (
    ("Triage", "triage"), ("Backlog", "backlog"), ("Todo", "unstarted"),
    ("In Progress", "started"), ("In Review", "started"), ("Done", "completed"),
    ("Canceled", "canceled"), ("Duplicate", "duplicate"),
)  # fmt: skip
_ENTITIES = {"IssueLabel": "Issue label", "WorkflowState": "Workflow state"}


class Refused(Exception):
    """The host will not do it: how it calls that, and what it says to people."""

    def __init__(
        self, message: str, user: str = "", *, code: str = "INPUT_ERROR", status: int = 400
    ) -> None:
        super().__init__(message)
        self.message, self.user, self.code, self.status = message, user or message, code, status

    @property
    def extensions(self) -> Mapping[str, Any]:
        """What stands beside the message."""
        return {
            "code": self.code, "type": _TYPES.get(self.code, "invalid input"),
            "userError": self.status < 500, "userPresentableMessage": self.user,
            "statusCode": self.status,
        }  # fmt: skip


_TYPES = {
    "AUTHENTICATION_ERROR": "authentication error",
    "FORBIDDEN": "forbidden",
    "RATELIMITED": "ratelimited",
    "INTERNAL_SERVER_ERROR": "internal error",
}


@dataclass(frozen=True)
class Access:
    """What a token is good for."""

    token: str
    user: User
    may_write: bool = True


class World:
    """One workspace; the lock is held while it is asked or changed."""

    def __init__(self, url_key: str = "acme") -> None:
        self.lock = threading.RLock()
        self.url_key = url_key
        self.now: Callable[[], float] = time.time
        self.tokens: dict[str, Access] = {}
        self.labels_for_admins = False
        self.restricted = False
        self._all: dict[str, Record] = {}
        self._identified: dict[str, Record] = {}
        self._last = datetime.min.replace(tzinfo=UTC)

    # -- arranged ----------------------------------------------------------------------------

    def user(self, display_name: str, *, name: str = "", email: str = "", **more: Any) -> User:
        return self._made(
            User, display_name=display_name, name=name or display_name.title(),
            email=email or f"{display_name}@example.com", **more,
        )  # fmt: skip

    def token(self, token: str, user: User, *, may_write: bool = True) -> Access:
        self.tokens[token] = Access(token, user, may_write)
        return self.tokens[token]

    def team(self, key: str, workflow: Iterable[tuple[str, str]] = WORKFLOW) -> Team:
        team = self._made(Team, key=key, name=key.title())
        for place, (name, type) in enumerate(workflow):
            at = float(place)
            team.states.append(self._made(State, team=team, name=name, type=type, position=at))
        return team

    def label(
        self, name: str, team: Team | None = None, *, parent: Label | None = None,
        is_group: bool = False, id: str | None = None,
    ) -> Label:  # fmt: skip
        alike = [one for one in self.every(Label) if one.name.lower() == name.lower()]
        if any(one.team is team for one in alike):
            raise Refused("duplicate label name", f'A label named "{name}" already exists.')
        return self._made(Label, id=id, name=name, team=team, parent=parent, is_group=is_group)

    def issue(
        self, team: Team, title: str, *, by: User | None = None, id: str | None = None, **more: Any
    ) -> Issue:
        more = {"creator": by or self.every(User)[0], **more}
        if "state" not in more:
            more["state"] = self.state(team, "unstarted")
        issue = self._made(Issue, id=id, team=team, number=team.counted + 1, title=title, **more)
        team.counted += 1
        team.issues.append(issue)
        self._identified[issue.identifier] = issue
        if issue.parent:
            self.adopt(issue.parent, issue)
        return issue

    def comment(self, issue: Issue, body: str, by: User, id: str | None = None) -> Comment:
        comment = self._made(Comment, id=id, issue=issue, body=body, user=by)
        issue.comments.append(comment)
        self.touch(issue)
        return comment

    def adopt(self, parent: Issue, issue: Issue) -> None:
        issue.parent = parent
        parent.children.append(issue)

    def attach(self, issue: Issue, title: str, url: str) -> None:
        issue.attachments.append(self._made(Attachment, issue=issue, title=title, url=url))

    def relate(self, issue: Issue, type: str, to: Issue) -> None:
        relation = self._made(Relation, type=type, issue=issue, related_issue=to)
        issue.relations.append(relation)
        to.inverse_relations.append(relation)

    # -- asked -------------------------------------------------------------------------------

    def every(self, kind: type[R]) -> list[R]:
        return [one for one in self._all.values() if isinstance(one, kind)]

    def known(self, id: str, kind: type[R]) -> R:
        """The one of this id; of an issue, the identifier does as well."""
        found = self._all.get(id) or self._identified.get(id.upper())
        if not isinstance(found, kind):
            entity = _ENTITIES.get(kind.typename, kind.typename)
            raise Refused(f"Entity not found: {entity}", f"Could not find referenced {entity}.")
        return found

    def state(self, team: Team, type: str) -> State:
        return next(one for one in team.states if one.type == type)

    def named(self, identifier: str) -> Issue:
        return self.known(identifier, Issue)

    def url(self, issue: Issue) -> str:
        return f"https://linear.app/{self.url_key}/issue/{issue.identifier}/{_slug(issue.title)}"

    def branch(self, issue: Issue, by: User) -> str:
        return f"{_slug(by.display_name)}/{issue.identifier.lower()}-{_slug(issue.title)}"

    # -- changed -----------------------------------------------------------------------------

    def touch(self, one: Record) -> None:
        one.updated_at = self._moment()

    def _made(self, kind: type[R], *, id: str | None = None, **facts: Any) -> R:
        if id is not None and not _is_uuid4(id):
            raise Refused("Argument Validation Error", "id must be a UUID.")
        if id in self._all:
            said = f"Entity {kind.typename} with id {id} already exists."
            raise Refused(f"conflict on insert of {kind.typename}", said)
        now = self._moment()
        made = kind(id=id or str(uuid.uuid4()), created_at=now, updated_at=now, **facts)
        self._all[made.id] = made
        return made

    def _moment(self) -> Moment:
        """No two things happen in the same one."""
        now = datetime.fromtimestamp(self.now(), UTC)
        self._last = max(now, self._last + timedelta(milliseconds=1))
        return self._last.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:50]


def _is_uuid4(text: str) -> bool:
    try:
        return uuid.UUID(text).version == 4
    except ValueError:
        return False
