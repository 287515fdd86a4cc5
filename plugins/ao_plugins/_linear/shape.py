"""What Linear tells of things, and an issue in our words."""

import re
from collections.abc import Iterator
from datetime import datetime

from ao_core.errors import BadId
from ao_core.ids import branch_name
from ao_core.model.work import Issue, IssueState
from ao_core.redact import visible
from ao_plugins._linear.answer import Nodes, Shape
from ao_plugins._linear.states import State, meant

TITLE, BODY, NAME = 255, 200_000, 100

_PAGE = re.compile(r"https://linear\.app/(?:([A-Za-z0-9-]+)/)?issue/([A-Za-z0-9]+-\d+)(?:[/?#].*)?")
_TO_OTHERS = {"blocks": "Blocks", "duplicate": "Is a duplicate of"}
_OF_OTHERS = {"blocks": "Is blocked by", "duplicate": "Has a duplicate"}
_RELATED = "Is related to"


class Person(Shape):
    """Somebody."""

    id: str = ""
    display_name: str
    email: str = ""
    name: str = ""
    is_me: bool = False


class Named(Shape):
    """What has an id, such as a team."""

    id: str


class Label(Shape):
    """A word that an issue bears, of a team or of the whole workspace."""

    id: str
    name: str
    is_group: bool = False
    team: Named | None = None


class Other(Shape):
    """Another issue, in short."""

    identifier: str
    title: str
    state: State | None = None

    def __str__(self) -> str:
        stands = f" ({meant(self.state.type)})" if self.state else ""
        return f"{visible(self.identifier, NAME)}{stands}: {one_line(self.title)}"


class To(Shape):
    """What this issue is to another."""

    type: str
    related_issue: Other


class From(Shape):
    """What another issue is to this one."""

    type: str
    issue: Other


class Link(Shape):
    """A link to elsewhere."""

    title: str
    url: str


class Found(Shape):
    """An issue; what is around it is not asked for in lists."""

    id: str
    identifier: str
    title: str
    description: str | None = None
    url: str
    branch_name: str
    priority: float
    priority_label: str
    trashed: bool | None = None
    updated_at: datetime
    state: State
    assignee: Person | None = None
    labels: Nodes[Label]
    parent: Other | None = None
    children: Nodes[Other] = Nodes[Other]()
    relations: Nodes[To] = Nodes[To]()
    inverse_relations: Nodes[From] = Nodes[From]()
    attachments: Nodes[Link] = Nodes[Link]()

    @property
    def stands(self) -> IssueState:
        """How it stands."""
        return meant(self.state.type)

    def issue(self) -> Issue:
        """In our words. The title is not in its address, which a new title would change."""
        return Issue(
            id=self.identifier,
            title=one_line(self.title),
            body=visible(self.description or "", BODY),
            state=self.stands,
            url=_PAGE.sub(lambda page: page_of(page[1], page[2]), self.url, count=1),
            labels=tuple(visible(one.name, NAME) for one in self.labels.nodes),
            assignee=visible(self.assignee.display_name, NAME) if self.assignee else None,
            priority=visible(self.priority_label, NAME) if self.priority else None,
            branch_name=_branch(self.branch_name),
            updated_at=self.updated_at,
            relations=tuple(self._around()),
        )

    def _around(self) -> Iterator[str]:
        if self.parent:
            yield f"Part of {self.parent}"
        for child in self.children.nodes:
            yield f"Has a part {child}"
        for one in self.relations.nodes:
            yield f"{_TO_OTHERS.get(one.type, _RELATED)} {one.related_issue}"
        for one in self.inverse_relations.nodes:
            yield f"{_OF_OTHERS.get(one.type, _RELATED)} {one.issue}"
        for link in self.attachments.nodes:
            yield f"Link: {one_line(link.title)}: {one_line(link.url)}"


def page_of(workspace: str | None, identifier: str) -> str:
    """Where a person would look at an issue; without the workspace, Linear finds it out."""
    within = f"{workspace}/" if workspace else ""
    return f"https://linear.app/{within}issue/{identifier.upper()}"


def named_in(url: str) -> tuple[str | None, str] | None:
    """The workspace and the identifier in the address of an issue."""
    found = _PAGE.fullmatch(url)
    return (found[1], found[2].upper()) if found else None


def one_line(text: str) -> str:
    """A title as Linear takes it."""
    return " ".join(visible(text, TITLE).split()) or "(no title)"


def _branch(name: str) -> str | None:
    """As Linear proposes it, where git can have it."""
    try:
        return branch_name(name)
    except BadId:
        return None
