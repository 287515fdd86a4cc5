"""Issues as REST tells of them, and in our words.

https://docs.github.com/rest/issues/issues
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from ao_core.model.work import Issue, IssueState
from ao_core.redact import visible
from ao_plugins._github.host import GitHub

TITLE, BODY = 256, 65_536  # the longest that GitHub takes
_NAME = 100
_MANY = 20  # parts that are told of one by one
_DONE = {"not_planned": IssueState.CANCELLED, "duplicate": IssueState.CANCELLED}
_NUMBER = r"([1-9][0-9]{0,8})"
_WHOLE = re.compile(rf"/repos/([^/\s]+/[^/\s]+)/issues/{_NUMBER}$")


class Somebody(BaseModel):
    """Who has a login."""

    login: str


class Label(BaseModel):
    """A label; old ones may lack a name."""

    name: str | None = None


class Parts(BaseModel):
    """How many issues are parts of it."""

    total: int = 0


class Found(BaseModel):
    """An issue, or a pull request, which GitHub lists among them."""

    number: int
    title: str
    body: str | None = None
    state: Literal["open", "closed"]
    state_reason: str | None = None
    labels: list[Label | str] = []
    assignees: list[Somebody] | None = None
    created_at: datetime
    updated_at: datetime
    pull_request: object = None
    parent_issue_url: str | None = None
    sub_issues_summary: Parts = Parts()

    @property
    def names(self) -> tuple[str, ...]:
        """Of its labels."""
        told = (one if isinstance(one, str) else one.name for one in self.labels)
        return tuple(visible(one, _NAME) for one in told if one)

    @property
    def logins(self) -> tuple[str, ...]:
        """Of whom it is assigned to."""
        return tuple(visible(one.login, _NAME) for one in self.assignees or ())

    def stands(self, working: str) -> IssueState:
        """How it stands; `working` is the label of those in progress."""
        if self.state == "closed":
            return _DONE.get(self.state_reason or "", IssueState.CLOSED)
        return IssueState.IN_PROGRESS if bears(self.names, [working]) else IssueState.OPEN

    def issue(self, github: GitHub, working: str, parts: Iterable["Found"] = ()) -> Issue:
        """In our words."""
        return Issue(
            id=str(self.number),
            title=one_line(self.title),
            body=visible(self.body or "", BODY),
            state=self.stands(working),
            url=f"{github.web}/issues/{self.number}",
            labels=self.names,
            assignee=next(iter(self.logins), None),
            updated_at=self.updated_at,
            relations=(*self._whole(), *self._parts(parts)),
        )

    def _whole(self) -> Iterable[str]:
        if found := _WHOLE.search(self.parent_issue_url or ""):
            yield visible(f"Part of {found[1]}#{found[2]}", _NAME)

    def _parts(self, parts: Iterable["Found"]) -> Iterable[str]:
        told = [*parts]
        for one in told[:_MANY]:
            yield f"Has a part #{one.number} ({one.state}): {one_line(one.title)}"
        if self.sub_issues_summary.total > _MANY:
            yield f"Has {self.sub_issues_summary.total} parts in all"


class Comment(BaseModel):
    """What somebody said below it."""

    id: int
    body: str | None = None
    created_at: datetime


def number_of(id: str, github: GitHub) -> int | None:
    """The number in `12`, `#12`, `owner/name#12` or the address of an issue of this repository."""
    here = re.escape(f"{github.owner}/{github.name}")
    page = rf"{re.escape(github.web)}/issues/{_NUMBER}(?:[/?#].*)?"
    found = re.fullmatch(rf"(?:(?:{here})?#)?{_NUMBER}|{page}", id, re.IGNORECASE)
    return int(found[1] or found[2]) if found else None


def one_line(text: str) -> str:
    """A title as GitHub would keep it."""
    return " ".join(visible(text, TITLE).split()) or "(no title)"


def bears(names: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether all of these are among them; GitHub tells no capitals from small letters."""
    return {one.casefold() for one in wanted} <= {one.casefold() for one in names}
