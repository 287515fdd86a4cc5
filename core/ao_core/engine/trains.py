"""The merge train: many sessions' work into their base, each proved on top of those before it.

Every member's merge is an intent before anything moves, and closed together with what came of it.
A crash in between needs no memory of the train: whether work reached its target, git says.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias, cast

from ao_core.allowance import acting
from ao_core.engine import aftermath
from ao_core.engine.boarding import Watch, objections, travel
from ao_core.engine.case import Observation
from ao_core.engine.decide import decide
from ao_core.engine.engine import Engine
from ao_core.engine.merge import Candidate, all_alone, candidate, together
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.engine.side import collected
from ao_core.engine.train_gates import gate_of, unless_called_off
from ao_core.errors import AoError, PluginError, WrongState
from ao_core.git.train import Fate, Outcome, Ride, TrainResult
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, Merged, NewEvent
from ao_core.model.session import PrReason, Session
from ao_core.model.work import Mergeability, MergeMethod, Pull, PullState, ReviewDecision
from ao_core.redact import visible
from ao_core.slots.scm import Journey, Rider, Scm, Tidying
from ao_core.store.contract import Change
from ao_core.store.records import INTENT, SESSION, Intent, IntentKind
from ao_core.store.records import Outcome as Ending

Tell: TypeAlias = Callable[[float, float | None, str], Awaitable[None]]
_TITLE = 72
_APPROVED = (PrReason.APPROVED, PrReason.MERGE_READY)
_PAUSED = "it is paused"
_OTHER = "what it is now is not what was approved"


async def nobody(done: float, total: float | None, text: str) -> None:
    """Nobody asked how far it has come."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How to merge; `whole`: all of them, or none; `approved`: only what is, as it stands now."""

    method: MergeMethod = MergeMethod.MERGE
    whole: bool = False
    dry_run: bool = False
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """What became of one session's work; `blockers` are what stood in its way beforehand.

    `later`: the same may well be merged later, `promised`: its host does so by itself.
    """

    session: Session
    fate: Fate
    commit: str | None = None
    files: tuple[str, ...] = ()
    whom: tuple[str, ...] = ()
    why: str | None = None
    blockers: tuple[str, ...] = ()
    later: bool = False
    promised: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a train did, or would do; its members in the order they were tried."""

    target: str
    method: MergeMethod
    outcome: Outcome
    members: tuple[Share, ...]
    commit: str | None = None
    ref: str | None = None
    blockers: tuple[str, ...] = ()
    dry_run: bool = False
    updated: bool = False  # the other way round: their base into each of them


async def merge(
    engine: Engine, ids: Sequence[SessionId], wish: Wish, tell: Tell = nobody
) -> Report:
    """Merge them as one train. Whatever the outcome, nothing is forced and nothing is lost."""
    sessions = together(engine, ids)
    return await engine.detached(lambda: _merged(engine, sessions, wish, tell))


async def _merged(engine: Engine, sessions: Sequence[Session], wish: Wish, tell: Tell) -> Report:
    async with all_alone(engine, sessions):
        project = await engine.project_of(sessions[0])
        with nullcontext() if wish.dry_run else acting():
            found = [await _candidate(engine, project, one.id, wish) for one in sessions]
            for one in found:
                if not wish.dry_run and one.merged and one.pull:
                    await _tidied_once_begun(engine, project, one.session.id, one.pull)
        return await _Train(engine, project, wish, tell, found).run()


async def _candidate(engine: Engine, project: Project, id: SessionId, wish: Wish) -> Candidate:
    found = await candidate(engine, project, id)
    if found.pull is None or found.merged:
        return found
    against = await objections(project.scm, found.pull)
    if wish.approved and found.session.pr.reason not in _APPROVED:
        against = (*against, _OTHER)
    if wish.approved and found.session.paused is not None:
        against = (*against, _PAUSED)
    return replace(found, blockers=(*found.blockers, *against))


@dataclass(frozen=True, slots=True)
class _Train:
    engine: Engine
    project: Project
    wish: Wish
    tell: Tell
    found: Sequence[Candidate]
    before: dict[str, str] = field(default_factory=dict[str, str])  # what came of it last time

    async def run(self) -> Report:
        going = {one.session.id: (one, pull) for one in self.found if (pull := _free(one))}
        stuck = [one for one in self.found if one.blockers]
        if not going or (stuck and self.wish.whole):
            return self._report(_left(self.found, stuck), TrainResult(_nothing(going), ()))
        result = await self._travel(list(going.values()))
        self.engine.upstream.moved(self.project)
        shares = [
            _share(await self._settled(*going[ride.id], result, ride), ride)
            for ride in result.members
        ]
        others = [_stays(one) for one in self.found if one.session.id not in going]
        return self._report([*shares, *others], result)

    async def _travel(self, going: Sequence[tuple[Candidate, Pull]]) -> TrainResult:
        riders = [Rider(one.session.id, pull, _title(one.session)) for one, pull in going]
        intents = [] if self.wish.dry_run else await self._begin(riders)
        try:
            journey, watch = self._journey(riders), self._watch(riders)
            return await travel(self.project.scm, riders, journey, self.engine.clock, watch)
        except AoError as exc:
            for intent in intents:
                await self.engine.intents.end(intent, Ending.FAILED, exc.code)
            raise

    async def _begin(self, riders: Sequence[Rider]) -> list[str]:
        begin, kind = self.engine.intents.beginning, IntentKind.MERGE
        how = str(self.wish.method)
        puts = [begin(kind, one.session, _fingerprint(one.pull), how) for one in riders]
        known = [self.engine.records.find(INTENT, put.id) for put in puts]
        self.before.update({one.session: one.detail for one in known if one})
        await self.engine.records.commit(puts)
        return [put.id for put in puts]

    def _journey(self, riders: Sequence[Rider]) -> Journey:
        done, total = 0, len(riders)

        async def boarded(ride: Ride) -> None:
            nonlocal done
            done = min(done + 1, total)
            await self.tell(done, total, f"{ride.id}: {ride.fate}")

        gate = gate_of(self.engine, self.project, [one.session for one in riders])
        wish = self.wish
        return Journey(wish.method, gate, boarded, wish.whole, wish.dry_run)

    def _watch(self, riders: Sequence[Rider]) -> Watch:
        ids, since = [one.session for one in riders], self.engine.records.head
        over = partial(unless_called_off, self.engine, ids, since, "it waited for its host")
        return Watch(over, self._against)

    async def _against(self, rider: Rider, judged: Mergeability, waited: bool) -> str | None:
        """What has come in its way since it was looked at first."""
        (one,) = [one for one in self.found if one.session.id == rider.session]
        now = self.engine.session(rider.session)
        if now.paused is not None and one.session.paused is None:
            return _PAUSED
        if not waited:
            return None
        if self.wish.approved and not _is_still_approved(one.session, judged):
            return _OTHER
        again = await candidate(self.engine, self.project, rider.session)
        if again.pull is not None and again.pull.head != rider.pull.head:
            return "it has moved on since this was looked at"
        return "; ".join(again.blockers) or None

    async def _settled(
        self, one: Candidate, pull: Pull, result: TrainResult, ride: Ride
    ) -> Session:
        """Commit what came of it, what the journal is told of it, and the end of the act."""
        if self.wish.dry_run:
            return one.session
        if ride.fate not in aftermath.DONE:
            await collected(self.project, one.session)  # a clone is told where its base is now
        engine, id = self.engine, one.session.id
        told = aftermath.news(one.session, pull, self.wish.method, result, ride)
        came = f"{ride.fate} {aftermath.mark(told)}"
        if ride.fate not in aftermath.DONE and self.before.get(id) == came:
            told = None  # a call that is repeated, after a crash say, finds nothing new

        def step(now: Session) -> Step:
            after, events = _arrived(engine, now, pull, ride)
            intent = _intent(id, pull)
            closed: Sequence[Change] = engine.intents.ending(intent, Ending.DONE, came)
            news = (told, *events) if told else tuple(events)
            return Step(after, news, tuple(closed))

        return await engine.records.update(SESSION, id, step)

    def _report(self, shares: Sequence[Share], result: TrainResult) -> Report:
        target, wish = self.found[0].session.base, self.wish
        return Report(
            target, wish.method, result.outcome, tuple(shares), result.commit, result.ref,
            result.blockers, wish.dry_run,
        )  # fmt: skip


async def _tidied_once_begun(engine: Engine, project: Project, id: SessionId, pull: Pull) -> None:
    """An engine that was killed may have left the branch of what it merged."""
    if engine.records.find(INTENT, _intent(id, pull)) is not None:
        await tidied(project.scm, pull)


async def tidied(scm: Scm[Any], pull: Pull) -> None:
    """Have its host asked to remove what is left of a merge; the merge stands in any case."""
    if isinstance(scm, Tidying):
        with suppress(PluginError, WrongState):
            await cast("Tidying", scm).tidied(pull)


async def made_before(engine: Engine, intent: Intent, pull: Pull) -> None:
    """Tell of a merge that was made by an engine which was killed before it could tell."""
    commit = pull.merged_as or pull.head

    def step(now: Session) -> Step:
        after, events = _arrived(engine, now, pull, Ride(now.id, Fate.LANDED, commit))
        body = Merged(now.base, intent.detail, commit, head=pull.head)
        told = NewEvent(EventKind.MERGE_COMPLETED, body, now.project, now.id)
        closed = engine.intents.ending(intent.id, Ending.DONE, str(Fate.LANDED))
        return Step(after, (told, *events), tuple(closed))

    await engine.records.update(SESSION, engine.session(intent.session).id, step)


def _arrived(
    engine: Engine, now: Session, pull: Pull, ride: Ride
) -> tuple[Session, Sequence[NewEvent]]:
    """The session once its work has reached its target, as a look at its pull request has it."""
    if ride.fate not in aftermath.DONE:
        return _in_conflict(aftermath.left_behind(now, ride), pull, ride), ()
    done = replace(pull, state=PullState.MERGED, merged_as=ride.commit)
    seen = Observation(engine.clock.now(), pull=done)
    decided = decide(replace(now, merged_as=ride.commit), seen, engine.policy_of(now))
    return decided.session, decided.events


def _in_conflict(now: Session, pull: Pull, ride: Ride) -> Session:
    """Where a host's own looks tell of conflicts, too: so this one is not told again, nor over."""
    known = now.pr.judged
    if ride.fate is not Fate.CONFLICT or known is None or now.pr.head != pull.head:
        return now
    return replace(now, pr=replace(now.pr, judged=replace(known, conflicts=pull.head)))


