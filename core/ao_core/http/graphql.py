"""GraphQL over an `Api`: what is wrong is told in the answer, and becomes a typed error."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import to_json

from ao_core.clock import Clock
from ao_core.errors import PluginError, RateLimited, Unavailable
from ao_core.http.answers import Answer, parsed
from ao_core.http.api import Api
from ao_core.http.batches import Document, Part, Variable, documents
from ao_core.http.faults import Fault, Told, faults
from ao_core.http.limits import Reading
from ao_core.http.marks import Urgency

__all__ = ["Fault", "GraphQL", "Part", "Variable"]

T = TypeVar("T")
_BUCKET = "graphql"
_WITH_ERRORS = frozenset({400})  # Linear tells of a limit so, and both of a faulty document
_MUTATION = re.compile(r"^\s*mutation\b", re.MULTILINE)
_RATE = "rateLimit { cost limit remaining resetAt }"


class _Envelope(BaseModel):
    data: Any = None
    errors: list[Told] = Field(default_factory=list[Told])


class _Rate(BaseModel):
    cost: int = Field(ge=0)
    limit: int = Field(ge=0)
    remaining: int = Field(ge=0)
    resets_at: datetime = Field(alias="resetAt")


@dataclass(frozen=True, slots=True)
class _Result:
    data: Any
    faults: tuple[Fault, ...]


class GraphQL:
    """One schema. Whatever is no mutation is a reading, and repeated like one.

    With `costs` a batch asks what it costs, which GitHub knows of and others refuse.
    """

    def __init__(self, api: Api, path: str = "/graphql", *, costs: bool = False) -> None:
        self._api, self._path, self._costs = api, path, costs
        self._what = f"{api.vendor}: POST {path}".rstrip()

    @property
    def clock(self) -> Clock:
        """The time that waits are told by."""
        return self._api.clock

    async def ask(
        self,
        document: str,
        variables: Mapping[str, object] | None = None,
        *,
        into: type[T],
        urgency: Urgency | None = None,
        mutation: bool = False,
    ) -> T:
        """The data as `into`; the first thing that is wrong is raised."""
        result = await self._send(document, variables, urgency, mutation=mutation)
        if result.faults:
            raise result.faults[0].error
        return self._parsed(result.data, into)

    async def ask_some(
        self,
        document: str,
        variables: Mapping[str, object] | None = None,
        *,
        into: type[T],
        urgency: Urgency | None = None,
    ) -> tuple[T, tuple[Fault, ...]]:
        """What data there is, and what is wrong with the rest; raises where there is none."""
        result = await self._send(document, variables, urgency, mutation=False)
        if result.data is None and result.faults:
            raise result.faults[0].error
        return self._parsed(result.data, into), result.faults

    async def batch(
        self,
        parts: Mapping[str, Part],
        *,
        into: type[T],
        urgency: Urgency | None = None,
        most_parts: int = 50,
        fragments: str = "",
    ) -> dict[str, T | PluginError]:
        """Each part by its name, or what is wrong with it; so many are asked for at a time.

        What becomes of some keeps no others: it raises only where none were answered.
        """
        found: dict[str, T | PluginError] = {}
        besides = _RATE if self._costs else ""
        asked = list(documents(parts, most_parts, besides=besides, fragments=fragments))
        unanswered = list[PluginError]()
        for one in asked:
            try:
                found |= await self._some(one, into, urgency)
            except PluginError as exc:
                unanswered.append(exc)
                found |= dict.fromkeys(one.names.values(), exc)
        if asked and len(unanswered) == len(asked):
            raise unanswered[0]
        return found

    async def _some(
        self, one: Document, into: type[T], urgency: Urgency | None
    ) -> dict[str, T | PluginError]:
        data, wrong = await self.ask_some(
            one.text, one.variables, into=dict[str, Any], urgency=urgency
        )
        return {
            name: self._one(alias, data.get(alias), wrong, into)
            for alias, name in one.names.items()
        }

    def _one(
        self, alias: str, data: object, wrong: Sequence[Fault], into: type[T]
    ) -> T | PluginError:
        own = (one.error for one in wrong if one.path[:1] == (alias,))
        of_all = (one.error for one in wrong if not one.path and data is None)
        if error := next(own, None) or next(of_all, None):
            return error
        try:
            return self._parsed(data, into)
        except Unavailable as exc:
            return exc

    async def _send(
        self,
        document: str,
        variables: Mapping[str, object] | None,
        urgency: Urgency | None,
        *,
        mutation: bool,
    ) -> _Result:
        changes = mutation or bool(_MUTATION.search(document))
        urgent = urgency if urgency is not None else (Urgency.ACT if changes else Urgency.READ)
        answer = await self._api.fetch(
            "POST",
            self._path,
            json={"query": document, "variables": dict(variables or {})},
            urgency=urgent,
            read_only=not changes,
            accepted=_WITH_ERRORS,
        )
        envelope = parsed(self._what, _Envelope, answer.body)
        self._note_cost(envelope.data, urgent)
        return _Result(envelope.data, self._faults(envelope.errors, answer))

    def _faults(self, told: Sequence[Told], answer: Answer) -> tuple[Fault, ...]:
        found = faults(self._what, self._api.vendor, told, answer, self._api.clock)
        for one in found:
            if isinstance(one.error, RateLimited) and self._api.budget is not None:
                wait = self._api.budget.refused(answer.headers)
                one.error.retry_after = one.error.retry_after or wait
        return found

    def _note_cost(self, data: object, urgency: Urgency) -> None:
        budget = self._api.budget
        if budget is None or not isinstance(data, dict):
            return
        try:
            rate = _Rate.model_validate(data.get("rateLimit"))  # pyright: ignore
        except ValidationError:
            return
        reading = Reading(_BUCKET, rate.limit, rate.remaining, rate.resets_at)
        budget.told(reading, urgency, rate.cost)

    def _parsed(self, data: object, into: type[T]) -> T:
        return parsed(self._what, into, to_json(data))
