"""Who may start, and who waits for what: pure, so that every team can be tried.

A worker takes room from its start until it has ended or its work is merged. Those that wait start
in the order in which they came; one that waits for somebody's work, or whose project has no room,
keeps nobody behind it from starting.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ao_core.ids import ProjectId, SessionId
from ao_core.model.evidence import Evidence, Verdict, is_owed
from ao_core.model.session import (
    TERMINAL_STATUSES,
    PrState,
    Session,
    SessionReason,
    derive_status,
    is_terminal,
    is_waiting,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many workers there may be at once, in all and for each project; None: any number."""

    home: int | None = None
    projects: Mapping[ProjectId, int | None] = field(default_factory=dict[ProjectId, "int | None"])


@dataclass(frozen=True, slots=True)
class Team:
    """Every session there is, and what shows of its work."""

    sessions: Mapping[SessionId, Session]
    evidence: Callable[[SessionId], Evidence | None] = field(default=lambda _: None)

    def line(self) -> list[Session]:
        """Those that wait, in order."""
        waiting = (one for one in self.sessions.values() if is_waiting(one))
        return sorted(waiting, key=lambda one: one.queued)

    def next_number(self) -> int:
        """A number behind everybody who waits."""
        return max((one.queued for one in self.line()), default=0) + 1

    def place(self, session: Session) -> int:
        """How many start before it, and itself, if everybody only waited for room."""
        return 1 + sum(1 for one in self.line() if one.queued < session.queued)

    def unmet(self, session: Session) -> Sequence[SessionId]:
        """Whose work it still waits for."""
        return [id for id in session.after if not self._done(id)]

    def lost(self, session: Session) -> Sequence[SessionId]:
        """Those it would wait for in vain: they ended, and their work was not done."""
        return [id for id in session.after if self.never(id)]

    def never(self, id: SessionId) -> bool:
        """Whether it has ended, and its work was not done."""
        return not self._done(id) and self._over(id)

    def copies(self, session: Session) -> list[Session]:
        """The others that were given the same task at once."""
        if session.group is None:
            return []
        others = (one for one in self.sessions.values() if one.group == session.group)
        return sorted((one for one in others if one.id != session.id), key=by_number)

    def _done(self, id: SessionId) -> bool:
        session = self.sessions.get(id)
        return session is not None and is_done(session, self.evidence(id))

    def _over(self, id: SessionId) -> bool:
        session = self.sessions.get(id)
        if session is None:
            return True
        return is_terminal(session) and not is_owed(session, self.evidence(id))


def by_number(session: Session) -> tuple[int, str]:
    """The order in which a project's sessions were made."""
    return int(session.id.rsplit("-", 1)[1]), session.id


def is_merged(session: Session) -> bool:
    """Whether its work has reached its target, by whomever."""
    return session.pr.state is PrState.MERGED or session.merged_as is not None


def is_done(session: Session, known: Evidence | None) -> bool:
    """Whether what waits for it may start: its work is merged, or it was shown to be done."""
    if is_merged(session):
        return True
    if session.done is None or known is None or known.claimed != session.done:
        return False
    return known.ungated or known.verdict is Verdict.VERIFIED


def takes_room(session: Session) -> bool:
    """Whether it counts against a limit."""
    return not is_waiting(session) and derive_status(session) not in TERMINAL_STATUSES


def upcoming(team: Team, limits: Limits) -> list[Session]:
    """Those that may start now, in order. Whoever is blocked is passed over."""
    room = _Room(limits, list(filter(takes_room, team.sessions.values())))
    ready = [one for one in team.line() if _is_ready(team, one)]
    return [one for one in ready if room.take(one)]


def without_room(team: Team, limits: Limits, coming: Iterable[Session]) -> Mapping[SessionId, str]:
    """Those for whom there is no room if all came back in this order: what they would wait for."""
    room = _Room(limits, filter(takes_room, team.sessions.values()))
    return {one.id: room.full(one.project) for one in coming if not room.take(one)}


def _is_ready(team: Team, session: Session) -> bool:
    ready = session.facts.reason is SessionReason.QUEUED and session.paused is None
    return ready and not team.unmet(session)


class _Room:
    """What is left of the limits while sessions are let in."""

    def __init__(self, limits: Limits, there: Iterable[Session]) -> None:
        self._limits = limits
        self._there = [one.project for one in there]

    def take(self, session: Session) -> bool:
        """Let it in if there is room."""
        if self.full(session.project):
            return False
        self._there.append(session.project)
        return True

    def full(self, project: ProjectId) -> str:
        """Which limit is reached, in words; nothing where there is room."""
        own, home = self._limits.projects.get(project), self._limits.home
        if own is not None and self._there.count(project) >= own:
            return f"one of the {own} workers {project} may have at once to end or be merged"
        if home is not None and len(self._there) >= home:
            return f"one of the {home} workers there may be at once to end or be merged"
        return ""


def waits_for(team: Team, limits: Limits, session: Session) -> str:
    """What a session in the queue waits for, in one line."""
    if session.facts.reason is SessionReason.BLOCKED:
        return session.facts.note or "it cannot start"
    if session.paused is not None:
        return "it is paused"
    if unmet := team.unmet(session):
        return f"it waits for the work of {', '.join(unmet)} to be done"
    room = _Room(limits, filter(takes_room, team.sessions.values()))
    return f"it waits for {room.full(session.project) or 'its turn'}"
