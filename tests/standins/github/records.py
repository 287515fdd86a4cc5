"""What the host keeps: one record for each kind of thing."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from standins.git import Bare

Moment = str  # as the host writes it: 2026-01-31T12:00:00Z
MergeMethod = Literal["merge", "squash", "rebase"]


@dataclass(eq=False, kw_only=True)
class Record:
    """One thing; `id` is its number in the host's own books."""

    typename: ClassVar[str]
    prefix: ClassVar[str]
    id: int

    @property
    def node_id(self) -> str:
        return f"{self.prefix}_kwDO{self.id:08}"


@dataclass(eq=False, kw_only=True)
class User(Record):
    """Somebody with a login; a bot's is written with `[bot]` in REST alone."""

    prefix = "U"
    login: str
    kind: Literal["User", "Bot", "Organization"] = "User"
    writes: bool = True  # to whatever is there; an outsider's reviews decide nothing

    @property
    def typename(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.kind

    @property
    def written(self) -> str:
        return f"{self.login}[bot]" if self.kind == "Bot" else self.login


@dataclass(eq=False, kw_only=True)
class Label(Record):
    """A word that an issue bears."""

    typename, prefix = "Label", "LA"
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(eq=False, kw_only=True)
class Protection:
    """What a branch asks of a pull request before it is merged into it."""

    reviews: int = 0
    checks: list[str] = field(default_factory=list[str])
    up_to_date: bool = False
    conversations: bool = False
    queue: bool = False


@dataclass(eq=False, kw_only=True)
class Repository(Record):
    """A repository, its settings, and git below it."""

    typename, prefix = "Repository", "R"
    owner: User
    name: str
    bare: Bare
    private: bool = True
    parent: "Repository | None" = None
    default_branch: str = "main"
    auto_merge_allowed: bool = False
    methods: set[MergeMethod] = field(default_factory=lambda: {"merge", "squash", "rebase"})
    delete_merged: bool = False
    labels: dict[str, Label] = field(default_factory=dict[str, Label])
    issues: dict[int, "Issue"] = field(default_factory=dict[int, "Issue"])
    protected: dict[str, Protection] = field(default_factory=dict[str, Protection])
    created_at: Moment = ""

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    @property
    def pulls(self) -> dict[int, "Pull"]:
        return {number: one for number, one in self.issues.items() if isinstance(one, Pull)}

    def protection(self, branch: str) -> Protection:
        return self.protected.get(branch) or Protection()


@dataclass(eq=False, kw_only=True)
class Said(Record):
    """Words of somebody."""

    author: User
    body: str
    created_at: Moment
    updated_at: Moment


@dataclass(eq=False, kw_only=True)
class Comment(Said):
    """A comment below an issue or a pull request."""

    typename, prefix = "IssueComment", "IC"
    issue: "Issue"


@dataclass(eq=False, kw_only=True)
class Issue(Said):
    """An issue; a pull request is one too."""

    typename, prefix = "Issue", "I"
    repository: Repository
    number: int
    title: str
    state: Literal["open", "closed"] = "open"
    state_reason: str | None = None
    closed_at: Moment | None = None
    labels: list[Label] = field(default_factory=list[Label])
    assignees: list[User] = field(default_factory=list[User])
    comments: list[Comment] = field(default_factory=list[Comment])
    parent: "Issue | None" = None
    parts: list["Issue"] = field(default_factory=list["Issue"])


@dataclass(eq=False, kw_only=True)
class AutoMerge:
    """The wish that a pull request be merged as soon as it can."""

    typename = "AutoMergeRequest"
    enabled_by: User
    enabled_at: Moment
    method: MergeMethod
    title: str | None = None
    message: str | None = None


@dataclass(eq=False, kw_only=True)
class QueueEntry(Record):
    """A pull request's place in a merge queue."""

    typename, prefix = "MergeQueueEntry", "MQE"
    pull_request: "Pull"
    enqueuer: User
    enqueued_at: Moment
    position: int = 1
    state: str = "QUEUED"


@dataclass(eq=False, kw_only=True)
class Pull(Issue):
    """A pull request: an issue with two branches."""

    typename, prefix = "PullRequest", "PR"
    base: str
    head: str
    head_repository: Repository | None
    head_owner: User
    head_sha: str
    base_sha: str
    draft: bool = False
    merged_at: Moment | None = None
    merged_by: User | None = None
    merge_sha: str | None = None
    reviewers: list[User] = field(default_factory=list[User])
    reviews: list["Review"] = field(default_factory=list["Review"])
    threads: list["Thread"] = field(default_factory=list["Thread"])
    auto_merge: AutoMerge | None = None
    queued: QueueEntry | None = None
    # for which base and head it was last worked out whether both go together, and to which tree
    worked_out: tuple[str, str] | None = None
    asked_after: int = 0
    tree: str | None = None

    @property
    def foreign(self) -> bool:
        return self.head_repository is not self.repository


@dataclass(eq=False, kw_only=True)
class Review(Said):
    """What a reviewer made of a pull request, at one of its commits."""

    typename, prefix = "PullRequestReview", "PRR"
    pull_request: Pull
    state: Literal["PENDING", "COMMENTED", "APPROVED", "CHANGES_REQUESTED", "DISMISSED"]
    sha: str
    submitted_at: Moment | None


@dataclass(eq=False, kw_only=True)
class ReviewComment(Said):
    """A comment on a line."""

    typename, prefix = "PullRequestReviewComment", "PRRC"
    thread: "Thread"
    review: Review
    sha: str
    reply_to: "ReviewComment | None" = None


@dataclass(eq=False, kw_only=True)
class Thread(Record):
    """A conversation about a line."""

    typename, prefix = "PullRequestReviewThread", "PRRT"
    pull_request: Pull
    path: str
    line: int | None
    start_line: int | None = None
    side: Literal["LEFT", "RIGHT"] = "RIGHT"
    sha: str = ""
    comments: list[ReviewComment] = field(default_factory=list[ReviewComment])
    resolved_by: User | None = None


@dataclass(eq=False, kw_only=True)
class CheckSuite(Record):
    """All that one app checks of a commit."""

    typename, prefix = "CheckSuite", "CS"
    repository: Repository
    sha: str
    app: str
    created_at: Moment


@dataclass(eq=False, kw_only=True)
class CheckRun(Record):
    """One check of a commit."""

    typename, prefix = "CheckRun", "CR"
    suite: CheckSuite
    name: str
    status: str
    conclusion: str | None
    started_at: Moment | None
    completed_at: Moment | None
    details_url: str | None = None
    external_id: str = ""
    title: str | None = None
    summary: str | None = None
    text: str | None = None


@dataclass(eq=False, kw_only=True)
class Status(Record):
    """What something outside says of a commit; the last word of each context counts."""

    typename, prefix = "StatusContext", "SC"
    repository: Repository
    sha: str
    creator: User
    state: Literal["error", "failure", "pending", "success"]
    context: str
    description: str | None
    target_url: str | None
    created_at: Moment


@dataclass(eq=False, kw_only=True)
class Run(Record):
    """A run of a workflow."""

    typename, prefix = "WorkflowRun", "WFR"
    repository: Repository
    name: str
    file: str
    branch: str
    sha: str
    created_at: Moment
    attempt: int = 1
    jobs: list["Job"] = field(default_factory=list["Job"])


@dataclass(eq=False, kw_only=True)
class Job(Record):
    """A job of a run; the host shows it as a check run of the same id."""

    typename, prefix = "WorkflowJob", "CR"
    run: Run
    check: CheckRun
    log: str = ""
    steps: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
