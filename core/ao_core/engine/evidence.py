"""Done is evidence: when a worker says that it is done, the gates are run on what it committed.

Whether that is owed follows from the records alone: the worker has said so, and no evidence
answers it yet. So an engine that was killed meanwhile is no special case: the next one finds the
same, ends what is left of the gates, and runs them anew. Gates that cannot be run are tried again a
few times, and then whoever leads is told why. What came of it, what the journal is told
of it and the message to the worker are one commit. Evidence lapses with the next commit.
"""

import logging
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from ao_core.config.models import Gate
from ao_core.engine.engine import Engine
from ao_core.engine.environment import layered
from ao_core.engine.gates import (
    MARK,
    NO_GATES,
    Findings,
    Proof,
    end_strays,
    fault,
    plain_environment,
    run_gates,
)
from ao_core.engine.project import Project
from ao_core.engine.records import Records, Step
from ao_core.engine.side import head_of, run_through
from ao_core.errors import AoError
from ao_core.git.repository import Git
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, NewEvent, Shown
from ao_core.model.evidence import NONE, Evidence, GateRun, Verdict, is_at_rest, is_owed
from ao_core.model.session import Session, is_terminal
from ao_core.process import Run
from ao_core.prompt import fenced, gates_prompt
from ao_core.redact import visible
from ao_core.store.contract import Change, Put
from ao_core.store.records import (
    EVIDENCE,
    INTENT,
    SESSION,
    Delivery,
    Intent,
    IntentKind,
    Outcome,
)

_log = logging.getLogger(__name__)
_PATIENCE = timedelta(minutes=1)  # for the end of the turn in which it was said
_TOLD = 20_000  # characters of all that gates print, in one message
_LEAST, _MOST = 300, 50  # characters of one, and how many gates
_UNTIDY = "Gates count only where the workspace holds what was committed and nothing else. But:"
_ORIGIN = "gates"
_PAUSES = (10.0, 30.0, 120.0, 300.0)  # seconds, before gates that cannot be run are tried again
_AT_ONCE = max(2, os.cpu_count() or 1)  # sessions whose gates are run
_EVENT = {
    Verdict.VERIFIED: EventKind.EVIDENCE_VERIFIED,
    Verdict.FAILED: EventKind.EVIDENCE_FAILED,
    Verdict.STALE: EventKind.EVIDENCE_STALE,
    Verdict.UNVERIFIED: EventKind.EVIDENCE_UNVERIFIED,
}


def verdict_of(records: Records, session: SessionId) -> str:
    """The verdict in one word, `none` where there is no evidence."""
    known = records.find(EVIDENCE, session)
    return known.verdict if known else NONE


def see_to(engine: Engine, id: SessionId, *, anew: bool = False) -> None:
    """Run the gates of a session if that is owed and nothing speaks against it now.

    `anew`: what kept them from being run may be over, as after a start.
    """
    session = engine.session(id)
    busy = id in engine.proving or len(engine.proving) >= _AT_ONCE or engine.is_ending(id)
    if busy or not _is_due(engine, session, anew=anew):
        return
    engine.proving[id] = proof = Proof()
    engine.tasks.start_soon(_prove, engine, id, proof)


async def halt(engine: Engine, id: SessionId) -> None:
    """Call off what runs for a session, and wait until nothing of it is left."""
    if proof := engine.proving.get(id):
        proof.scope.cancel()
        await proof.over.wait()


async def interrupted(engine: Engine, intent: Intent) -> Outcome:
    """After a start: gates that the last engine ran are run again, if they are still owed."""
    id = SessionId(intent.session)
    if id in engine.proving:
        return Outcome.PENDING
    await end_strays(_mark(engine, id))
    return Outcome.FAILED


def lapsing(
    records: Records, session: Session, head: str | None
) -> tuple[Session, Sequence[Change], Sequence[NewEvent]]:
    """What becomes of the evidence once the branch is seen at `head`, and of the word it is for."""
    known = records.find(EVIDENCE, session.id)
    if known is None or known.verdict is Verdict.STALE or head in (None, known.commit):
        return session, (), ()
    if known.put_off:  # nothing was looked at yet
        return session, (), ()
    stale = replace(known, verdict=Verdict.STALE, why=f"it was for {known.commit[:12]}")
    if session.done == known.claimed:
        session = replace(session, done=None, unproved=None)
    put = Put(EVIDENCE, session.id, stale, records.revision(EVIDENCE, session.id))
    return session, (put,), (_event(session, stale),)


