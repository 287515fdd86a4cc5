"""The issues of a team in Linear, reached straight or through Composio.

https://linear.app/developers/graphql

Settings, and what is mapped to what: docs/linear.md.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from ao_core.errors import NotFound, PluginError, Rejected
from ao_core.model.work import Issue, IssueChange, IssueDraft, IssueQuery, IssueState
from ao_core.plugin import Detection, Manifest
from ao_core.redact import visible
from ao_core.slots.tracker import Finishing, Tracker
from ao_plugins._linear import documents
from ao_plugins._linear.answer import Nodes, Shape, Turn
from ao_plugins._linear.filters import filter_of
from ao_plugins._linear.host import HINT, Reached, linear, somebody
from ao_plugins._linear.names import Names, is_uuid, spelt
from ao_plugins._linear.shape import BODY, Found, Label, named_in, one_line, page_of
from ao_plugins._linear.states import State, chosen, meant
from ao_plugins._linear.writing import Writing
from ao_plugins._lost_reply import DRIFT

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9]{0,19}-[1-9][0-9]{0,8}")


class LinearConfig(Reached):
    """Who signs in, and whose issues they are."""

    team: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")] | None = None
    workspace: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")] | None = None


class _Page(Shape):
    nodes: tuple[Found, ...]
    page_info: Turn


class _Issues(Shape):
    issues: _Page


class _Team(Shape):
    id: str
    states: Nodes[State] = Nodes[State]()


class _Before(Shape):
    id: str
    identifier: str
    url: str
    trashed: bool | None = None
    state: State
    labels: Nodes[Label]
    team: _Team


class _Known(Shape):
    issue: _Before


class LinearTracker(Tracker[LinearConfig], Finishing):
    """The issues of a team, or of all teams that can be seen."""

    manifest = Manifest("linear", "tracker", "Issues in Linear", "1.0.0")
    config_type = LinearConfig

    @classmethod
    async def detect(cls, config: LinearConfig, environment: Mapping[str, str]) -> Detection:
        """Whether somebody signs in."""
        found = somebody(config, environment)
        return Detection(found, "" if found else "nobody signs in", None if found else HINT)

    async def open(self) -> None:
        """Take a connection; nothing is asked yet."""
        self._graph = await self._stack.enter_async_context(linear(self.config, self.scope))
        self._names = Names(self._graph, self.config.team)
        self._writing = Writing(self._graph)
        self._workspace = self.config.workspace

    async def get(self, id: str) -> Issue | None:
        """One issue by its identifier, its UUID or its address."""
        key = _key(id)
        found = await self._found(key) if key else None
        return self._told(found) if found and self._is_meant(found.url, id) else None

    def issue_url(self, id: str) -> str:
        """Its address; the workspace in it is the one that is set, or that answered last."""
        key = _key(id)
        if key is None or is_uuid(key):
            raise NotFound(f"{ascii(id)[:60]} is no issue's identifier", hint="ENG-12, say.")
        named = named_in(id)
        return page_of(named[0] if named and named[0] else self._workspace, key)

    def issue_label(self, url: str) -> str:
        """`ENG-12` for the address of that issue; any other address as it is."""
        named = named_in(url)
        if named is None or (None not in (*named, self._workspace) and named[0] != self._workspace):
            return url
        return named[1]

    async def search(self, query: IssueQuery) -> AsyncIterator[Issue]:
        """Yield the issues asked for, oldest first, a page at a time."""
        asked: dict[str, Any] = {"filter": filter_of(query, self.config.team), "after": None}
        left = query.limit
        while left > 0:
            asked["first"] = min(left, documents.PAGE)
            page = (await self._graph.ask(documents.ISSUES, asked, into=_Issues)).issues
            for found in page.nodes:
                yield self._told(found)
            left -= len(page.nodes)
            asked["after"] = page.page_info.end_cursor
            if not (page.page_info.has_next_page and page.nodes):
                return

    def as_kept(self, draft: IssueDraft) -> IssueDraft:
        """Its title on one line, and both as long as Linear takes them."""
        return replace(draft, title=one_line(draft.title), body=visible(draft.body, BODY))

    async def create(self, draft: IssueDraft) -> Issue:
        """Create an issue in the team; labels that are not there yet are made."""
        team, kept = await self._names.team(), self.as_kept(draft)
        given: dict[str, Any] = {"teamId": team, "title": kept.title}
        if kept.body:
            given["description"] = kept.body
        if draft.labels:
            given["labelIds"] = await self._names.labels(draft.labels, team)
        if draft.assignee:
            given["assigneeId"] = await self._names.person(draft.assignee)
        return self._told(await self._writing.create(given))

    async def update(self, id: str, change: IssueChange) -> Issue:
        """Change an issue at once; a comment comes after it, and says so where it fails."""
        before = await self._before(id, change)
        given = await self._given(before, change)
        found = await self._writing.update(before.id, given) if given else None
        if change.comment:
            found = await self._commented(before, change.comment, after_a_change=bool(given))
        return self._told(found or await self._writing.issue(before.id))

    async def finish(self, id: str, change: IssueChange, since: datetime) -> Issue:
        """The same, where it may have been begun: all of it but a comment may be done again."""
        if change.comment:
            before, text = await self._before(id, change), visible(change.comment, BODY)
            if await self._writing.has_said(before.id, text, since - DRIFT):
                change = replace(change, comment=None)
        return await self.update(id, change)

    async def _found(self, key: str) -> Found | None:
        try:
            found = await self._writing.issue(key)
        except NotFound as exc:
            if exc.status == 404:  # nothing of Linear's is where it was asked
                raise
            return None
        return None if found.trashed else found

    async def _before(self, id: str, change: IssueChange) -> _Before:
        missing = NotFound(f"there is no issue {ascii(id)[:60]}", hint="`list_issues` shows them.")
        key = _key(id)
        if key is None:
            raise missing
        asked = {"id": key, "states": change.state is not None}
        try:
            before = (await self._graph.ask(documents.BEFORE, asked, into=_Known)).issue
        except NotFound as exc:
            raise missing from exc
        if before.trashed or not self._is_meant(before.url, id):
            raise missing
        return before

    async def _given(self, before: _Before, change: IssueChange) -> dict[str, Any]:
        """What changes, in Linear's words."""
        given: dict[str, Any] = await self._labels(before, change)
        if change.state is not None and meant(before.state.type) is not change.state:
            given["stateId"] = _state(before, change.state)
        if change.assignee is not None:
            person = change.assignee
            given["assigneeId"] = await self._names.person(person) if person else None
        if change.title is not None:
            given["title"] = one_line(change.title)
        if change.body is not None:
            given["description"] = visible(change.body, BODY)
        return given

    async def _labels(self, before: _Before, change: IssueChange) -> dict[str, Any]:
        borne = {one.name.casefold(): one.id for one in before.labels.nodes}
        wanted = spelt(change.add_labels)
        new = [name for key, name in wanted.items() if key not in borne]
        unwanted = spelt(change.remove_labels).keys() - wanted.keys()
        added = await self._names.labels(new, before.team.id)
        removed = [borne[key] for key in borne if key in unwanted]
        found = {"addedLabelIds": added, "removedLabelIds": removed}
        return {name: ids for name, ids in found.items() if ids}

    async def _commented(self, before: _Before, text: str, *, after_a_change: bool) -> Found:
        try:
            return await self._writing.comment(before.id, visible(text, BODY))
        except PluginError as exc:
            if after_a_change:
                exc.args = (f"{before.identifier} was changed, but the comment failed: {exc}",)
                exc.hint = "Ask for the comment alone."
            raise

    def _told(self, found: Found) -> Issue:
        self._learn(found.url)
        return found.issue()

    def _learn(self, url: str) -> None:
        named = named_in(url)
        if named and named[0] and self.config.workspace is None:
            self._workspace = named[0]

    def _is_meant(self, url: str, id: str) -> bool:
        """An address of another workspace may have an identifier that is known here, too."""
        self._learn(url)
        wanted, named = named_in(id), named_in(url)
        return not (wanted and wanted[0] and named) or wanted[0] == named[0]


def _key(id: str) -> str | None:
    """The identifier or the UUID in it, if it has the shape of one."""
    named = named_in(id)
    if named:
        return named[1]
    if _IDENTIFIER.fullmatch(id):
        return id.upper()
    return id.lower() if is_uuid(id) else None


def _state(before: _Before, wanted: IssueState) -> str:
    found = chosen(before.team.states.nodes, wanted)
    if found is None:
        raise Rejected(
            f"the team of {before.identifier} has no state that means {wanted}",
            hint="Give the team a state of that type in Linear.",
        )
    return found.id
