"""Looks over many pull requests at once: by number once it is known, by branch before.

All that others say is asked for only where a mark of what was seen has changed.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import Field

from ao_core.errors import NotFound, PluginError
from ao_core.http import GraphQL, Part, Urgency, Variable
from ao_plugins._github import documents
from ao_plugins._github.checks import CheckRollup
from ao_plugins._github.said import Said
from ao_plugins._github.seen import Seen, Spot
from ao_plugins._github.shape import Shape, Total

_MOST_PAGES = 20
_NO_REPOSITORY = "Could not resolve to a Repository"
_log = logging.getLogger(__name__)
T = TypeVar("T")


class _One(Shape):
    pull_request: Seen | None = None


class _Listed(Shape):
    nodes: tuple[Spot, ...]


class _Many(Shape):
    pull_requests: _Listed


class _Other(Shape):
    number: int
    is_cross_repository: bool


class _Others(Total):
    nodes: tuple[_Other, ...]


class Needing(Shape):
    """The open pull requests that are on a branch of the repository with this id, or go into it."""

    id: str
    from_: Annotated[_Others, Field(alias="from")]
    onto: Total

    def has_others(self, number: int) -> bool:
        """Whether it is needed by more than this one; those that are not listed may."""
        listed = self.from_.nodes
        ours = any(not one.is_cross_repository and one.number != number for one in listed)
        return ours or bool(self.onto.total_count) or self.from_.total_count > len(listed)


class _Told(Shape):
    pull_request: Said | None = None


class _Checked(Shape):
    head_ref_oid: str
    status_check_rollup: CheckRollup | None = None


class _More(Shape):
    pull_request: _Checked | None = None


@dataclass(slots=True)
class Looks:
    """The pull requests of one repository, as GraphQL shows them."""

    graph: GraphQL
    owner: str
    name: str
    _told_of: set[str] = field(default_factory=set[str])
    _said: dict[int, tuple[str, Said]] = field(default_factory=dict[int, tuple[str, Said]])

    async def at(
        self, numbers: Iterable[int], urgency: Urgency, *, besides: bool = False
    ) -> dict[int, Seen | None]:
        """Those of these numbers; one that could not be seen is left out.

        With `besides` others were seen already, who are worth more than a word on these.
        """
        asked = {number: str(number) for number in numbers}
        parts = {key: self._by_number(documents.SEEN, one) for one, key in asked.items()}
        found = await self._batch(parts, _One, urgency, documents.MANY, besides=besides)
        return {
            one: got.pull_request if got else None
            for one, key in asked.items()
            if (got := found.get(key, ...)) is not ...
        }

    async def on(
        self, branches: Iterable[str], urgency: Urgency, *, besides: bool = False
    ) -> dict[str, tuple[Spot, ...]]:
        """The latest ones of each branch, the newest first."""
        parts = {
            branch: self._part(documents.ON_BRANCH, branch=Variable("String!", branch))
            for branch in dict.fromkeys(branches)
        }
        found = await self._batch(parts, _Many, urgency, documents.MANY, besides=besides)
        return {branch: got.pull_requests.nodes if got else () for branch, got in found.items()}

    async def needing(self, branch: str) -> Needing | None:
        """Who is open on a branch or goes into it; None if that could not be seen."""
        part = self._part(documents.NEEDING, branch=Variable("String!", branch))
        return (await self._batch({branch: part}, Needing, Urgency.ACT, 1)).get(branch)

    async def told(self, pulls: Sequence[Seen], urgency: Urgency) -> dict[int, Said]:
        """All that others say of these; one of which not all could be seen is left out."""
        found = {one.number: said for one in pulls if (said := self._known(one))}
        stale = [one for one in pulls if one.number not in found]
        parts = {str(one.number): self._by_number(documents.SAID, one.number) for one in stale}
        asked = await self._batch(parts, _Told, urgency, documents.FEW, besides=bool(found))
        for one in stale:
            got = asked.get(str(one.number))
            said = got.pull_request if got else None
            if said and (whole := await self._whole(one.number, said, urgency)):
                found[one.number] = whole
                self._said[one.number] = one.words(), whole
        self._forget(keep={one.number for one in pulls})
        return found

    def _known(self, seen: Seen) -> Said | None:
        """What was said of it, if nothing has changed since, or had just while it was asked."""
        mark, said = self._said.get(seen.number, ("", None))
        return said.beside(seen) if said and mark == seen.words() else None

    async def _whole(self, number: int, said: Said, urgency: Urgency) -> Said | None:
        """With the checks of all pages; a part of them would be no word on its head."""
        if said.status_check_rollup is None:
            return said
        checks = said.status_check_rollup.contexts
        nodes, page = [*checks.nodes], checks.page_info
        for _ in range(_MOST_PAGES):
            if not page.has_next_page:
                break
            after = Variable("String", page.end_cursor)
            part = self._by_number(documents.MORE_CHECKS, number, after=after)
            got = (await self._batch({"more": part}, _More, urgency, 1, besides=True)).get("more")
            more = got.pull_request if got else None
            if more is None or more.head_ref_oid != said.head_ref_oid:
                return None
            if more.status_check_rollup is None:
                return None
            rest = more.status_check_rollup.contexts
            nodes, page = [*nodes, *rest.nodes], rest.page_info
        if page.has_next_page:
            return None
        whole = said.status_check_rollup.told(nodes, page)
        return said.model_copy(update={"status_check_rollup": whole})

    def _forget(self, keep: set[int]) -> None:
        """What was said of those that ended is kept no longer than it is asked for."""
        while len(self._said) > documents.REMEMBERED:
            oldest = next((one for one in self._said if one not in keep), None)
            if oldest is None:
                return
            del self._said[oldest]

    async def _batch(
        self, parts: Mapping[str, Part], into: type[T], urgency: Urgency, most: int, *,
        besides: bool = False,
    ) -> dict[str, T | None]:  # fmt: skip
        """What was found; None is not there, and what could not be seen is left out."""
        if not parts:
            return {}
        try:
            found = await self.graph.batch(parts, into=into, urgency=urgency, most_parts=most)
        except PluginError as exc:
            if not besides:
                raise
            found = dict.fromkeys(parts, exc)
        self._be_there(found)
        self._complain(found)
        return {
            key: None if isinstance(one, NotFound) else one
            for key, one in found.items()
            if isinstance(one, NotFound) or not isinstance(one, PluginError)
        }

    def _be_there(self, found: Mapping[str, object]) -> None:
        """Raise where not a pull request is missing, but the repository: none of them is gone."""
        missing = (one.said or "" for one in found.values() if isinstance(one, NotFound))
        if any(said.startswith(_NO_REPOSITORY) for said in missing):
            hint = "Check `repo`, and that whoever signs in may see it."
            raise NotFound(f"GitHub shows no repository {self.owner}/{self.name}", hint=hint)

    def _complain(self, found: Mapping[str, object]) -> None:
        """What cannot be seen is looked at again; that it could not be is said once."""
        wrong = [one for one in found.values() if isinstance(one, PluginError)]
        told = {one.message for one in wrong if not isinstance(one, NotFound)}
        for message in sorted(told - self._told_of):
            _log.warning("%s/%s: %s", self.owner, self.name, message)
        self._told_of = told or self._told_of

    def _by_number(self, what: str, number: int, **more: Variable) -> Part:
        selection = f"pullRequest(number: $number) {{ {what} }}"
        return self._part(selection, number=Variable("Int!", number), **more)

    def _part(self, selection: str, **variables: Variable) -> Part:
        own = {"owner": Variable("String!", self.owner), "name": Variable("String!", self.name)}
        asked = f"repository(owner: $owner, name: $name) {{ {selection} }}"
        return Part(asked, {**own, **variables})
