"""What the host keeps: one record for each kind of thing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from standins.git import Bare

Moment = str  # as the host writes it: 2026-01-31T12:00:00.000Z
MergeMethod = Literal["merge", "rebase_merge", "ff"]
Tier = Literal["free", "premium"]
LinkType = Literal["relates_to", "blocks", "is_blocked_by"]
GUEST, REPORTER, DEVELOPER, MAINTAINER = 10, 20, 30, 40


@dataclass(eq=False, kw_only=True)
class User:
    """Somebody; a bot is one with a token of a project or a group."""

    id: int
    username: str
    bot: bool = False

    @property
    def name(self) -> str:
        return self.username.replace("-", " ").title()


@dataclass(eq=False, kw_only=True)
class Label:
    """A word that an issue or a merge request bears."""

    id: int
    name: str
    color: str = "#428BCA"
    description: str | None = None


@dataclass(eq=False, kw_only=True)
class Rule:
    """Who has to approve, and how many of them; anybody, where nobody is named."""

    id: int
    name: str
    required: int
    users: list[User] = field(default_factory=list[User])


@dataclass(eq=False, kw_only=True)
class Project:
    """A project, its settings, and git below it. A test may change any of the settings."""

    id: int
    path: str
    bare: Bare
    created_at: Moment
    visibility: Literal["private", "internal", "public"] = "private"
    default_branch: str = "main"
    tier: Tier = "premium"
    merge_method: MergeMethod = "merge"
    merge_level: int = DEVELOPER  # which a user needs at least, to merge
    squash_option: Literal["never", "always", "default_on", "default_off"] = "default_off"
    pipeline_must_succeed: bool = False
    skipped_will_do: bool = False
    discussions_must_be_resolved: bool = False
    author_may_approve: bool = False
    approvals_reset_on_push: bool = True
    delete_merged: bool = True
    merge_trains: bool = False
    rules: list[Rule] = field(default_factory=list[Rule])
    members: dict[User, int] = field(default_factory=dict[User, int])
    labels: dict[str, Label] = field(default_factory=dict[str, Label])
    issues: dict[int, "Issue"] = field(default_factory=dict[int, "Issue"])
    merge_requests: dict[int, "MergeRequest"] = field(default_factory=dict[int, "MergeRequest"])
    pipelines: list["Pipeline"] = field(default_factory=list["Pipeline"])
    statuses: list["Status"] = field(default_factory=list["Status"])
    hooks: list["Hook"] = field(default_factory=list["Hook"])

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def group(self) -> str:
        return self.path.rpartition("/")[0]


@dataclass(eq=False, kw_only=True)
class Issue:
    """An issue: `id` is its number on the host, `iid` the one in its project."""

    id: int
    iid: int
    project: Project
    author: User
    title: str
    created_at: Moment
    updated_at: Moment
    description: str | None = None
    state: str = "opened"
    closed_at: Moment | None = None
    closed_by: User | None = None
    labels: list[Label] = field(default_factory=list[Label])
    assignees: list[User] = field(default_factory=list[User])
    discussions: list["Discussion"] = field(default_factory=list["Discussion"])
    confidential: bool = False
    locked: bool | None = None
    links: list["Link"] = field(default_factory=list["Link"])

    kind = "Issue"
    sign = "#"

    @property
    def notes(self) -> list["Note"]:
        return sorted((n for one in self.discussions for n in one.notes), key=lambda n: n.id)


@dataclass(eq=False, kw_only=True)
class Link:
    """How two issues have to do with each other, as the first sees it."""

    id: int
    source: Issue
    target: Issue
    type: LinkType
    created_at: Moment


@dataclass(eq=False)
class Due:
    """Something that the host does once it was looked at so many times."""

    after: int
    name: str
    do: Callable[[], None]


@dataclass(eq=False, kw_only=True)
class Wish:
    """How a merge request is to be merged, as soon as it can."""

    by: User
    squash: bool | None = None
    message: str | None = None
    squash_message: str | None = None
    remove_source: bool | None = None


@dataclass(eq=False, kw_only=True)
class MergeRequest(Issue):
    """A merge request. What it says of git follows its branches."""

    source: Project
    source_branch: str
    target_branch: str
    sha: str
    base_sha: str
    start_sha: str
    squash: bool = False
    remove_source: bool = False
    prepared_at: Moment | None = None
    merged_at: Moment | None = None
    merged_by: User | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    merge_error: str | None = None
    reviewers: list[User] = field(default_factory=list[User])
    changes_requested: list[User] = field(default_factory=list[User])
    approvals: dict[User, Moment] = field(default_factory=dict[User, Moment])
    auto_merge: Wish | None = None
    train: dict[str, Any] | None = None
    rebasing: bool = False
    # for which tips it was last worked out whether both go together, and to which tree
    worked_out: tuple[str, str] | None = None
    tree: str | None = None
    due: list[Due] = field(default_factory=list[Due])
    versions: list["Version"] = field(default_factory=list["Version"])

    kind = "MergeRequest"
    sign = "!"

    @property
    def draft(self) -> bool:
        return self.title.lower().startswith(("draft:", "[draft]", "(draft)"))


@dataclass(frozen=True)
class Version:
    """What a merge request was after a push."""

    id: int
    head: str
    base: str
    start: str
    created_at: Moment


@dataclass(eq=False, kw_only=True)
class Note:
    """Words of somebody, or of the host itself."""

    id: int
    author: User
    body: str
    created_at: Moment
    updated_at: Moment
    about: Issue
    type: Literal["DiffNote", "DiscussionNote"] | None = None
    system: bool = False
    internal: bool = False
    position: dict[str, Any] | None = None
    resolved_by: User | None = None
    resolved_at: Moment | None = None

    @property
    def resolvable(self) -> bool:
        return self.type is not None and not self.system


@dataclass(eq=False, kw_only=True)
class Discussion:
    """Notes that belong together; a single note is one too."""

    id: str
    about: Issue
    notes: list[Note] = field(default_factory=list[Note])

    @property
    def individual(self) -> bool:
        return self.notes[0].type is None

    @property
    def resolvable(self) -> bool:
        return any(note.resolvable for note in self.notes)

    @property
    def open(self) -> bool:
        return any(note.resolvable and not note.resolved_by for note in self.notes)


@dataclass(eq=False, kw_only=True)
class Pipeline:
    """A run of the jobs for one commit. Its status is that of its jobs, unless one is given."""

    id: int
    iid: int
    project: Project
    user: User
    sha: str
    ref: str
    source: str
    created_at: Moment
    updated_at: Moment
    merge_request: MergeRequest | None = None
    given: str | None = None
    yaml_errors: str | None = None
    jobs: list["Job"] = field(default_factory=list["Job"])


@dataclass(eq=False, kw_only=True)
class Job:
    """A job; a bridge is one that starts another pipeline."""

    id: int
    pipeline: Pipeline
    name: str
    stage: str
    status: str
    created_at: Moment
    trace: str = ""
    allow_failure: bool = False
    failure_reason: str | None = None
    bridge: bool = False
    downstream: Pipeline | None = None
    retried: bool = False


@dataclass(eq=False, kw_only=True)
class Status:
    """What something outside says of a commit; the last word of each name counts."""

    id: int
    sha: str
    ref: str | None
    name: str
    state: str
    author: User
    created_at: Moment
    pipeline: Pipeline
    description: str | None = None
    target_url: str | None = None


@dataclass(eq=False, kw_only=True)
class Hook:
    """Where events are told; `wants` has the settings that are on, as `issues_events`."""

    id: int
    url: str
    token: str
    wants: set[str]
    created_at: Moment
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    uuid: str = field(default_factory=lambda: str(uuid4()))
