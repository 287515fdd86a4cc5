"""What GraphQL tells to be wrong, as typed errors.

GitHub has a `type` beside the message, Linear a `code` and a `type` among the extensions. Neither
is quoted; the server's own words stay in `said`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from ao_core.clock import Clock
from ao_core.errors import (
    NotFound,
    PluginError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from ao_core.http.answers import Answer
from ao_core.http.limits import asked_to_wait, speaks_of_a_limit
from ao_core.http.refusals import plainly

_LIMITED = frozenset({"RATE_LIMITED", "RATELIMITED", "RATE_LIMIT", "GRAPHQL_RATE_LIMIT"})
_KINDS: dict[str, type[PluginError]] = {
    "NOT_FOUND": NotFound,
    "ENTITY_NOT_FOUND": NotFound,
    "FORBIDDEN": Unauthorized,
    "INSUFFICIENT_SCOPES": Unauthorized,
    "AUTHENTICATION_ERROR": Unauthorized,
    "UNAUTHENTICATED": Unauthorized,
    "INTERNAL": Unavailable,
    "INTERNAL_ERROR": Unavailable,
    "INTERNAL_SERVER_ERROR": Unavailable,
    "SERVICE_UNAVAILABLE": Unavailable,
    "LOCK_TIMEOUT": Unavailable,
}
_OUTCOMES: dict[type[PluginError], str] = {
    NotFound: "what is asked for does not exist",
    Unauthorized: "not allowed",
    Unavailable: "an error on the other side",
    Rejected: "refused",
}
_MISSING = ("Could not resolve", "Entity not found")


class Extensions(BaseModel):
    """What Linear says of an error."""

    code: object = None
    type: object = None


class Told(BaseModel):
    """One thing that is wrong, as it is told."""

    message: str = ""
    type: object = None
    code: object = None
    path: list[str | int] | None = None
    extensions: Extensions | None = None

    def names(self) -> list[str]:
        """What it is called, in each place where that may stand, spelt in one way."""
        more = self.extensions or Extensions()
        given = (self.type, self.code, more.code, more.type)
        return [one.upper().replace(" ", "_") for one in given if isinstance(one, str)]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and with which part of the answer."""

    error: PluginError
    path: tuple[str | int, ...]


def faults(
    what: str, vendor: str, told: Sequence[Told], answer: Answer, clock: Clock
) -> tuple[Fault, ...]:
    """All that is wrong with an answer."""
    return tuple(Fault(_error(what, vendor, one, answer, clock), _path(one)) for one in told)


def _error(what: str, vendor: str, told: Told, answer: Answer, clock: Clock) -> PluginError:
    status, said, names = answer.status, plainly(told.message), told.names()
    if not _LIMITED.isdisjoint(names) or speaks_of_a_limit(told.message):
        wait = asked_to_wait(answer.headers, clock)
        return RateLimited(f"{what}: asked too often", retry_after=wait, status=status, said=said)
    missing = NotFound if told.message.startswith(_MISSING) else Rejected
    kind = next((_KINDS[name] for name in names if name in _KINDS), missing)
    hint = f"Check what {vendor} is given to sign in." if kind is Unauthorized else None
    return kind(f"{what}: {_OUTCOMES[kind]}", hint=hint, status=status, said=said)


def _path(told: Told) -> tuple[str | int, ...]:
    return tuple(told.path or ())
