"""Reacts to what the journal tells: work goes back to its worker, people are told, merges are made.

One reader for each project, with a stored cursor. What it decides is committed together with how
far it has read: so a crash loses nothing and does nothing twice. A merge alone takes place
afterwards; that it is to be made stands in the record, and making it twice does no harm. While a
project cannot be opened, its reader waits where it is, and no other does.
"""

import logging
from collections.abc import Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain, repeat

import anyio
from anyio.abc import TaskGroup

from ao_core import prompt
from ao_core.config.models import Reaction
from ao_core.course import Course
from ao_core.engine import reaction_rules as rules
from ao_core.engine import report_watch
from ao_core.engine.aftermath import DONE
from ao_core.engine.bookmark import Bookmark
from ao_core.engine.engine import Engine
from ao_core.engine.judging import is_settled
from ao_core.engine.reaction_rules import ALL_COMPLETE, Act, Tried, Trigger
from ao_core.engine.reaction_words import evidence_of, follow_up, for_people, summary, told
from ao_core.engine.retrying import waited_out
from ao_core.engine.train_gates import CalledOff
from ao_core.engine.trains import Wish, merge
from ao_core.engine.upstream import spelled
from ao_core.errors import AoError, Conflict, StoreUnavailable
from ao_core.ids import ProjectId
from ao_core.model.event import Event, EventKind, NewEvent, Reacted, Summary
from ao_core.model.evidence import is_shown
from ao_core.model.session import PrState, Session, SessionState, is_terminal
from ao_core.store.contract import Change, Drop, Put
from ao_core.store.records import CURSOR, EVIDENCE, PURSUIT, SESSION, Pursuit

_log = logging.getLogger(__name__)
_READER = "reactions"
_TICK = 10.0
_INTERNAL = "an internal error; see the engine's log"
_RESTED = timedelta(minutes=5)
_PAUSES = (60.0, 300.0, 900.0)  # until a merge is tried again
_TRIES = 5  # of it, unless its rule says how many or how long


@dataclass(slots=True)
class Deed:
    """What one line of the journal, or the clock, leads to."""

    changes: list[Change] = field(default_factory=list[Change])
    events: list[NewEvent] = field(default_factory=list[NewEvent])
    deliver: list[Session] = field(default_factory=list[Session])
    merge: list[Pursuit] = field(default_factory=list[Pursuit])


