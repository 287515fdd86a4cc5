"""After a start: find again what ran on, finish what was begun, and go on from there."""

import logging
from typing import cast

from ao_core.engine.engine import Engine
from ao_core.engine.evidence import interrupted, see_to
from ao_core.engine.kill import kill
from ao_core.engine.launching import adopt
from ao_core.engine.merge import work_of
from ao_core.engine.project import Project
from ao_core.engine.restore import again
from ao_core.engine.starting import carry_out, failed
from ao_core.engine.train_gates import end_left
from ao_core.engine.trains import made_before, tidied
from ao_core.errors import AoError
from ao_core.model.session import (
    Drive,
    Session,
    SessionReason,
    SessionState,
    is_terminal,
    is_waiting,
)
from ao_core.model.work import PullState
from ao_core.slots.runtime import Mourning
from ao_core.slots.scm import Trainable
from ao_core.store.records import SESSION, Intent, IntentKind, Outcome

_log = logging.getLogger(__name__)


async def recover(engine: Engine) -> None:
    """Take up every session and every act the last engine left."""
    for session in engine.live():
        try:
            await _take_up(engine, session)
        except AoError:
            _log.exception("could not take up %s", session.id)
    await engine.intents.resolve(
        {
            IntentKind.SPAWN: lambda intent: _begun(engine, intent),
            IntentKind.RESTORE: lambda intent: _begun(engine, intent),
            IntentKind.KILL: lambda intent: _killing(engine, intent),
            IntentKind.MERGE: lambda intent: _merging(engine, intent),
            IntentKind.GATES: lambda intent: interrupted(engine, intent),
        }
    )
    for session in list(engine.records.all(SESSION)):
        see_to(engine, session.id, anew=True)
    engine.nudge(*(session.id for session in engine.live()))
    engine.deliver_all()


async def _take_up(engine: Engine, session: Session) -> None:
    if is_waiting(session):  # the queue sees to it
        return
    project = await engine.project_of(session)
    engine.spools.add(session.id, project.home.spool(session.id))
    handle = session.run.handle
    if handle is None:
        return
    runtime = await engine.runtime_of(session)
    if isinstance(runtime, Mourning):
        await cast("Mourning", runtime).watch(handle)
    if session.drive is Drive.PROTOCOL:
        await engine.conversations.begin(engine, project, session, handle)


async def _begun(engine: Engine, intent: Intent) -> Outcome:
    """A start that was interrupted: adopt what runs, else do it again under the same name."""
    session = engine.session(intent.session)
    if is_waiting(session):  # an earlier start had failed
        return Outcome.FAILED
    if session.facts.state is not SessionState.NOT_STARTED or is_terminal(session):
        return Outcome.DONE if not is_terminal(session) else Outcome.FAILED
    if session.drive is Drive.PROTOCOL:  # it is open when the agent says so: nobody waits for that
        engine.tasks.start_soon(_aside, engine, session, intent)
        return Outcome.PENDING
    return await _resumed(engine, session, intent)


async def _aside(engine: Engine, session: Session, intent: Intent) -> None:
    try:
        async with engine.alone(session.id):
            outcome = await _resumed(engine, engine.session(session.id), intent)
        if outcome is not Outcome.PENDING:
            end, why = engine.intents.end, "settled after a restart"
            what = f"what became of {session.id} is noted"
            await engine.noted(lambda: end(intent.id, outcome, why), what)
    except Exception:  # one session's trouble must not end the engine
        _log.exception("what became of the start of %s is not settled", session.id)


async def _resumed(engine: Engine, session: Session, intent: Intent) -> Outcome:
    if is_terminal(session):
        return Outcome.FAILED  # somebody has ended it meanwhile
    resume = intent.kind is IntentKind.RESTORE
    try:
        project = await engine.project_of(session)
        if await _runs(engine, project, session, resume=resume):
            return Outcome.DONE
    except AoError as exc:
        await failed(engine, session.id, exc, intent.id)
        return Outcome.PENDING
    engine.tasks.start_soon(_anew, engine, session, intent)
    return Outcome.PENDING


async def _runs(engine: Engine, project: Project, session: Session, *, resume: bool) -> bool:
    runtime = await engine.runtime_of(session)
    handle = await runtime.find(session.id)
    if handle is None:
        return False
    if not await runtime.alive(handle):
        await runtime.destroy(handle)
        return False
    try:
        await adopt(engine, project, session, handle, resume=resume)
    except AoError:
        await runtime.destroy(handle)  # of a start that failed nothing runs on
        raise
    return True


async def _anew(engine: Engine, session: Session, intent: Intent) -> None:
    try:
        project = await engine.project_of(session)
        if intent.kind is IntentKind.SPAWN:
            await carry_out(engine, session.id, project, redo=True)
        else:
            async with engine.alone(session.id):
                await again(engine, session.id, project, intent.id)
    except AoError as exc:
        _log.warning("%s could not be brought up again: %s", session.id, exc.message)
    except Exception:  # nor may that one's
        _log.exception("%s could not be brought up again", session.id)


async def _killing(engine: Engine, intent: Intent) -> Outcome:
    """Killing twice does no harm, so it is simply finished."""
    session = engine.session(intent.session)
    if intent.fingerprint != str(session.generation) or session.workspace_gone:
        return Outcome.DONE  # it was done, and perhaps the session was brought back since
    reason = SessionReason(intent.detail or SessionReason.MANUALLY_KILLED)
    if reason is not SessionReason.MANUALLY_KILLED and not is_terminal(session):
        return Outcome.FAILED  # nobody asked for it; whether it is still due is judged anew
    try:
        await kill(engine, session.id, reason=reason)
    except AoError as exc:
        _log.warning("%s could not be ended: %s", session.id, exc.message)
        return Outcome.UNKNOWN
    return Outcome.PENDING


async def _merging(engine: Engine, intent: Intent) -> Outcome:
    """Git itself says whether the merge took place."""
    session = engine.session(intent.session)
    await end_left(engine, session.id)
    try:
        project = await engine.project_of(session)
        if isinstance(project.scm, Trainable):
            await cast("Trainable", project.scm).tidy()
        pull = await project.scm.find(work_of(session))
    except AoError as exc:
        _log.warning("the merge of %s cannot be judged: %s", session.id, exc.message)
        return Outcome.UNKNOWN
    if pull is None or pull.state is not PullState.MERGED:
        return Outcome.FAILED
    await tidied(project.scm, pull)
    await made_before(engine, intent, pull)
    return Outcome.DONE
