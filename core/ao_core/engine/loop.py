"""The loop: every push and, as repair, every tick leads to one pass over what may have changed.

One pass takes in what hooks left, looks once at all agents of a runtime, reads what moved, decides
for each session, and commits. Its cost in subprocesses does not grow with the number of sessions.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import cast

import anyio

from ao_core.engine.case import Decided, Observation, Want
from ao_core.engine.dialogs import Dialogs
from ao_core.engine.engine import Engine
from ao_core.engine.evidence import see_to
from ao_core.engine.kill import released
from ao_core.engine.launching import launch_of
from ao_core.engine.observing import Beside, observe
from ao_core.engine.project import Project
from ao_core.engine.proofs import prove
from ao_core.engine.pull_looks import Pulls
from ao_core.engine.seeing import all_seen
from ao_core.engine.side import has_left, head_of
from ao_core.engine.signs import Signs
from ao_core.engine.spools import AT_ONCE, removed
from ao_core.engine.standing import Standings
from ao_core.engine.telling import claimed
from ao_core.engine.timekeeping import reckon
from ao_core.engine.words import OWN_WORD
from ao_core.errors import AoError
from ao_core.ids import ProjectId, SessionId
from ao_core.model.activity import Activity, ActivityState
from ao_core.model.evidence import Verdict
from ao_core.model.session import (
    GONE,
    Drive,
    RuntimeState,
    Session,
    SessionReason,
    SessionState,
    is_terminal,
    is_waiting,
)
from ao_core.slots.agent import Look
from ao_core.slots.runtime import Measurable, Mourning, Seen, Typable
from ao_core.spool import HookEvent, HookKind
from ao_core.store.records import EVIDENCE

_log = logging.getLogger(__name__)
_TICK = 10.0
_LAST_WORDS = 2.0
_FLEETING = 2.0  # a dialog that the policy answers is gone by then


class Loop:
    """Observes, decides, commits."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._outputs: dict[SessionId, str] = {}
        self._mourned: set[str] = set()
        self._asking: dict[SessionId, float] = {}
        self._pulls = Pulls(engine)
        self._dialogs = Dialogs()
        self._signs, self._standings = Signs(), Standings(engine.clock.monotonic)

    async def run(self) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear_spools)
            tasks.start_soon(self._tick)
            while True:
                dirty = await self._engine.nudged()
                await self._mourn(tasks)
                await self.look(dirty)

    async def _hear_spools(self) -> None:
        try:
            async with aclosing(self._engine.spools.changes()) as changes:
                async for session in changes:
                    self._engine.nudge(SessionId(session))
        except Exception:  # the timer still reads what hooks leave
            _log.exception("no longer told when a hook leaves something")

    async def _tick(self) -> None:
        while True:
            await anyio.sleep(_TICK)
            live = [session.id for session in self._engine.live()]
            if live:
                self._engine.nudge(*live)

    async def _mourn(self, tasks: anyio.abc.TaskGroup) -> None:
        """Hear of deaths from every runtime that tells of them."""
        for runtime in self._engine.projects.runtimes():
            if isinstance(runtime, Mourning) and runtime.name not in self._mourned:
                self._mourned.add(runtime.name)
                tasks.start_soon(self._hear_deaths, cast("Mourning", runtime))

    async def _hear_deaths(self, runtime: Mourning) -> None:
        try:
            async with aclosing(runtime.deaths()) as deaths:
                async for handle in deaths:
                    self._engine.nudge(SessionId(handle.id))
        except Exception:  # the timer still sees who has died
            _log.exception("no longer told of deaths at once")

    # -- one pass --------------------------------------------------------------------------------

    async def look(self, dirty: frozenset[SessionId]) -> None:
        """One pass over these sessions."""
        by_project: dict[ProjectId, list[Session]] = defaultdict(list)
        for session in self._engine.live():
            if session.id in dirty and not is_waiting(session):
                by_project[session.project].append(session)
        for id, sessions in by_project.items():
            try:
                await self._look_into(id, sessions)
            except Exception:  # one project's trouble must not end the loop
                _log.exception("could not look at project %s", id)

    async def _look_into(self, id: ProjectId, sessions: Sequence[Session]) -> None:
        try:
            project = await self._engine.projects.by_id(id)
        except AoError as exc:
            await self._unseen(sessions, exc)
        else:
            await self._look_at(project, sessions)

    async def _unseen(self, sessions: Sequence[Session], why: AoError) -> None:
        """Their project cannot be opened: nobody knows how they are, and that is said."""
        seen = Seen(RuntimeState.PROBE_FAILED, detail=why.message)
        for session in sessions:
            at, life = self._engine.clock.now(), session.generation
            await self._commit(session.id, Observation(at, seen, generation=life), ())

    async def _look_at(self, project: Project, sessions: Sequence[Session]) -> None:
        seen = await all_seen(self._engine, sessions)
        wants: dict[SessionId, frozenset[Want]] = {}
        for session in sessions:
            try:
                wants[session.id] = await self._one(project, session, seen.get(session.id))
            except Exception:  # nor one session's
                _log.exception("could not look at %s", session.id)
        await self._pulls.look_beside(project, self._pulls.due(project, sessions, wants))
        for id, wanted in wants.items():
            if Want.OUTBOX in wanted:
                self._engine.deliver(id)

    async def _one(self, project: Project, session: Session, seen: Seen | None) -> frozenset[Want]:
        await self._taken_up(project, session)
        agent = await self._engine.agent_of(session)
        hooks, files = self._engine.spools.read(session.id, session.consumed, agent.heard)
        hooks = await self._checked(session, hooks)
        if hooks:
            self._asking.pop(session.id, None)
        activity = None if hooks else await self._activity(project, session, seen)
        turned = _has_turned(session, hooks, activity)
        gone = seen is not None and seen.state in GONE
        if gone:
            await self._last_words(session)
        opened = any(hook.kind is HookKind.PULL_OPENED for hook in hooks)
        moved = turned or gone or opened or await self._has_lapsed(project, session)
        head = await head_of(project, session) if moved else None
        alive = seen if seen and seen.state is RuntimeState.ALIVE else None
        observation = Observation(
            self._engine.clock.now(), seen, tuple(hooks), activity, head=head,
            sign=await self._sign(session, alive, heard=bool(hooks)) if alive else None,
            standing=await self._standings.look(project, session, alive.pid) if alive else None,
            generation=session.generation,
        )  # fmt: skip
        decided = await self._commit(session.id, observation, tuple(file.name for file in files))
        if removed(files) and len(files) == AT_ONCE:  # there may be more
            self._engine.nudge(session.id)
        await self._after(session, decided.session, hooks)
        see_to(self._engine, session.id)
        due = {Want.PULL} if self._engine.is_pull_due(session.id) else set[Want]()
        return decided.wants | due

    async def _has_lapsed(self, project: Project, session: Session) -> bool:
        """Whether its branch may have left the commit that was looked at: no process is asked."""
        known = self._engine.records.find(EVIDENCE, session.id)
        if known is None or known.verdict is Verdict.STALE:
            return False
        return await has_left(project, session, known.commit)

    async def _taken_up(self, project: Project, session: Session) -> None:
        """An agent by protocol is listened to, also where the first attempt came to nothing."""
        handle, talks = session.run.handle, self._engine.conversations
        if session.drive is not Drive.PROTOCOL or not handle or talks.of(session.id) is not None:
            return
        try:
            await talks.begin(self._engine, project, session, handle)
        except AoError as exc:  # whether it lives is seen all the same
            _log.warning("%s cannot be listened to: %s", session.id, exc.message)

    async def _sign(self, session: Session, seen: Seen, *, heard: bool) -> datetime | None:
        """When something of it moved last; None where that is not clear yet."""
        now, silence = self._engine.clock.now(), self._engine.policy_of(session).silence
        sign = self._signs.seen(session, seen.output, now, heard=heard)
        moves = session.facts.state in (SessionState.WORKING, SessionState.STUCK)
        runtime, handle = await self._engine.runtime_of(session), session.run.handle
        if not moves or handle is None or not isinstance(runtime, Measurable):
            return sign
        if not self._signs.is_quiet(session, now, silence):
            return sign
        used = await cast("Measurable", runtime).metrics(handle)
        if used is None or used.busy is None:
            return sign
        return self._signs.used(session, used.busy, now)

    async def _last_words(self, session: Session) -> None:
        """What an agent said before it ended comes before its end."""
        conversation = self._engine.conversations.of(session.id)
        if conversation is not None:
            with anyio.move_on_after(_LAST_WORDS):
                await conversation.drained()

    async def _commit(
        self, id: SessionId, observation: Observation, files: tuple[str, ...]
    ) -> Decided:
        def consumed(session: Session) -> Session:
            return replace(session, consumed=files or session.consumed)

        return await observe(
            self._engine, id, observation, "the agent's hook", Beside(session=consumed)
        )

    async def _checked(self, session: Session, hooks: list[HookEvent]) -> list[HookEvent]:
        """Hooks are claims. What they say of messages and permissions goes to those books."""
        believed: list[HookEvent] = []
        for hook in hooks:
            if hook.kind is HookKind.PERMISSION_ASKED and not await self._claimed(session, hook):
                continue
            believed.append(hook)
            if hook.kind is HookKind.PERMISSION_ENDED:
                id = f"{session.id}.{hook.id}"
                await self._engine.permissions.ended(session.id, id, hook.at)
        return believed

    async def _claimed(self, session: Session, hook: HookEvent) -> bool:
        id = f"{session.id}.{hook.id}"
        tool, arguments = hook.tool or "a tool", hook.arguments or ""
        await reckon(self._engine)
        return await claimed(self._engine, session, id, tool, arguments)

    async def _activity(
        self, project: Project, session: Session, seen: Seen | None
    ) -> Activity | None:
        """What the agent's log or screen says, where something moved since the last look."""
        if seen is None or seen.state is not RuntimeState.ALIVE or session.run.handle is None:
            return None
        if session.drive is Drive.PROTOCOL:
            return None  # its protocol tells
        agent = await self._engine.agent_of(session)
        screen, runtime = None, await self._engine.runtime_of(session)
        if seen.output != self._outputs.get(session.id) and isinstance(runtime, Typable):
            self._outputs[session.id] = seen.output
            screen = await cast("Typable", runtime).screen(session.run.handle)
        launch = launch_of(self._engine, project, session)
        now = self._engine.clock.now()
        ready = self._engine.policy_of(session).ready
        look = Look(launch, True, now, session.created_at, screen, ready=ready)
        await prove(self._engine, session, agent, launch)
        claim, permissions = partial(claimed, self._engine, session), self._engine.permissions
        if await self._dialogs.look(permissions, session, agent, look, claim):
            self._outputs.pop(session.id, None)  # to be seen again, though it does not move
            self._engine.tasks.start_soon(self._look_again, session.id)
        activity = await agent.activity(look)
        return None if self._is_fleeting(session, activity) else activity

    def _is_fleeting(self, session: Session, activity: Activity | None) -> bool:
        """Whether a dialog has only just been seen, of an agent whose hooks may speak for it.

        Its hook asks for the permission at this moment, and the policy may answer at once.
        """
        known = session.activity
        asks = activity is not None and activity.state is ActivityState.WAITING_INPUT
        if not asks or (known is not None and known.source not in OWN_WORD):
            self._asking.pop(session.id, None)
            return False
        now = self._engine.clock.monotonic()
        if now - self._asking.setdefault(session.id, now) >= _FLEETING:
            return False
        self._engine.tasks.start_soon(self._look_again, session.id)
        return True

    async def _look_again(self, id: SessionId) -> None:
        await anyio.sleep(_FLEETING)
        self._engine.nudge(id)

    async def _after(self, before: Session, after: Session, hooks: Sequence[HookEvent]) -> None:
        facts = after.facts
        if facts.state is SessionState.IDLE and facts.reason is SessionReason.TURN_ENDED:
            await self._engine.permissions.lapse(after.id, facts.since)
        if is_terminal(after) and not is_terminal(before):
            await released(self._engine, after.id, "its agent ended")
            self._engine.spools.remove(after.id)
            self._outputs.pop(after.id, None)
            self._pulls.forget(after.id)
            self._asking.pop(after.id, None)
            self._dialogs.forget(after.id)
            self._signs.forget(after.id)
            self._standings.forget(after.id)


def _has_turned(session: Session, hooks: Sequence[HookEvent], activity: Activity | None) -> bool:
    """Whether its turn is over: by its hooks, or, where it has none, by what is seen of it."""
    rests = activity is not None and activity.state in (ActivityState.READY, ActivityState.IDLE)
    worked = session.facts.state in (SessionState.WORKING, SessionState.NEEDS_INPUT)
    return (rests and worked) or any(hook.kind is HookKind.TURN_ENDED for hook in hooks)
