"""Trackers know the work to be done."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime

from ao_core.ids import slug
from ao_core.model.work import COMPLETED, Issue, IssueChange, IssueDraft, IssueQuery
from ao_core.plugin import ConfigT, Plugin


class Tracker(Plugin[ConfigT]):
    """The issues of one project. What does not exist is None; what fails is raised."""

    @abstractmethod
    async def get(self, id: str) -> Issue | None:
        """Return one issue."""

    async def is_completed(self, id: str) -> bool:
        """Whether the issue is closed, done or cancelled."""
        issue = await self.get(id)
        return issue is not None and issue.state in COMPLETED

    @abstractmethod
    def issue_url(self, id: str) -> str:
        """The issue's address. Does no I/O."""

    @abstractmethod
    def issue_label(self, url: str) -> str:
        """The short label of an issue's address; the address itself when it is not one of ours."""

    def branch_name(self, issue: Issue) -> str:
        """A branch name for the issue, which the engine makes unique."""
        return issue.branch_name or f"feat/{slug(issue.id)}"

    def describe(self, issue: Issue) -> str:
        """The issue as text for a worker: title, address, labels, relations, body; data, fenced."""
        lines = [f"Issue {issue.id}: {issue.title}", issue.url]
        if issue.labels:
            lines.append("Labels: " + ", ".join(issue.labels))
        return "\n".join([*lines, *issue.relations, "", issue.body])

    @abstractmethod
    def search(self, query: IssueQuery) -> AsyncIterator[Issue]:
        """Yield the issues asked for, oldest first, across pages."""

    @abstractmethod
    async def create(self, draft: IssueDraft) -> Issue:
        """Create an issue; `get` then returns it equal."""

    def as_kept(self, draft: IssueDraft) -> IssueDraft:
        """What becomes of a draft's words where they are kept: by these it is found again."""
        return draft

    @abstractmethod
    async def update(self, id: str, change: IssueChange) -> Issue:
        """Change an issue, or raise `NotFound`; a change half made is reported in the error."""


class Finishing(ABC):
    """A tracker that finds what an earlier try of a change has said."""

    @abstractmethod
    async def finish(self, id: str, change: IssueChange, since: datetime) -> Issue:
        """Make a change that may have been made since then, in part or whole; say nothing twice."""
