"""What may be filled in where an address or a prompt names something, as far as it is typed."""

from collections.abc import Mapping
from typing import TypeAlias

from mcp_types import Completion

from ao_core.errors import AoError
from ao_core.model.session import is_terminal
from ao_core.store.records import PROJECT, SESSION
from ao_mcp.operations.contract import AnyOperation, Call
from ao_mcp.operations.listing import order
from ao_mcp.perform import perform

_MOST = 100  # the protocol allows no more
_ASKED = 200  # of a tracker
_FRESH = 15.0  # seconds: a client asks at every key, and a tracker may be far away

_LISTS = ("what",)  # issues, with commas between them

_Asker: TypeAlias = tuple[str, str | None, str | None]


class Choices:
    """Sessions and projects as they are now, issues as their tracker said a moment ago."""

    def __init__(self, operations: Mapping[str, AnyOperation]) -> None:
        self._operations = operations
        self._issues: dict[_Asker, tuple[float, list[str]]] = {}

    async def complete(
        self, call: Call, name: str, begun: str, given: Mapping[str, str]
    ) -> Completion:
        """What begins so. A list is gone on with behind its last comma."""
        head, word = _cut(begun) if name in _LISTS else ("", begun)
        named = {one.strip() for one in head.split(",")}
        every = await self._of(call, name, given)
        found = [head + one for one in every if one.startswith(word) and one not in named]
        return Completion(values=found[:_MOST], total=len(found), has_more=len(found) > _MOST)

    async def _of(self, call: Call, name: str, given: Mapping[str, str]) -> list[str]:
        if name == "session":
            every = sorted(call.engine.records.all(SESSION), key=order)
            return [one.id for one in sorted(every, key=is_terminal)]
        if name == "project":
            return sorted([row.id async for row in call.engine.records.store.scan(PROJECT)])
        if name in ("issue", *_LISTS):
            return await self._known_issues(call, given.get("project"))
        return []

    async def _known_issues(self, call: Call, project: str | None) -> list[str]:
        now = call.engine.clock.monotonic()
        self._issues = {one: seen for one, seen in self._issues.items() if now - seen[0] < _FRESH}
        asker = (call.caller.connection, call.caller.project, project)
        if asker not in self._issues:
            self._issues[asker] = (now, await self._asked(call, project))
        return self._issues[asker][1]

    async def _asked(self, call: Call, project: str | None) -> list[str]:
        try:
            arguments = {"limit": _ASKED, "project": project}
            found = await perform(self._operations["list_issues"], call, arguments)
        except AoError:  # a tracker that cannot be asked completes nothing
            return []
        return [one["issue"] for one in found.model_dump()["issues"]]


def _cut(begun: str) -> tuple[str, str]:
    """What stands, and the word behind it that is being typed."""
    word = begun.rpartition(",")[2].lstrip()
    return begun[: len(begun) - len(word)], word