def _is_due(engine: Engine, session: Session, *, anew: bool) -> bool:
    known = engine.records.find(EVIDENCE, session.id)
    if session.done is None or not is_owed(session, known):
        return False
    if known is not None and known.claimed == session.done and not anew:  # they were put off
        return _since(engine, known.at).total_seconds() >= _pause(known)
    return is_at_rest(session) or _since(engine, session.done) > _PATIENCE


def _pause(known: Evidence) -> float:
    return _PAUSES[min(known.tries, len(_PAUSES)) - 1]


def _since(engine: Engine, moment: datetime) -> timedelta:
    return engine.clock.course.elapsed(moment, engine.clock.now())


def _mark(engine: Engine, id: SessionId) -> str:
    return f"{engine.home.id}/{id}"


def _event(session: Session, found: Evidence) -> NewEvent:
    failed = tuple(run.name for run in found.failures)
    body = Shown(found.commit, len(found.runs), failed, found.why)
    return NewEvent(_EVENT[found.verdict], body, session.project, session.id)


# -- the act ---------------------------------------------------------------------------------------


async def _prove(engine: Engine, id: SessionId, proof: Proof) -> None:
    try:
        with proof.scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_call_off, engine, id, proof)
                await _answer(engine, id)
                tasks.cancel_scope.cancel()
    except Exception:  # one session's trouble must not end the engine
        _log.exception("what %s has done could not be looked at", id)
    finally:
        engine.proving.pop(id, None)
        proof.over.set()
    for one in list(engine.records.all(SESSION)):  # who waited for room
        see_to(engine, one.id)
    known = engine.records.find(EVIDENCE, id)
    if known is not None and known.put_off and id not in engine.proving:
        engine.tasks.start_soon(_later, engine, id, _pause(known))
    if proof.scope.cancelled_caught:
        await engine.patiently(lambda: _close(engine, id), f"the gates of {id} are called off")


async def _later(engine: Engine, id: SessionId, pause: float) -> None:
    """Nobody else looks at one that has ended."""
    await engine.clock.sleep(pause)
    if engine.records.find(SESSION, id) is not None:
        see_to(engine, id)


async def _call_off(engine: Engine, id: SessionId, proof: Proof) -> None:
    """Once the worker goes on, nobody wants to know any more."""
    await engine.records.until(lambda: True if engine.session(id).done is None else None)
    proof.scope.cancel()


async def _close(engine: Engine, id: SessionId) -> None:
    for intent in engine.records.of_session(INTENT, id):
        if intent.kind is IntentKind.GATES and id not in engine.proving:
            await engine.intents.end(intent.id, Outcome.FAILED, "called off")


async def _answer(engine: Engine, id: SessionId) -> None:
    session = engine.session(id)
    try:
        found = await _findings(engine, session)
        highest = await engine.best_receipt(session)
    except AoError as exc:
        _log.warning("the gates of %s could not be run: %s", id, exc.message)
        found, highest = _nothing(session, exc.message), Delivery.SUBMITTED
    except Exception:  # it must not be tried for ever, either
        _log.exception("the gates of %s could not be run", id)
        found, highest = _nothing(session, "the engine's log has the reason"), Delivery.SUBMITTED
    what = f"what came of the gates of {id} is noted"
    await engine.patiently(lambda: _note(engine, session, found, highest), what)
    engine.deliver(id)


def _nothing(session: Session, why: str) -> Findings:
    last = session.commits[-1] if session.commits else session.base_commit
    why = visible(f"the gates could not be run: {why}", 500)
    return Findings(last, "", Verdict.UNVERIFIED, why=why, unrun=True)


async def _findings(engine: Engine, session: Session) -> Findings:
    project = await engine.project_of(session)
    commit = await head_of(project, session) or session.base_commit
    gates, folder = project.settings.gates, Path(session.path)
    if not gates:
        return Findings(commit, "", Verdict.UNVERIFIED, why=NO_GATES)
    if not await anyio.Path(folder).is_dir():
        return _nothing(session, "its workspace is gone")
    run = run_through(await engine.runtime_of(session), folder, session.run.handle)
    known = engine.records.find(EVIDENCE, session.id)
    if known and _still_holds(known, commit, gates) and not await fault(Git(run, folder), commit):
        return Findings(commit, known.tree, known.verdict, known.runs)
    return await _run(engine, project, session, run, commit)


