"""Issues on GitLab, by its REST interface. Only the number that people see names one.

https://docs.gitlab.com/api/issues/
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from pydantic import Field

from ao_core.errors import NotFound, Rejected, Unauthorized
from ao_core.http import Urgency
from ao_core.model.work import COMPLETED, Issue, IssueChange, IssueDraft, IssueQuery
from ao_core.plugin import Manifest, Scope
from ao_core.slots.tracker import Finishing, Tracker
from ao_plugins._gitlab.host import Hosted, gitlab
from ao_plugins._gitlab.issue_changes import NO_WRITING, IssueChanges, listed
from ao_plugins._gitlab.issues import Found, Labels, Linked, number_of, page
from ao_plugins._gitlab.people import People
from ao_plugins._gitlab.plain import one_line, plain
from ao_plugins._lost_reply import LostReplies, same

_EACH = 100  # issues in a page, the most there may be
_HINT = "`list_issues` shows them."
_OLDEST_FIRST = {"order_by": "created_at", "sort": "asc", "per_page": _EACH}
_NEWEST = {"order_by": "created_at", "sort": "desc", "per_page": _EACH}
_Label = Annotated[str, Field(pattern=r"^[^,\s]([^,\n]{0,253}[^,\s])?$")]


class GitLabTrackerConfig(Hosted):
    """Where the issues are, who signs in, and which labels tell what GitLab has no state for."""

    in_progress_label: _Label = "in progress"
    cancelled_label: _Label = "cancelled"


class GitLabTracker(Tracker[GitLabTrackerConfig], Finishing):
    """The issues of one project on GitLab."""

    manifest = Manifest("gitlab", "tracker", "Issues on GitLab", "1.0.0")
    config_type = GitLabTrackerConfig

    def __init__(self, config: GitLabTrackerConfig, scope: Scope) -> None:
        super().__init__(config, scope)
        self._labels = Labels(config.in_progress_label, config.cancelled_label)
        self._lost = LostReplies(scope.clock)

    async def open(self) -> None:
        """Learn where the project is, and who signs in."""
        self._gitlab = await self._stack.enter_async_context(gitlab(self.config, self.scope))
        self._people = People(self._gitlab)

    async def get(self, id: str) -> Issue | None:
        """Return one issue, and what it has to do with others."""
        found = await self._found(id)
        if found is None:
            return None
        return found.issue(self._gitlab, self._labels, await self._around(found))

    def issue_url(self, id: str) -> str:
        """The issue's page."""
        number = number_of(id, self._gitlab)
        if number is None:
            raise NotFound(f"{ascii(id)[:60]} is no issue of {self._gitlab.project}", hint=_HINT)
        return page(self._gitlab, number)

    def issue_label(self, url: str) -> str:
        """`#3` for the page of issue 3; any other address as it is."""
        number = number_of(url, self._gitlab) if "://" in url else None
        return f"#{number}" if number else url

    async def search(self, query: IssueQuery) -> AsyncIterator[Issue]:
        """Yield the issues asked for, oldest first."""
        left = query.limit if query.states else 0
        if left <= 0 or any("," in one for one in query.labels):
            return
        params = await self._asked(query)
        path = f"{self._gitlab.path}/issues"
        async for found in self._gitlab.rest.pages(path, into=list[Found], params=params):
            if found.stands(self._labels) in query.states:
                yield found.issue(self._gitlab, self._labels)
                left -= 1
            if left == 0:
                return

    def as_kept(self, draft: IssueDraft) -> IssueDraft:
        """Its title on one line, and no line of its body a command."""
        return replace(draft, title=one_line(draft.title), body=plain(draft.body))

    async def create(self, draft: IssueDraft) -> Issue:
        """Create an issue; what GitLab did not take of it is told by `Rejected`."""
        person = await self._people.named(draft.assignee) if draft.assignee else None
        kept = self.as_kept(draft)
        title, body = kept.title, kept.body
        fields = {
            "title": title, "description": body, "labels": ",".join(listed([*draft.labels])),
            "assignee_ids": [person.id] if person else [],
        }  # fmt: skip

        async def make() -> Found:
            path = f"{self._gitlab.path}/issues"
            ask = self._gitlab.rest.ask
            return await ask("POST", path, into=Found, json=fields, urgency=Urgency.ACT)

        async def find(since: datetime) -> Found | None:
            return await self._twin(title, body, since)

        made = await self._lost.made(draft, make, find)
        wanting = [
            *(["its labels"] if {*draft.labels} - {*made.labels} else []),
            *(["its assignee"] if person and person not in made.assignees else []),
        ]
        if wanting:
            told = f"#{made.iid} is created, but without {' and '.join(wanting)}"
            raise Rejected(told, hint=f"Do not create it again. {NO_WRITING}")
        return made.issue(self._gitlab, self._labels)

    async def update(self, id: str, change: IssueChange) -> Issue:
        """Change an issue, or raise `NotFound`."""
        return await self._changed(id, change)

    async def finish(self, id: str, change: IssueChange, since: datetime) -> Issue:
        """The same, where it may have been begun."""
        return await self._changed(id, change, since)

    async def _changed(self, id: str, change: IssueChange, since: datetime | None = None) -> Issue:
        found = await self._found(id)
        if found is None:
            where = self._gitlab.project
            raise NotFound(f"{where} has no issue {ascii(id)[:60]}", hint=_HINT)
        person = await self._people.named(change.assignee) if change.assignee else None
        changes = IssueChanges(self._gitlab, self._lost, found, change, self._labels, person, since)
        return (await changes.made()).issue(self._gitlab, self._labels)

    async def _found(self, id: str) -> Found | None:
        number = number_of(id, self._gitlab)
        if number is None:
            return None
        try:
            return await self._gitlab.rest.ask("GET", self._gitlab.issue(number), into=Found)
        except NotFound:
            return None

    async def _around(self, found: Found) -> Sequence[Linked]:
        """Those that it is linked to."""
        path = f"{self._gitlab.issue(found.iid)}/links"
        try:
            return await self._gitlab.rest.ask("GET", path, into=list[Linked])
        except (NotFound, Unauthorized):
            return ()

    async def _asked(self, query: IssueQuery) -> dict[str, str | int | None]:
        """As GitLab's filters have it."""
        only = self._labels.wanted(next(iter(query.states))) if len(query.states) == 1 else ()
        assignee = query.assignee
        if assignee == "me":
            assignee = (await self._people.named(assignee)).username
        return {
            **_OLDEST_FIRST,
            "state": _state(query),
            "labels": ",".join((*query.labels, *only)) or None,
            "assignee_username": assignee,
            "search": query.text or None,
            "in": "title,description" if query.text else None,
        }

    async def _twin(self, title: str, body: str, since: datetime) -> Found | None:
        """One that was created since then and says the same."""
        path, asked = f"{self._gitlab.path}/issues", {"state": "all", **_NEWEST}
        newest = await self._gitlab.rest.ask("GET", path, into=list[Found], params=asked)
        alike = (
            one for one in newest
            if one.created_at >= since
            and same(one.title, title) and same(one.description or "", body)
        )  # fmt: skip
        return next(alike, None)


def _state(query: IssueQuery) -> str:
    if query.states <= COMPLETED:
        return "closed"
    return "all" if query.states & COMPLETED else "opened"