class Reactions:
    """Reads the journal, and acts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = anyio.Lock()
        self._bookmark = Bookmark(engine.records, _READER)  # from where projects are looked for
        self._seq = 0
        self._come: dict[str, int] = {}  # how far the reader of each project is

    @property
    def seen(self) -> int:
        """The last line that was dealt with, and all before it."""
        return min(self._seq, *self._come.values()) if self._come else self._seq

    async def run(self) -> None:
        """Until cancelled."""
        # at first nothing of the past is reacted to
        first = await self._bookmark.begin(self._engine.records.head)
        for pursuit in self._engine.records.all(PURSUIT):
            if pursuit.pending:
                self._engine.tasks.start_soon(self._merge, pursuit)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tick)
            async for row in self._engine.records.store.scan(CURSOR, f"{_READER}/"):
                await self._start(tasks, row.id.removeprefix(f"{_READER}/"), row.value.seq)
            self._seq = first
            async with aclosing(self._engine.records.follow(first)) as journal:
                async for event in journal:
                    if event.project is not None:
                        await self._start(tasks, event.project, event.seq - 1)
                    await self._keep_up(self._bookmark, event.seq)
                    self._seq = event.seq

    async def _start(self, tasks: TaskGroup, project: str, before: int) -> None:
        """A project that something happens in has its reader from there on."""
        if project in self._come:
            return
        bookmark = Bookmark(self._engine.records, f"{_READER}/{project}")
        what = f"reactions of {project} begin"
        await self._engine.patiently(lambda: bookmark.begin(before), what)
        self._come[project] = bookmark.seq
        tasks.start_soon(self._read, project, bookmark)

    async def _read(self, project: str, bookmark: Bookmark) -> None:
        async with aclosing(self._engine.records.follow(bookmark.seq)) as journal:
            async for event in journal:
                if event.project == project:
                    await self._patiently(event, bookmark)
                await self._keep_up(bookmark, event.seq)
                self._come[project] = event.seq

    async def _keep_up(self, bookmark: Bookmark, seq: int) -> None:
        if bookmark.is_behind(seq):
            await self._engine.patiently(lambda: bookmark.commit(seq), "reactions go on")

    async def _patiently(self, event: Event, bookmark: Bookmark) -> None:
        what, clock = f"reactions of {event.project} go on", self._engine.clock

        async def take() -> None:
            await self._engine.patiently(lambda: self._take(event, bookmark), what)

        try:
            await waited_out(take, clock, what)
        except Exception:  # one line that cannot be dealt with must not end the others
            _log.exception("there was no reaction to line %d", event.seq)

    # -- a line ----------------------------------------------------------------------------------

    async def _take(self, event: Event, bookmark: Bookmark) -> None:
        async with self._lock:
            await self._commit(await self._deed(event), bookmark, event.seq)

    async def _deed(self, event: Event) -> Deed:
        deed = Deed()
        if event.session is not None:
            self._end(deed, event.session, rules.ended_by(event))
        trigger = rules.trigger_of(event)
        if trigger is None and event.session is not None:
            known = self._engine.records.find(SESSION, event.session)
            trigger = rules.again(known, event) if known else None
        if trigger is not None:
            await self._answer(deed, trigger, event)
        await self._complete(deed, event)
        return deed

    def _end(self, deed: Deed, subject: str, keys: Sequence[str]) -> None:
        for key in keys:
            id = f"{subject}/{key}"
            if self._engine.records.find(PURSUIT, id) is not None:
                deed.changes.append(Drop(PURSUIT, id, self._engine.records.revision(PURSUIT, id)))

    async def _answer(self, deed: Deed, trigger: Trigger, event: Event | None) -> None:
        session = self._engine.session(trigger.subject)
        if not rules.holds(session, trigger.key):
            return
        rule = await self._rule(session, trigger.key)
        known = None if rules.is_told(event) else self._known(deed, trigger)
        answer = rules.react(rule, known, trigger, *self._time)
        if answer.pursuit is None or answer.act is Act.NOTHING:
            return
        await self._do(deed, answer.act, answer.pursuit, rule, session, event)

    def _known(self, deed: Deed, trigger: Trigger) -> Pursuit | None:
        id = f"{trigger.subject}/{trigger.key}"
        over = any(isinstance(change, Drop) and change.id == id for change in deed.changes)
        return None if over else self._engine.records.find(PURSUIT, id)

    async def _rule(self, session: Session, key: str) -> Reaction:
        project = await self._engine.project_of(session)
        return project.settings.reactions.get(key, Reaction(auto=False))

    async def _do(
        self, deed: Deed, act: Act, pursuit: Pursuit, rule: Reaction, session: Session,
        event: Event | None,
    ) -> None:  # fmt: skip
        if act is Act.SEND and is_terminal(session):
            act, pursuit = Act.ESCALATE, replace(pursuit, escalated=True)
        if act is Act.SEND and not rules.is_told(event):
            await self._send(deed, pursuit, rule, session, event)
        if act is Act.MERGE:
            deed.merge.append(pursuit)
        self._put(deed, pursuit)
        deed.events.append(_reacted(session, pursuit, rule, act, event))

    async def _send(
        self, deed: Deed, pursuit: Pursuit, rule: Reaction, session: Session, event: Event | None
    ) -> None:
        evidence = evidence_of(event)
        project = await self._engine.project_of(session)
        onto, remote = spelled(project, session.base), project.scm.remote
        text = rule.message or prompt.reaction(pursuit.key, onto, evidence, remote)
        highest = await self._engine.best_receipt(session)
        message = self._engine.outbox.compose(
            session, text, "reaction", highest=highest, **report_watch.timing(pursuit.key)
        )
        change, queued = self._engine.outbox.queueing(session, message)
        deed.changes.append(change)
        deed.events.append(queued)
        deed.events += follow_up(session, pursuit.key, event)
        deed.deliver.append(session)

    def _put(self, deed: Deed, pursuit: Pursuit) -> None:
        deed.changes = [change for change in deed.changes if change.id != pursuit.id]
        revision = self._engine.records.revision(PURSUIT, pursuit.id)
        deed.changes.append(Put(PURSUIT, pursuit.id, pursuit, revision))

    async def _commit(self, deed: Deed, bookmark: Bookmark | None = None, seq: int = 0) -> None:
        if not deed.changes and not deed.events:
            return
        if bookmark is not None:
            await bookmark.commit(seq, deed.changes, deed.events)
        else:
            await self._engine.records.commit(deed.changes, deed.events)
        for session in deed.deliver:
            self._engine.deliver(session.id)
        for pursuit in deed.merge:
            self._engine.tasks.start_soon(self._merge, pursuit)

    # -- a project -------------------------------------------------------------------------------

    async def _complete(self, deed: Deed, event: Event) -> None:
        """Once, when the last of a project's sessions is over; again after one has begun."""
        if event.project is None:
            return
        if event.kind in rules.BEGINS:
            self._end(deed, event.project, (ALL_COMPLETE,))
        if event.kind not in rules.OVERS or self._busy(event.project):
            return
        project = await self._engine.projects.by_id(ProjectId(event.project))
        rule = project.settings.reactions.get(ALL_COMPLETE, Reaction(auto=False))
        trigger = Trigger(event.project, ALL_COMPLETE, "over", event.kind)
        known = self._known(deed, trigger)
        answer = rules.react(rule, known, trigger, *self._time)
        if answer.pursuit is not None and answer.act is not Act.NOTHING:
            self._put(deed, answer.pursuit)
            body = Summary(summary(rule, self._of(event.project)), rule.priority)
            deed.events.append(NewEvent(EventKind.SUMMARY_ALL_COMPLETE, body, event.project))

    def _of(self, project: str) -> list[Session]:
        return [one for one in self._engine.records.all(SESSION) if one.project == project]

    def _busy(self, project: str) -> bool:
        return any(not self._is_over(session) for session in self._of(project))

    def _is_over(self, session: Session) -> bool:
        merged = session.pr.state is PrState.MERGED
        return merged or is_shown(session, self._engine.records.find(EVIDENCE, session.id))

    # -- the clock -------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await self._engine.clock.sleep(_TICK)
            try:
                await self._engine.patiently(self.look_at_the_clock, "reactions go on")
            except Exception:  # it is looked again soon
                _log.exception("what is late was not looked for")

    @property
    def _time(self) -> tuple[datetime, Course]:
        return self._engine.clock.now(), self._engine.clock.course

    async def look_at_the_clock(self) -> None:
        """Give up what has not helped in time, and wake whoever rests with nothing to show."""
        async with self._lock:
            deed = Deed()
            for pursuit in self._engine.records.all(PURSUIT):
                await _apart(self._late(deed, pursuit))
            for session in self._engine.live():
                await _apart(self._resting(deed, session))
                await _apart(self._unheard(deed, session))
            await self._commit(deed)

    async def _late(self, deed: Deed, pursuit: Pursuit) -> None:
        if pursuit.key == ALL_COMPLETE:
            return
        session = self._engine.session(pursuit.subject)
        if report_watch.is_over(session, pursuit) or is_settled(session, pursuit.key):
            self._end(deed, session.id, (pursuit.key,))
            return
        rule = await self._rule(session, pursuit.key)
        if rules.is_overdue(rule, pursuit, *self._time):
            given_up = replace(pursuit, escalated=True)
            await self._do(deed, Act.ESCALATE, given_up, rule, session, None)

    async def _resting(self, deed: Deed, session: Session) -> None:
        nothing = session.pr.state is PrState.NONE and not session.commits and not session.report
        if session.facts.state is not SessionState.IDLE or not nothing:
            return
        rule = await self._rule(session, rules.IDLE)
        since = session.facts.since
        now, course = self._time
        if course.elapsed(since, now) >= (rule.threshold or _RESTED):
            trigger = Trigger(session.id, rules.IDLE, since.isoformat(), "it rests")
            await self._answer(deed, trigger, None)

    async def _unheard(self, deed: Deed, session: Session) -> None:
        for key in report_watch.SINCE:
            rule = await self._rule(session, key)
            trigger = report_watch.due(session, key, rule, *self._time)
            if trigger is not None:
                await self._answer(deed, trigger, None)

    # -- merging ---------------------------------------------------------------------------------

    async def _merge(self, pursuit: Pursuit) -> None:
        """Make a merge that is to be made, again where time may help; what comes of it is told."""
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            left = await self._left(pursuit, await self._tried(pursuit))
            if left is None:
                return
            await self._engine.clock.sleep(pause)
            if self._engine.records.find(PURSUIT, left.id) != left:
                return  # it is over, or others see to it
            pursuit = left

    async def _left(self, pursuit: Pursuit, tried: Tried) -> Pursuit | None:
        left: list[Pursuit] = []

        async def note() -> None:
            left[:] = await self._noted(pursuit, tried)

        await self._engine.patiently(note, "a merge is noted")
        return left[0] if left else None

    async def _tried(self, pursuit: Pursuit) -> Tried:
        session = self._engine.session(pursuit.subject)
        if session.paused is not None:
            return Tried(off=True)
        try:
            report = await merge(self._engine, [session.id], Wish(approved=True))
        except CalledOff:
            return Tried(off=True)
        except AoError as exc:
            return Tried(why=exc.message, later=exc.retryable)
        except Exception:  # it stands in the record as to be made: it must not end each engine anew
            _log.exception("the merge of %s stumbled", session.id)
            return Tried(why=_INTERNAL)
        (done,) = report.members
        why = "; ".join(filter(None, (*report.blockers, done.why)))
        return Tried(done.fate in DONE or done.promised, why, done.later)

    async def _noted(self, pursuit: Pursuit, tried: Tried) -> list[Pursuit]:
        """What is to be tried again is given back."""
        async with self._lock:
            now = self._engine.records.find(PURSUIT, pursuit.id)
            if now is None or not now.pending or now.escalated:
                return []  # the merge itself has ended it
            session, deed = self._engine.session(pursuit.subject), Deed()
            rule = await self._rule(session, pursuit.key)
            more = replace(now, attempts=now.attempts + 1, last_at=self._time[0])
            again = tried.later and rules.is_left(rule, more, *self._time, tries=_TRIES)
            after = more if again else replace(now, pending=False, escalated=not tried.fine)
            self._put(deed, after)
            if tried.off:  # whoever goes on begins anew
                deed = Deed()
                self._end(deed, session.id, (pursuit.key,))
            elif after.escalated:
                deed.events.append(_gave_up(session, after, rule, tried.why))
            try:
                await self._commit(deed)
            except Conflict:  # it was ended meanwhile
                _log.info("what became of the merge of %s is known", session.id)
                return []
            return [after] if again else []


def _gave_up(session: Session, pursuit: Pursuit, rule: Reaction, why: str) -> NewEvent:
    body = Reacted(pursuit.key, Act.ESCALATE, pursuit.attempts, pursuit.fingerprint, why)
    body = replace(body, priority=rule.priority)
    return NewEvent(EventKind.REACTION_ESCALATED, body, session.project, session.id)


async def _apart(look: Awaitable[None]) -> None:
    """One project that cannot be opened keeps the clock from no other."""
    try:
        await look
    except StoreUnavailable:
        raise
    except AoError as exc:
        _log.debug("what is late was not looked for: %s", exc.message)


def _reacted(
    session: Session, pursuit: Pursuit, rule: Reaction, act: Act, event: Event | None
) -> NewEvent:
    gave_up = act is Act.ESCALATE
    cause = told(session, pursuit.key, event, None if gave_up else for_people(rule))
    kind = EventKind.REACTION_ESCALATED if gave_up else EventKind.REACTION_TRIGGERED
    body = Reacted(pursuit.key, act, pursuit.attempts, pursuit.fingerprint, cause, rule.priority)
    return NewEvent(kind, body, session.project, session.id)
