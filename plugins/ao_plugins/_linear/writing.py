"""What changes something in Linear. Everything new has an id of ours, so that it is made once."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from ao_core.errors import Rejected
from ao_core.http import GraphQL
from ao_plugins._linear import documents
from ao_plugins._linear.answer import Nodes, Shape
from ao_plugins._linear.once import made, repeated
from ao_plugins._linear.shape import Found
from ao_plugins._lost_reply import same

_ONE_OF_A_GROUP = re.compile(r"not exclusive", re.IGNORECASE)


class Whole(Shape):
    """An issue with what is around it."""

    issue: Found


class _Issue(Shape):
    success: bool
    issue: Found | None = None


class _Created(Shape):
    issue_create: _Issue


class _Updated(Shape):
    issue_update: _Issue


class _Said(Shape):
    issue: Found | None = None


class _Comment(Shape):
    success: bool
    comment: _Said


class _Commented(Shape):
    comment_create: _Comment


class _Words(Shape):
    body: str


class _Comments(Shape):
    comments: Nodes[_Words]


class _Lately(Shape):
    issue: _Comments


class Writing:
    """Creates, changes and comments."""

    def __init__(self, graph: GraphQL) -> None:
        self._graph = graph

    async def issue(self, id: str) -> Found:
        """One issue by any of its ids; raises `NotFound`."""
        return (await self._graph.ask(documents.ISSUE, {"id": id}, into=Whole)).issue

    async def create(self, given: Mapping[str, Any]) -> Found:
        """A new issue."""
        id = str(uuid4())
        asked = {"input": {"id": id, **given}}

        async def make() -> Found:
            told = await self._change(documents.CREATE, asked, _Created)
            return _done(told.issue_create)

        return await made(make, lambda: self.issue(id))

    async def update(self, id: str, given: Mapping[str, Any]) -> Found:
        """All of it at once, or nothing."""
        asked = {"id": id, "input": given}

        async def make() -> Found:
            told = await self._change(documents.UPDATE, asked, _Updated)
            return _done(told.issue_update)

        return await repeated(make)

    async def comment(self, id: str, text: str) -> Found:
        """Say something below an issue, which is returned as it is then."""
        asked = {"input": {"id": str(uuid4()), "issueId": id, "body": text}}

        async def make() -> Found:
            told = (await self._change(documents.COMMENT, asked, _Commented)).comment_create
            return _done(_Issue(success=told.success, issue=told.comment.issue))

        return await made(make, lambda: self.issue(id))

    async def has_said(self, id: str, text: str, since: datetime) -> bool:
        """Whether this was said below an issue since then."""
        asked = {"id": id, "since": since.isoformat()}
        there = (await self._graph.ask(documents.SAID, asked, into=_Lately)).issue.comments
        return any(same(one.body, text) for one in there.nodes)

    async def _change(self, document: str, given: Mapping[str, Any], into: type[Any]) -> Any:  # noqa: ANN401
        try:
            return await self._graph.ask(document, given, into=into)
        except Rejected as exc:
            if _ONE_OF_A_GROUP.search(exc.said or ""):
                exc.hint = "An issue has one label of a group at most: remove the other."
            raise


def _done(told: _Issue) -> Found:
    if told.issue is None or not told.success:
        raise Rejected("Linear: it was not done, and no reason was given")
    return told.issue
