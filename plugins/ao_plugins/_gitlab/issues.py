"""Issues as REST tells of them, and in our words.

https://docs.gitlab.com/api/issues/ and https://docs.gitlab.com/api/issue_links/

GitLab knows open and closed; that one is worked on, or that nobody will, is told by a label.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ao_core.model.work import Issue, IssueState
from ao_core.redact import visible
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.plain import BODY, one_line
from ao_plugins._gitlab.shape import Person, Shape

_NAME = 200
_NUMBER = r"([1-9][0-9]{0,8})"
_PRIORITY = "priority::"
_MANY = 20  # links that are told of
_AROUND = {"blocks": "Blocks", "is_blocked_by": "Is blocked by"}
_RELATED = "Is related to"


@dataclass(frozen=True, slots=True)
class Labels:
    """Those that tell how an issue stands."""

    in_progress: str
    cancelled: str

    def wanted(self, state: IssueState | None) -> tuple[str, ...]:
        """What an issue that stands so bears."""
        if state is IssueState.IN_PROGRESS:
            return (self.in_progress,)
        return (self.cancelled,) if state is IssueState.CANCELLED else ()

    def unwanted(self, state: IssueState | None) -> tuple[str, ...]:
        """What it must not bear."""
        if state is None:
            return ()
        return tuple({self.in_progress, self.cancelled} - {*self.wanted(state)})


class Found(Shape):
    """An issue."""

    iid: int
    project_id: int | None = None
    title: str
    description: str | None = None
    state: Literal["opened", "closed"]
    labels: tuple[str, ...] = ()
    assignees: tuple[Person, ...] = ()
    created_at: datetime
    updated_at: datetime

    def stands(self, labels: Labels) -> IssueState:
        """How it stands."""
        if self.state == "closed":
            dropped = labels.cancelled in self.labels
            return IssueState.CANCELLED if dropped else IssueState.CLOSED
        begun = labels.in_progress in self.labels
        return IssueState.IN_PROGRESS if begun else IssueState.OPEN

    def issue(self, gitlab: GitLab, labels: Labels, around: Sequence["Linked"] = ()) -> Issue:
        """In our words; what it has to do with others is only told where those were asked for."""
        names = tuple(visible(one, _NAME) for one in self.labels)
        ranks = (one.removeprefix(_PRIORITY) for one in names if one.startswith(_PRIORITY))
        return Issue(
            id=str(self.iid),
            title=one_line(self.title),
            body=visible(self.description or "", BODY),
            state=self.stands(labels),
            url=page(gitlab, self.iid),
            labels=names,
            assignee=next((visible(one.username, _NAME) for one in self.assignees), None),
            priority=next(ranks, None),
            updated_at=self.updated_at,
            relations=tuple(one.line(self.project_id) for one in around[:_MANY]),
        )


class _References(Shape):
    full: str = ""


class Linked(Shape):
    """Another issue that it has to do with."""

    iid: int
    project_id: int | None = None
    title: str
    state: str
    link_type: str
    references: _References = _References()

    def line(self, here: int | None) -> str:
        """How they have to do with each other, as the issue of the project `here` sees it."""
        whole = self.references.full if self.project_id != here else ""
        name = visible(whole or f"#{self.iid}", _NAME)
        lead = _AROUND.get(self.link_type, _RELATED)
        return f"{lead} {name} ({visible(self.state, _NAME)}): {one_line(self.title)}"


class Comment(Shape):
    """What somebody said below it."""

    id: int
    body: str
    created_at: datetime


def page(gitlab: GitLab, number: int) -> str:
    """Where people read it."""
    return f"{gitlab.web}/-/issues/{number}"


def number_of(id: str, gitlab: GitLab) -> int | None:
    """The number in `12`, `#12`, `group/name#12` or the address of an issue of this project."""
    here, web = re.escape(gitlab.project), re.escape(gitlab.web)
    address = rf"{web}(?:/-)?/(?:issues|work_items)/{_NUMBER}(?:[/?#].*)?"
    found = re.fullmatch(rf"(?:(?:{here})?#)?{_NUMBER}|{address}", id, re.IGNORECASE)
    return int(found[1] or found[2]) if found else None