def _free(one: Candidate) -> Pull | None:
    return None if one.merged or one.blockers else one.pull


def _nothing(going: object) -> Outcome:
    return Outcome.BLOCKED if going else Outcome.NOTHING


def _left(found: Sequence[Candidate], stuck: Sequence[Candidate]) -> list[Share]:
    """Nobody goes."""
    why = f"{stuck[0].session.id} could not be merged" if stuck else None
    return [replace(_stays(one), why=why) if _free(one) else _stays(one) for one in found]


def _stays(one: Candidate) -> Share:
    if one.merged and one.pull:
        return Share(one.session, Fate.ALREADY, one.pull.merged_as or one.pull.head)
    why = "; ".join(one.blockers) or None
    return Share(one.session, Fate.LEFT_OUT, why=why, blockers=one.blockers)


def _share(session: Session, ride: Ride) -> Share:
    why = aftermath.reason(ride)
    return Share(
        session, ride.fate, ride.commit, ride.files, ride.whom, why, later=ride.later,
        promised=ride.promised,
    )  # fmt: skip


def _is_still_approved(before: Session, judged: Mergeability) -> bool:
    """By what its host says now: what is known here of the pull request may be a moment old."""
    was = before.pr.judged.decision if before.pr.judged else ReviewDecision.NONE
    return judged.decision is was or judged.decision is ReviewDecision.APPROVED


def _intent(id: SessionId, pull: Pull) -> str:
    return f"{IntentKind.MERGE}/{id}/{_fingerprint(pull)}"


def _fingerprint(pull: Pull) -> str:
    return f"{pull.head}-{pull.base}"


def _title(session: Session) -> str:
    return visible(session.title, _TITLE)