def _still_holds(known: Evidence, commit: str, gates: Sequence[Gate]) -> bool:
    same = [run.command for run in known.runs] == [gate.command for gate in gates]
    return known.verdict is Verdict.VERIFIED and known.commit == commit and same


async def _run(
    engine: Engine, project: Project, session: Session, run: Run, commit: str
) -> Findings:
    mark = _mark(engine, session.id)
    put = engine.intents.beginning(IntentKind.GATES, session.id, commit)
    before = engine.records.find(INTENT, put.id)
    if before is not None and before.outcome is Outcome.PENDING:
        await end_strays(mark)
    await engine.patiently(lambda: engine.records.commit([put]), "the gates begin")
    settings = project.settings
    secret = {*settings.credentials, *settings.secret_env, *session.credentials}
    clean = engine.projects.redactor.clean
    shell = layered({}, engine.granted(session.id), engine.login())
    env = plain_environment(shell, settings.env, secret, clean) | {MARK: mark}
    folder = Path(session.path)
    return await run_gates(settings.gates, run, folder, commit, engine.clock, env=env, clean=clean)


# -- what came of it -------------------------------------------------------------------------------


async def _note(engine: Engine, then: Session, found: Findings, highest: Delivery) -> None:
    """Commit the evidence, its event, the end of the act, and what the worker is told."""

    def step(now: Session) -> Step:
        known, claimed = engine.records.find(EVIDENCE, now.id), now.done or then.done
        evidence = Evidence(
            now.id, found.commit, found.tree, found.verdict, engine.clock.now(), found.runs,
            found.why, claimed, ungated=found.why == NO_GATES,
            tries=_tries(known, claimed) + 1 if found.unrun else 0,
        )  # fmt: skip
        again = known is not None and known.told and _grounds(known) == _grounds(evidence)
        mendable = bool(_complaints(evidence)) and now.done is not None and not is_terminal(now)
        evidence = replace(evidence, told=mendable or again)
        put = Put(EVIDENCE, now.id, evidence, engine.records.revision(EVIDENCE, now.id))
        told, events = _telling(engine, now, evidence, highest) if mendable > again else ((), ())
        ended = _ended(engine, now.id, found.commit)
        known_already = evidence.put_off and evidence.tries > 1
        news = () if known_already else (_event(now, evidence), *events)
        after = replace(now, unproved=evidence.why if evidence.given_up else None)
        return Step(after, news, (put, *ended, *told))

    await engine.records.update(SESSION, then.id, step)


def _tries(known: Evidence | None, claimed: datetime | None) -> int:
    """How often they could not be run before, for the same word."""
    return known.tries if known is not None and known.claimed == claimed else 0


def _ended(engine: Engine, id: SessionId, commit: str) -> Sequence[Change]:
    records, at = engine.records, engine.clock.now()
    intent = records.find(INTENT, f"{IntentKind.GATES}/{id}/{commit}")
    if intent is None or intent.outcome is not Outcome.PENDING:
        return ()
    done = replace(intent, outcome=Outcome.DONE, ended_at=at)
    return (Put(INTENT, intent.id, done, records.revision(INTENT, intent.id)),)


def _telling(
    engine: Engine, session: Session, found: Evidence, highest: Delivery
) -> tuple[Sequence[Change], Sequence[NewEvent]]:
    text = gates_prompt(found.commit[:12], _complaints(found))
    message = engine.outbox.compose(session, text, _ORIGIN, highest=highest)
    put, event = engine.outbox.queueing(session, message)
    return (put,), (event,)


def _grounds(found: Evidence) -> tuple[object, ...]:
    """What a worker is told only once."""
    return found.commit, found.verdict, found.why, [run.name for run in found.failures]


def _complaints(found: Evidence) -> Sequence[str]:
    """What is wrong, as far as a worker can mend it. What others have said is fenced."""
    if found.verdict is Verdict.VERIFIED or not found.tree:
        return ()
    untidy = [f"{_UNTIDY}\n\n{fenced(found.why)}"] if found.why else []
    failures, room = found.failures, _TOLD // max(1, len(found.failures))
    return (*untidy, *(_failure(run, max(_LEAST, room)) for run in failures[:_MOST]))


def _failure(run: GateRun, room: int) -> str:
    command = visible(shlex.join(run.command), 300)
    head = f"Gate `{visible(run.name, 80)}` (`{command}`) {run.ending}."
    return f"{head} The end of what it said:\n\n{fenced(run.tail[-room:])}" if run.tail else head
