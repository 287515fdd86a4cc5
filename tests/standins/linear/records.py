"""What a workspace keeps: one record for each kind of thing."""

from dataclasses import dataclass, field
from typing import ClassVar

Moment = str  # as the host writes it: 2026-01-31T12:00:00.000Z


@dataclass(eq=False, kw_only=True)
class Record:
    """One thing, by a UUID."""

    typename: ClassVar[str]
    id: str
    created_at: Moment
    updated_at: Moment
    archived_at: Moment | None = None


@dataclass(eq=False, kw_only=True)
class User(Record):
    """Somebody, or an app that acts as itself."""

    typename = "User"
    display_name: str
    name: str
    email: str
    active: bool = True
    app: bool = False


@dataclass(eq=False, kw_only=True)
class Team(Record):
    """Whose issues are counted together, and the states they go through."""

    typename = "Team"
    key: str
    name: str
    states: "list[State]" = field(default_factory=list["State"])
    issues: "list[Issue]" = field(default_factory=list["Issue"])
    counted: int = 0


@dataclass(eq=False, kw_only=True)
class State(Record):
    """How an issue may stand."""

    typename = "WorkflowState"
    team: Team
    name: str
    type: str
    position: float


@dataclass(eq=False, kw_only=True)
class Label(Record):
    """A word that an issue bears; of a group it bears one at most."""

    typename = "IssueLabel"
    name: str
    team: Team | None = None
    parent: "Label | None" = None
    is_group: bool = False


@dataclass(eq=False, kw_only=True)
class Comment(Record):
    """What somebody said below an issue."""

    typename = "Comment"
    issue: "Issue"
    user: User
    body: str


@dataclass(eq=False, kw_only=True)
class Attachment(Record):
    """A link to elsewhere."""

    typename = "Attachment"
    issue: "Issue"
    title: str
    url: str


@dataclass(eq=False, kw_only=True)
class Relation(Record):
    """What an issue is to another: blocks, duplicate, related, similar."""

    typename = "IssueRelation"
    type: str
    issue: "Issue"
    related_issue: "Issue"


@dataclass(eq=False, kw_only=True)
class Issue(Record):
    """One piece of work."""

    typename = "Issue"
    team: Team
    number: int
    title: str
    state: State
    creator: User
    description: str | None = None
    assignee: User | None = None
    parent: "Issue | None" = None
    priority: int = 0
    trashed: bool | None = None
    labels: list[Label] = field(default_factory=list[Label])
    comments: list[Comment] = field(default_factory=list[Comment])
    attachments: list[Attachment] = field(default_factory=list[Attachment])
    children: "list[Issue]" = field(default_factory=list["Issue"])
    relations: list[Relation] = field(default_factory=list[Relation])
    inverse_relations: list[Relation] = field(default_factory=list[Relation])

    @property
    def identifier(self) -> str:
        return f"{self.team.key}-{self.number}"
