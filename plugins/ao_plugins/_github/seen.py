"""A pull request as one look over many shows it."""

from datetime import datetime
from typing import Literal

from ao_core.model.work import Pull, PullState
from ao_core.redact import visible
from ao_plugins._github.shape import Shape

_TITLE = 300
_OURS = {"title", "url", "additions", "deletions"}
_OF_THE_TARGET = {"mergeable", "merge_state_status", "merge_commit"}
_STATES = {"OPEN": PullState.OPEN, "MERGED": PullState.MERGED, "CLOSED": PullState.CLOSED}


class Named(Shape):
    """A repository."""

    name_with_owner: str


class Commit(Shape):
    """A commit."""

    oid: str


class Count(Shape):
    """How many checks stand so."""

    state: str
    count: int


class Contexts(Shape):
    """How the checks stand, counted."""

    total_count: int
    check_run_counts_by_state: tuple[Count, ...] | None = None
    status_context_counts_by_state: tuple[Count, ...] | None = None


class Rollup(Shape):
    """All checks of a commit, counted."""

    state: str
    contexts: Contexts


class ThreadMark(Shape):
    """Whether a thread is resolved."""

    id: str
    is_resolved: bool


class ThreadMarks(Shape):
    """All threads, as far as they are listed."""

    total_count: int
    nodes: tuple[ThreadMark, ...]


class AutoMerge(Shape):
    """That it is merged as soon as it can be."""

    enabled_at: datetime | None = None


class Spot(Shape):
    """As much of a pull request as tells whose it is."""

    number: int
    state: Literal["OPEN", "MERGED", "CLOSED"]
    head_ref_name: str
    head_ref_oid: str
    is_cross_repository: bool


class Seen(Spot):
    """A pull request as one look over many shows it."""

    id: str
    title: str
    url: str
    is_draft: bool
    base_ref_name: str
    head_repository: Named | None = None
    additions: int
    deletions: int
    merge_commit: Commit | None = None
    updated_at: datetime
    mergeable: str
    merge_state_status: str
    review_decision: str | None = None
    is_in_merge_queue: bool = False
    is_merge_queue_enabled: bool = False
    auto_merge_request: AutoMerge | None = None
    status_check_rollup: Rollup | None = None
    review_threads: ThreadMarks

    def pull(self) -> Pull:
        """In our words."""
        return Pull(
            number=self.number,
            title=visible(self.title, _TITLE),
            url=self.url,
            branch=self.head_ref_name,
            base=self.base_ref_name,
            head=self.head_ref_oid,
            state=_STATES[self.state],
            draft=self.is_draft,
            additions=self.additions,
            deletions=self.deletions,
            merged_as=self.merged_as,
            foreign=self.is_cross_repository,
        )

    @property
    def merged_as(self) -> str | None:
        """The commit that it became; a test merge of one that is open is none."""
        return self.merge_commit.oid if self.merge_commit and self.state == "MERGED" else None

    def mark(self) -> str:
        """What changes when anything changes that others make of it."""
        return self.model_dump_json(exclude=_OURS)

    def words(self) -> str:
        """The same without what every commit of its target changes, and this look itself tells."""
        return self.model_dump_json(exclude=_OURS | _OF_THE_TARGET)
