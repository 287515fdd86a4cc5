"""The store: typed records and the journal, committed together or not at all.

A change names the revision it was based on, so that nothing is overwritten unseen. The journal is
append-only; its numbers become visible in order, so a reader that remembers the last number it has
seen misses nothing and sees nothing twice. Its oldest lines may be pruned; a reader who would miss
one of them is told so.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeAlias, TypeVar

from ao_core.errors import Conflict, Pruned, StoreError
from ao_core.model.event import Event, NewEvent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of record: its name in the store and its type, a frozen dataclass."""

    name: str
    type: type[T]


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """A record as stored."""

    id: str
    value: T
    revision: int


@dataclass(frozen=True, slots=True)
class Put(Generic[T]):
    """Write a record. `expect` is the revision it is based on; 0 means it must not exist."""

    kind: Kind[T]
    id: str
    value: T
    expect: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove a record."""

    kind: Kind[Any]
    id: str
    expect: int


Change: TypeAlias = Put[Any] | Drop


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit made: the journal's lines, and each change's new revision (0 for a `Drop`)."""

    events: tuple[Event, ...]
    revisions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act on `key` until it expires. `token` grows for ever: fencing."""

    key: str
    token: int
    expires: float


def require_kept(after: int, first: int) -> None:
    """Raise `Pruned` if a reader that has come as far as `after` would miss a line."""
    if 0 < after < first - 1:
        hint = "Look at how things stand now, and go on from the journal's head."
        raise Pruned(f"the journal is kept from line {first} on, not from {after}", hint=hint)


def taken(last: Lease, now: float, ttl: float, *, ours: bool) -> Lease:
    """A valid lease is renewed under its token; one that is taken anew gets the next."""
    valid = last.expires > now
    if valid and not ours:
        hint = "Try again when it expires."
        raise Conflict(f"somebody else holds the lease {last.key!a}", hint=hint)
    return Lease(last.key, last.token if valid else last.token + 1, now + ttl)


def lease_ended(key: str) -> Conflict:
    """What is said of a fence that is stale."""
    return Conflict(f"the lease {key!a} has ended", hint="Take it again.")


def unexpected(kind: str) -> Conflict:
    """What is said of a record whose revision is another."""
    hint = "Read it again, and decide again."
    return Conflict(f"the {kind} record is not as it was expected to be", hint=hint)


def not_following(head: int, first: int) -> StoreError:
    """What is said of lines that would leave a gap."""
    return StoreError(f"the journal ends at {head}, so line {first} cannot follow")


class Store(ABC):
    """Records and the journal. Enter it before use."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *exc: object) -> None: ...

    @property
    @abstractmethod
    def head(self) -> int:
        """The number of the journal's last line, 0 when there never was one."""

    @property
    @abstractmethod
    def first(self) -> int:
        """The number of the first line that is kept; `head + 1` when none is."""

    @abstractmethod
    async def read(self, kind: Kind[T], id: str) -> Row[T] | None:
        """One record."""

    @abstractmethod
    def scan(self, kind: Kind[T], prefix: str = "") -> AsyncIterator[Row[T]]:
        """Every record of a kind whose id starts with `prefix`, by id."""

    @abstractmethod
    async def commit(
        self,
        changes: Sequence[Change],
        events: Sequence[NewEvent] = (),
        *,
        fence: Lease | None = None,
    ) -> Committed:
        """Make all changes and append all events, or raise and do nothing.

        Raises `Conflict` when a revision is not the expected one or the fence is stale, and
        `StoreUnavailable` when the disk refuses.
        """

    @abstractmethod
    def follow(self, after: int, *, live: bool = True) -> AsyncGenerator[Event]:
        """The journal's lines after number `after`; when `live`, also those still to come.

        0 means from the first that is kept. After any other number, raises `Pruned` when a line
        that should have come is gone, also when it goes before a slow reader has come to it.
        """

    @abstractmethod
    async def prune(self, before: int) -> int:
        """Drop the journal's lines before this number; returns how many. Numbers go on growing."""

    @abstractmethod
    async def lease(self, key: str, ttl: float) -> Lease:
        """Take or renew the lease on `key`; raises `Conflict` while another holder's is valid."""


class Adopting(ABC):
    """A store that can take over the journal of another one, when it is new."""

    @abstractmethod
    async def adopt(self, first: int, events: Sequence[Event]) -> None:
        """Append lines under the numbers they have.

        The first call says where the journal begins; each page begins where the last one ended.
        """
