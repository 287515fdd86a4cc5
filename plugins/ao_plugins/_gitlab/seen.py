"""A merge request as a look over many shows it, and as a look at it alone does."""

from datetime import datetime
from typing import Literal

from ao_core.model.work import Pull, PullState
from ao_core.redact import visible
from ao_plugins._gitlab.shape import Person, Shape

_TITLE = 300
_STATES = {"merged": PullState.MERGED, "closed": PullState.CLOSED}
_OF_PEOPLE = frozenset({
    "approvals_syncing", "discussions_not_resolved", "not_approved", "requested_changes",
})  # fmt: skip
_UNKNOWN = frozenset({"unchecked", "checking", "preparing", "cannot_be_merged_recheck"})


class Pipeline(Shape):
    """One run of all jobs for one commit."""

    id: int
    sha: str
    ref: str = ""
    status: str
    source: str | None = None
    project_id: int | None = None
    web_url: str | None = None
    updated_at: datetime | None = None
    yaml_errors: str | None = None


class Seen(Shape):
    """A merge request. Only a look at it alone tells the last five."""

    iid: int
    title: str
    web_url: str
    state: Literal["opened", "closed", "locked", "merged"]
    draft: bool = False
    source_branch: str
    target_branch: str
    source_project_id: int | None = None
    target_project_id: int | None = None
    sha: str | None = None  # none before its diff is made
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    merge_status: str = "unchecked"
    detailed_merge_status: str = "unchecked"
    has_conflicts: bool = False
    blocking_discussions_resolved: bool | None = None
    merge_when_pipeline_succeeds: bool = False
    squash: bool = False
    assignees: tuple[Person, ...] = ()
    reviewers: tuple[Person, ...] = ()
    user_notes_count: int = 0
    created_at: datetime
    updated_at: datetime
    head_pipeline: Pipeline | None = None
    merge_error: str | None = None
    rebase_in_progress: bool = False
    diverged_commits_count: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended: a locked one is being merged right now."""
        return self.state in ("opened", "locked")

    @property
    def is_here(self) -> bool:
        """Whether its branch is in this very project."""
        return self.source_project_id == self.target_project_id

    @property
    def merged_as(self) -> str | None:
        """The commit it became: without a merge commit, its squashed one or its own."""
        return self.merge_commit_sha or self.squash_commit_sha or self.sha

    @property
    def conflicts(self) -> bool | None:
        """None as long as GitLab has not looked.

        `has_conflicts` is also told of a branch that is gone or empty.
        """
        word = self.detailed_merge_status
        if word == "commits_status":
            return False
        if word == "broken_status":  # any of these, on a GitLab that is older
            return False if self.merge_status == "can_be_merged" else None
        if self.has_conflicts or word == "conflict":
            return True
        return None if {self.merge_status, self.detailed_merge_status} & _UNKNOWN else False

    def pull(self) -> Pull:
        """In our words."""
        state = _STATES.get(self.state, PullState.OPEN)
        return Pull(
            number=self.iid,
            title=visible(self.title, _TITLE),
            url=self.web_url,
            branch=self.source_branch,
            base=self.target_branch,
            head=self.sha or "",
            state=state,
            draft=self.draft,
            merged_as=self.merged_as if state is PullState.MERGED else None,
            foreign=not self.is_here,
        )

    def mark(self) -> str:
        """What changes when what people say does; but threads settle without a mark."""
        said = (
            self.updated_at, self.sha, self.state, self.draft, self.user_notes_count,
            self.blocking_discussions_resolved, *(one.id for one in self.reviewers),
        )  # fmt: skip
        return " ".join(map(str, said))

    def word(self) -> str | None:
        """What GitLab says of people's opinion, nothing if that stands in no way; None: unknown.

        What it says of the target or of pipelines comes and goes with every merge.
        """
        if self.conflicts is None:
            return None
        return self.detailed_merge_status if self.detailed_merge_status in _OF_PEOPLE else ""
