"""Bring workers' branches up to date with their base, each in its own workspace, between turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ao_core.engine.engine import Engine
from ao_core.engine.merge import all_alone, has_workspace, is_busy, look_at_head, together, work_of
from ao_core.engine.project import Project
from ao_core.engine.records import Step
from ao_core.engine.side import collected, git_for, run_in, run_through
from ao_core.engine.trains import Report, Share, Tell, Wish, nobody
from ao_core.engine.upstream import spelled
from ao_core.errors import AoError, WrongState
from ao_core.git.catching_up import bring_up_to_date
from ao_core.git.forecast import in_conflict
from ao_core.git.joining import sweep
from ao_core.git.land import predict
from ao_core.git.repository import Git
from ao_core.git.train import Fate, Outcome
from ao_core.git.upstream import pushed
from ao_core.ids import SessionId
from ao_core.model.activity import ActivityState
from ao_core.model.event import EventKind, Merged, NewEvent
from ao_core.model.session import Session, SessionState, activity_of, is_terminal
from ao_core.model.work import Landed, Landing, MergeMethod, PullState, ReviewDecision
from ao_core.slots.scm import Trainable
from ao_core.store.records import SESSION

_FATES = {
    Landing.LANDED: Fate.LANDED,
    Landing.ALREADY: Fate.ALREADY,
    Landing.CONFLICT: Fate.CONFLICT,
}
_UNSURE = (SessionState.DETECTING, SessionState.STUCK)


async def update(
    engine: Engine, ids: Sequence[SessionId], wish: Wish, tell: Tell = nobody
) -> Report:
    """Merge the base into each branch, or rebase that onto it; a conflict goes to the worker."""
    sessions = together(engine, ids)
    return await engine.detached(lambda: _updated(engine, sessions, wish, tell))


async def _updated(engine: Engine, sessions: Sequence[Session], wish: Wish, tell: Tell) -> Report:
    project, shares = await engine.project_of(sessions[0]), list[Share]()
    await engine.upstream.tip(project, sessions[0].base, engine.clock)
    onto = spelled(project, sessions[0].base)
    for session in sessions:
        async with all_alone(engine, [session]):
            shares.append(await _Update(engine, project, wish, session.id, onto).run())
        await tell(len(shares), len(sessions), f"{session.id}: {shares[-1].fate}")
    moved = any(one.fate is Fate.LANDED for one in shares)
    outcome = Outcome.LANDED if moved else Outcome.NOTHING
    target = sessions[0].base
    return Report(target, wish.method, outcome, tuple(shares), dry_run=wish.dry_run, updated=True)


@dataclass(frozen=True, slots=True)
class _Update:
    engine: Engine
    project: Project
    wish: Wish
    id: SessionId
    onto: str  # its base, as git knows it there

    async def run(self) -> Share:
        session = await look_at_head(self.engine, self.id)
        try:
            if why := await self._hindrance(session):
                return Share(session, Fate.LEFT_OUT, why=why, blockers=(why,))
            landed = await (self._foreseen if self.wish.dry_run else self._made)(session)
        except WrongState as exc:  # it is in the middle of something
            return Share(session, Fate.LEFT_OUT, why=exc.message, blockers=(exc.message,))
        except AoError as exc:  # the others are brought up to date all the same
            return Share(session, Fate.FAILED, why=exc.message)
        return await self._share(session, landed)

    async def _hindrance(self, session: Session) -> str | None:
        if why := is_busy(session) or may_be_at_work(session):
            return why
        if not await has_workspace(session):
            return "its workspace is gone"
        return await collected(self.project, session) or await self._reviewed(session)

    async def _reviewed(self, session: Session) -> str | None:
        """A review that asks for changes holds for one commit: another of ours would end it."""
        scm = self.project.scm
        pull = await scm.find(work_of(session)) if isinstance(scm, Trainable) else None
        if pull is None or pull.state is not PullState.OPEN:
            return None
        asked = await scm.decision(pull) is ReviewDecision.CHANGES_REQUESTED
        return "a review asked for changes, which are to come first" if asked else None

    async def _made(self, session: Session) -> Landed:
        folder = Path(session.path)
        run = run_through(await self.engine.runtime_of(session), folder, session.run.handle)
        scratch = self.project.home.scratch / session.id
        await sweep(Git(run, folder), scratch)
        rebase = self.wish.method is MergeMethod.REBASE
        landed = await bring_up_to_date(
            run, folder, self.onto, scratch=scratch, rebase=rebase, session=session.id
        )
        remote = self.project.scm.remote
        if remote and landed.landing is Landing.LANDED and not rebase:
            await pushed(Git(run, folder), session.branch, remote)
        return landed

    async def _foreseen(self, session: Session) -> Landed:
        repository = self.project.repository
        run = run_in(self.project, repository)
        ahead = await predict(run, repository, session.branch, self.onto)
        if ahead.conflicts:
            return Landed(Landing.CONFLICT, conflicts=ahead.conflicts)
        return Landed(Landing.ALREADY if ahead.already else Landing.LANDED)

    async def _share(self, session: Session, landed: Landed) -> Share:
        fate = _FATES[landed.landing]
        if fate is Fate.CONFLICT and not self.wish.dry_run:
            session = await self._told(session, landed.conflicts)
        if fate is Fate.LANDED and not self.wish.dry_run:
            session = await look_at_head(self.engine, self.id)
        whom = (session.base,) if fate is Fate.CONFLICT else ()
        why = in_conflict(whom, landed.conflicts) if whom else None
        if self.wish.dry_run and fate is Fate.LANDED:
            fate = Fate.READY
        return Share(session, fate, landed.commit, landed.conflicts, whom, why)

    async def _told(self, session: Session, files: tuple[str, ...]) -> Session:
        git = git_for(self.project, self.project.repository)
        head, here = await git.branch_tip(session.branch), self.project.scm.remote is None
        onto = await git.resolve(self.onto) if here else None  # a host tells of the head alone
        body = Merged(
            session.base, self.wish.method, conflicts=files, head=head, onto=onto,
            whom=(session.base,),
        )  # fmt: skip
        event = NewEvent(EventKind.MERGE_CONFLICTS, body, session.project, session.id)
        return await self.engine.records.update(SESSION, self.id, lambda now: Step(now, (event,)))


def may_be_at_work(session: Session) -> str | None:
    """Why its files are left alone, where nobody knows that its turn has ended."""
    if is_terminal(session) or session.facts.state not in _UNSURE:
        return None
    resting = session.facts.state is SessionState.STUCK and not _in_turn(session)
    return None if resting else f"it is {session.facts.state}: its turn may not have ended"


def _in_turn(session: Session) -> bool:
    return session.turn is not None or activity_of(session) is ActivityState.ACTIVE
