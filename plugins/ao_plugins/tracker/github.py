"""Issues on GitHub, by its REST interface. Pull requests are none.

https://docs.github.com/rest/issues
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from ao_core.errors import NotFound, Rejected, Unauthorized
from ao_core.http import Urgency
from ao_core.model.work import COMPLETED, Issue, IssueChange, IssueDraft, IssueQuery, IssueState
from ao_core.plugin import Manifest, Scope
from ao_core.redact import visible
from ao_core.slots.tracker import Finishing, Tracker
from ao_plugins._github.host import Hosted, github
from ao_plugins._github.issue_changes import NO_WRITING, IssueChanges
from ao_plugins._github.issues import BODY, Found, Somebody, bears, number_of, one_line
from ao_plugins._lost_reply import LostReplies, same

_EACH = 100  # items in a page, the most there may be
_TEXT = 200  # letters that are looked for; a whole query may have 256
_HINT = "`list_issues` shows them."
_OLDEST_FIRST = {"sort": "created", "direction": "asc", "per_page": _EACH}


class GitHubTrackerConfig(Hosted):
    """Where the issues are, who signs in, and which label tells that one is worked on."""

    in_progress_label: Annotated[str, Field(pattern=r"^[^,\s]([^,\n]{0,48}[^,\s])?$")] = (
        "in progress"
    )


class _Matches(BaseModel):
    items: list[Found]


class GitHubTracker(Tracker[GitHubTrackerConfig], Finishing):
    """The issues of one repository on GitHub."""

    manifest = Manifest("github", "tracker", "Issues on GitHub", "1.0.0")
    config_type = GitHubTrackerConfig

    def __init__(self, config: GitHubTrackerConfig, scope: Scope) -> None:
        super().__init__(config, scope)
        self._working = config.in_progress_label
        self._lost = LostReplies(scope.clock)
        self._me: str | None = None

    async def open(self) -> None:
        """Learn where the repository is, and who signs in."""
        self._github = await self._stack.enter_async_context(github(self.config, self.scope))

    async def get(self, id: str) -> Issue | None:
        """Return one issue, with what its parts are."""
        found = await self._found(id)
        return None if found is None else await self._whole(found)

    def issue_url(self, id: str) -> str:
        """The issue's page."""
        number = number_of(id, self._github)
        if number is None:
            raise NotFound(f"{ascii(id)[:60]} is no issue of {self._name}", hint=_HINT)
        return f"{self._github.web}/issues/{number}"

    def issue_label(self, url: str) -> str:
        """`#3` for the page of issue 3; any other address as it is."""
        number = number_of(url, self._github) if url.startswith("https://") else None
        return f"#{number}" if number else url

    async def search(self, query: IssueQuery) -> AsyncIterator[Issue]:
        """Yield the issues asked for, oldest first; only a text makes GitHub's index be asked,
        which may not have yet what is quite new.
        """
        left = query.limit if query.states else 0
        if left <= 0:
            return
        async for found in self._listed(query):
            if self._fits(found, query):
                yield found.issue(self._github, self._working)
                left -= 1
            if left == 0:
                return

    def as_kept(self, draft: IssueDraft) -> IssueDraft:
        """Its title on one line, and both as long as GitHub takes them."""
        return replace(draft, title=one_line(draft.title), body=visible(draft.body, BODY))

    async def create(self, draft: IssueDraft) -> Issue:
        """Create an issue; what GitHub did not take of it is told by `Rejected`."""
        assignee = await self._login(draft.assignee)
        kept = self.as_kept(draft)
        title, body = kept.title, kept.body
        fields: dict[str, object] = {"title": title, "body": body, "labels": [*draft.labels]}
        if assignee:
            fields["assignees"] = [assignee]

        async def make() -> Found:
            return await self._github.rest.ask(
                "POST", self._path, into=Found, json=fields, urgency=Urgency.ACT
            )

        async def find(since: datetime) -> Found | None:
            return await self._twin(title, body, since)

        made = await self._lost.made((draft, assignee), make, find)
        wanting = [
            *(["its labels"] if not bears(made.names, draft.labels) else []),
            *(["its assignee"] if assignee and not bears(made.logins, [assignee]) else []),
        ]
        if wanting:
            told = f"#{made.number} is created, but without {' and '.join(wanting)}"
            raise Rejected(told, hint=f"Do not create it again. {NO_WRITING}")
        return made.issue(self._github, self._working)

    async def update(self, id: str, change: IssueChange) -> Issue:
        """Change an issue, or raise `NotFound`."""
        return await self._changed(id, change)

    async def finish(self, id: str, change: IssueChange, since: datetime) -> Issue:
        """The same, where it may have been begun."""
        return await self._changed(id, change, since)

    async def _changed(self, id: str, change: IssueChange, since: datetime | None = None) -> Issue:
        found = await self._found(id)
        if found is None:
            raise NotFound(f"{self._name} has no issue {ascii(id)[:60]}", hint=_HINT)
        assignee = await self._login(change.assignee)
        await IssueChanges(
            self._github, self._lost, found, change, self._working, assignee, since
        ).made()
        changed = await self._found(id)
        if changed is None:
            raise NotFound(f"{self._name} has no issue {ascii(id)[:60]} any more", hint=_HINT)
        return await self._whole(changed)

    @property
    def _name(self) -> str:
        return f"{self._github.owner}/{self._github.name}"

    @property
    def _path(self) -> str:
        return f"{self._github.path}/issues"

    async def _found(self, id: str) -> Found | None:
        """What there is; one that was moved to another repository is there under another number."""
        number = number_of(id, self._github)
        if number is None:
            return None
        try:
            found = await self._github.rest.ask("GET", f"{self._path}/{number}", into=Found)
        except NotFound:
            return None
        return found if found.pull_request is None and found.number == number else None

    async def _whole(self, found: Found) -> Issue:
        parts: list[Found] = []
        if found.sub_issues_summary.total:
            path = f"{self._path}/{found.number}/sub_issues"
            parts = await self._github.rest.ask("GET", path, into=list[Found])
        return found.issue(self._github, self._working, parts)

    async def _login(self, assignee: str | None) -> str | None:
        """Whom it is about; `me` is who signs in."""
        if assignee != "me":
            return assignee
        if self._me is None:
            try:
                self._me = (await self._github.rest.ask("GET", "/user", into=Somebody)).login
            except Unauthorized as exc:
                hint = "An app's installation is nobody: name a login in place of `me`."
                raise Unauthorized("GitHub does not say who `me` is", hint=hint) from exc
        return self._me

    async def _listed(self, query: IssueQuery) -> AsyncIterator[Found]:
        assignee = await self._login(query.assignee)
        rest = self._github.rest
        text = " ".join((query.text or "").replace('"', " ").split())[:_TEXT]
        if text and query.since is None:
            asked = {"q": self._wanted(text, query, assignee), "sort": "created", "order": "asc"}
            params = {**asked, "per_page": _EACH}
            async for page in rest.each_page("/search/issues", into=_Matches, params=params):
                for one in page.items:
                    yield one
            return
        labels = ",".join(one for one in self._labels(query) if "," not in one)
        since = f"{query.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if query.since else None
        params = {
            "state": _state(query), "labels": labels or None, "assignee": assignee, "since": since,
        }  # fmt: skip
        asked = {**params, **_OLDEST_FIRST}
        async for one in rest.pages(self._path, into=list[Found], params=asked):
            yield one

    def _labels(self, query: IssueQuery) -> Iterable[str]:
        begun = query.states == frozenset({IssueState.IN_PROGRESS})
        return (*query.labels, *((self._working,) if begun else ()))

    def _wanted(self, text: str, query: IssueQuery, assignee: str | None) -> str:
        """In the language of GitHub's search; each value is quoted, so none can be a command."""
        state = _state(query)
        asked = [f"repo:{self._name}", "is:issue", *([] if state == "all" else [f"state:{state}"])]
        asked += [f"label:{_quoted(one)}" for one in self._labels(query)]
        asked += [f"assignee:{_quoted(assignee)}"] if assignee else []
        return " ".join([*asked, "in:title,body", _quoted(text)])

    def _fits(self, found: Found, query: IssueQuery) -> bool:
        stands = found.stands(self._working)
        ours = found.pull_request is None and stands in query.states
        said = query.since is None or _has(found, query.text or "")
        return ours and said and bears(found.names, query.labels)

    async def _twin(self, title: str, body: str, since: datetime) -> Found | None:
        """One that was created since then and says the same."""
        params: Mapping[str, str | int] = {
            "state": "all", "sort": "created", "direction": "desc", "per_page": _EACH,
        }  # fmt: skip
        newest = await self._github.rest.ask("GET", self._path, into=list[Found], params=params)
        alike = (
            one for one in newest
            if one.created_at >= since and one.pull_request is None
            and same(one.title, title) and same(one.body or "", body)
        )  # fmt: skip
        return next(alike, None)


def _state(query: IssueQuery) -> str:
    """As GitHub's filters have it."""
    if query.states <= COMPLETED:
        return "closed"
    return "all" if query.states & COMPLETED else "open"


def _has(found: Found, text: str) -> bool:
    """Whether it has this in its title or body, as GitHub's search would say."""
    return any(
        " ".join(text.split()).casefold() in " ".join(said.split()).casefold()
        for said in (found.title, found.body or "")
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", " ").replace('"', " ") + '"'
