"""Looks over many pull requests at once: by number once it is known, by branch before.

All that others say is asked for only where a mark of what was seen has changed.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ao_core.errors import NotFound, PluginError
from ao_core.http import GraphQL, Part, Urgency, Variable
from ao_core.slots.scm import WorkRef
from ao_plugins._github import documents
from ao_plugins._github.checks import CheckRollup
from ao_plugins._github.said import Said
from ao_plugins._github.seen import Seen
from ao_plugins._github.shape import Shape

_MOST_PAGES = 20
_log = logging.getLogger(__name__)
T = TypeVar("T")


class _One(Shape):
    pull_request: Seen | None = None


class _Listed(Shape):
    nodes: tuple[Seen, ...]


class _Many(Shape):
    pull_requests: _Listed


class _Told(Shape):
    pull_request: Said | None = None


class _Checked(Shape):
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

    async def at(self, numbers: Iterable[int], urgency: Urgency) -> dict[int, Seen | None]:
        """Those of these numbers; one that could not be seen is left out."""
        asked = {number: str(number) for number in numbers}
        parts = {key: self._by_number(documents.SEEN, one) for one, key in asked.items()}
        found = await self._batch(parts, _One, urgency, documents.MANY)
        return {
            one: got.pull_request if got else None
            for one, key in asked.items()
            if (got := found.get(key, ...)) is not ...
        }

    async def on(
        self, branches: Iterable[str], urgency: Urgency, *, besides: bool = False
    ) -> dict[str, tuple[Seen, ...]]:
        """The latest ones of each branch, the newest first.

        With `besides` others were seen already, who are worth more than a word on these.
        """
        parts = {
            branch: self._part(documents.ON_BRANCH, branch=Variable("String!", branch))
            for branch in dict.fromkeys(branches)
        }
        found = await self._batch(parts, _Many, urgency, documents.MANY, besides=besides)
        return {branch: got.pull_requests.nodes if got else () for branch, got in found.items()}

    async def told(self, pulls: Sequence[Seen], urgency: Urgency) -> dict[int, Said]:
        """All that others say of these."""
        marks = {one.number: one.words() for one in pulls}
        stale = {one for one in marks if self._known(one, marks) is None}
        parts = {str(one): self._by_number(documents.SAID, one) for one in marks if one in stale}
        besides = len(stale) < len(marks)
        found = await self._batch(parts, _Told, urgency, documents.FEW, besides=besides)
        for number in stale:
            got = found.get(str(number))
            if got is not None and got.pull_request is not None:
                whole = await self._whole(number, got.pull_request, urgency)
                self._said[number] = marks[number], whole
        self._forget(keep=set(marks))
        return {
            one.number: said if one.number in stale else said.beside(one)
            for one in pulls
            if (said := self._known(one.number, marks))
        }

    def _known(self, number: int, marks: Mapping[int, str]) -> Said | None:
        """What was said of it, if nothing has changed since."""
        mark, said = self._said.get(number, ("", None))
        return said if mark == marks[number] else None

    async def _whole(self, number: int, said: Said, urgency: Urgency) -> Said:
        """With the checks of all pages."""
        if said.status_check_rollup is None:
            return said
        checks = said.status_check_rollup.contexts
        nodes, page = [*checks.nodes], checks.page_info
        for _ in range(_MOST_PAGES):
            if not page.has_next_page:
                break
            after = Variable("String", page.end_cursor)
            part = self._by_number(documents.MORE_CHECKS, number, after=after)
            got = (await self._batch({"more": part}, _More, urgency, 1)).get("more")
            rollup = got.pull_request.status_check_rollup if got and got.pull_request else None
            if rollup is None:
                break
            nodes, page = [*nodes, *rollup.contexts.nodes], rollup.contexts.page_info
        whole = checks.model_copy(update={"nodes": tuple(nodes), "page_info": page})
        return said.model_copy(update={"status_check_rollup": CheckRollup(contexts=whole)})

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
        self._complain(found)
        return {
            key: None if isinstance(one, NotFound) else one
            for key, one in found.items()
            if isinstance(one, NotFound) or not isinstance(one, PluginError)
        }

    def _complain(self, found: Mapping[str, object]) -> None:
        """What cannot be seen is looked at again; that it could not be is said once."""
        for error in found.values():
            if isinstance(error, PluginError) and not isinstance(error, NotFound):
                if error.message not in self._told_of:
                    _log.warning("%s/%s: %s", self.owner, self.name, error.message)
                self._told_of = {error.message}

    def _by_number(self, what: str, number: int, **more: Variable) -> Part:
        selection = f"pullRequest(number: $number) {{ {what} }}"
        return self._part(selection, number=Variable("Int!", number), **more)

    def _part(self, selection: str, **variables: Variable) -> Part:
        own = {"owner": Variable("String!", self.owner), "name": Variable("String!", self.name)}
        asked = f"repository(owner: $owner, name: $name) {{ {selection} }}"
        return Part(asked, {**own, **variables})


def belongs(seen: Seen, work: WorkRef, mine: bool) -> bool:
    """Whether a pull request is this session's: on its branch here, with a commit that it made."""
    ours = not seen.is_cross_repository and seen.head_ref_name == work.branch
    return ours and (mine or seen.head_ref_oid in work.commits)
