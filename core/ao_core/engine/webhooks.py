"""What hosts tell by webhooks, as an engine remembers it while it runs.

Nothing here is a fact: a delivery says where to look, and how often one looks without being told.
"""

import hashlib
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ao_core.clock import Clock
from ao_core.ids import ProjectId, SessionId
from ao_core.model.session import Session
from ao_core.news import News

POLL, REPAIR = 55.0, 600.0  # seconds between looks at what is open

_LAG = 2 * POLL  # in which one look is made that nobody asked for
_KNOWN = 8_192  # marks of deliveries, two for each
_KEPT = 200
_MINUTE = 60.0
_BELIEVED = 86_400.0  # so long after a delivery its project is taken to be told of everything
_DOUBTED = 3_600.0  # so long after one was missed it is not


class Reception(StrEnum):
    """What was made of a delivery."""

    TAKEN = "looked at"
    NOTHING = "of no interest"
    REPEATED = "repeated"
    NO_SECRET = "no secret is configured"  # noqa: S105 - which is none
    UNSIGNED = "not signed with the secret"
    MALFORMED = "not a delivery of this host"
    UNKNOWN = "for a repository of no project"
    WRONG_TYPE = "not application/json"
    TOO_LARGE = "too large"
    CUT = "broken off"
    CROWDED = "too many at a time"


_SIGNED = (Reception.TAKEN, Reception.NOTHING, Reception.REPEATED)  # which strangers cannot cause


@dataclass(frozen=True, slots=True)
class Heard:
    """One delivery. What was not signed says nothing of itself.

    `aloud`: it was the first with this end for a minute; `more` that came before it were not.
    """

    number: int
    at: datetime
    scm: str
    reception: Reception
    event: str = ""
    delivery: str = ""
    repository: str = ""
    sessions: tuple[SessionId, ...] = ()
    aloud: bool = True
    more: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """How a project is told of changes: since when, and whether something was missed lately."""

    project: ProjectId
    at: datetime
    missed: bool


class Webhooks:
    """The books of one engine on what it was told."""

    def __init__(self, clock: Clock) -> None:
        self.secrets: dict[ProjectId, str | None] = {}  # those that the home keeps, once read
        self.unreadable: dict[ProjectId, str] = {}  # why one cannot be had, as it was said last
        self._clock = clock
        self._known: OrderedDict[str, None] = OrderedDict()
        self._heard: deque[Heard] = deque(maxlen=_KEPT)
        self._told: dict[ProjectId, tuple[float, datetime]] = {}
        self._missed: dict[ProjectId, float] = {}
        self._stirred: dict[SessionId, float] = {}
        self._due: set[SessionId] = set()
        self._ends: dict[tuple[str, Reception], tuple[float, int]] = {}
        self._number = 0
        self._news = News()

    # -- deliveries ---------------------------------------------------------------------------

    def is_known(self, scm: str, delivery: str, body: bytes) -> bool:
        """Whether it was taken before, under this id or under another one."""
        return any(mark in self._known for mark in _marks(scm, delivery, body))

    def remember(self, scm: str, delivery: str, body: bytes) -> None:
        """It was taken."""
        for mark in _marks(scm, delivery, body):
            self._known[mark] = None
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def note(
        self, scm: str, reception: Reception, event: str = "", delivery: str = "",
        repository: str = "", sessions: Iterable[SessionId] = (),
    ) -> Heard:  # fmt: skip
        """Keep what was made of one. Of what strangers send, one line a minute for each reason."""
        if reception is Reception.CROWDED:  # whom it was for nobody knows
            for project in self._told:
                self.missed(project)
        aloud, more = self._is_aloud(scm, reception)
        kept = aloud or reception in _SIGNED
        self._number += kept
        heard = Heard(
            self._number, self._clock.now(), scm, reception, event, delivery, repository,
            tuple(sessions), aloud, more,
        )  # fmt: skip
        if kept:
            self._heard.append(heard)
            self._news.tell()
        return heard

    def _is_aloud(self, scm: str, reception: Reception) -> tuple[bool, int]:
        now, (last, silent) = self._clock.monotonic(), self._ends.get((scm, reception), (None, 0))
        if last is not None and now - last < _MINUTE:
            self._ends[scm, reception] = last, silent + 1
            return False, 0
        self._ends[scm, reception] = now, 0
        return True, silent

    def after(self, number: int) -> Sequence[Heard]:
        """Those that came after this one, as far as they are kept."""
        return [one for one in self._heard if one.number > number]

    async def news(self, number: int) -> Sequence[Heard]:
        """The same, as soon as there are some."""
        return await self._news.until(lambda: self.after(number) or None)

    # -- looks --------------------------------------------------------------------------------

    def tell(self, project: ProjectId, sessions: Collection[SessionId]) -> None:
        """A delivery came for a project, and is about these sessions."""
        now = self._clock.monotonic()
        self._told[project] = now, self._clock.now()
        fresh = {id: at for id, at in self._stirred.items() if now - at < _LAG}
        self._stirred = fresh | dict.fromkeys(sessions, now)
        self._due.update(sessions)
        self._news.tell()

    async def due(self) -> frozenset[SessionId]:
        """Whom to look at now, as soon as there is somebody."""
        found = await self._news.until(lambda: frozenset(self._due) or None)
        self._due -= found
        return found

    def pace(self, session: Session) -> float:
        """How long to leave it before it is looked at without being told.

        Who was told of is looked at once more soon after: what a host shows may lag behind what it
        tells.
        """
        stirred = self._stirred.get(session.id)
        if stirred is not None and self._clock.monotonic() - stirred < _LAG:
            return POLL
        return REPAIR if self._is_believed(session.project) else POLL

    def missed(self, project: ProjectId) -> None:
        """A look found what nobody had told of."""
        self._missed[project] = self._clock.monotonic()

    def forget(self, project: ProjectId) -> None:
        """Nothing that it was told before says that it will be told of more."""
        self._told.pop(project, None)

    def told(self) -> Sequence[Told]:
        """Which projects are told of changes."""
        return [Told(id, at, self._is_doubted(id)) for id, (_, at) in sorted(self._told.items())]

    def _is_believed(self, project: ProjectId) -> bool:
        last, _ = self._told.get(project, (None, None))
        fresh = last is not None and self._clock.monotonic() - last < _BELIEVED
        return fresh and not self._is_doubted(project)

    def _is_doubted(self, project: ProjectId) -> bool:
        """For an hour, and until it is told of something again."""
        missed = self._missed.get(project)
        if missed is None:
            return False
        last, _ = self._told.get(project, (missed, None))
        return last <= missed or self._clock.monotonic() - missed < _DOUBTED


def _marks(scm: str, delivery: str, body: bytes) -> tuple[str, str]:
    """Its id, which nobody signs, and what was said, which cannot be said anew under another."""
    told = f"{scm} {delivery}".encode(errors="replace")
    return f"id {hashlib.sha256(told).hexdigest()}", f"body {hashlib.sha256(body).hexdigest()}"
