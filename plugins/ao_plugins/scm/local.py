"""Pull requests without a forge: a branch and a record. `merged` is read from git.

https://git-scm.com/docs/git-merge-tree

A merge by hand counts as soon as the target contains the head; a squash or rebase counts where it
was made here. The number of git calls does not grow with the number of idle sessions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import anyio
import anyio.to_thread

from ao_core.errors import AoError, ConfigError, Conflict, NotFound, WrongState
from ao_core.git.forecast import in_conflict
from ao_core.git.land import land, predict
from ao_core.git.repository import Git
from ao_core.git.train import TrainResult
from ao_core.ids import branch_name, home_id, new_id, session_id
from ao_core.model.work import (
    Check,
    ChecksSummary,
    Landed,
    Landing,
    Mergeability,
    MergeMethod,
    Pull,
    PullState,
    Review,
    ReviewComment,
    ReviewDecision,
)
from ao_core.plugin import Config, Manifest, Scope
from ao_core.redact import visible
from ao_core.slots.scm import BatchObservable, Journey, Reviewable, Rider, Scm, Trainable, WorkRef
from ao_plugins import _reviewing as reviewing
from ao_plugins._branches import Size, View, look, size
from ao_plugins._pull_record import PullRecord, PullRecords
from ao_plugins._riding import Station

_TITLE_LIMIT = 300


class LocalScmConfig(Config):
    """Nothing to set: everything is in the repository."""


class LocalScm(Scm[LocalScmConfig], BatchObservable, Trainable, Reviewable):
    """The pull requests of a local repository."""

    manifest = Manifest("local", "scm", "Pull requests as branches of the repository", "1.0.0")
    config_type = LocalScmConfig

    def __init__(self, config: LocalScmConfig, scope: Scope) -> None:
        super().__init__(config, scope)
        self._records = PullRecords(scope.state / "pulls")
        self._lock = anyio.Lock()
        self._station = Station(self._records, self._lock, scope.state / "scratch")

    async def find(self, work: WorkRef) -> Pull | None:
        """The pull request of this work; its record is made with the first commit of its own."""
        async with self._lock:
            return self._shown(await self._settle(await self._look({work.base}), work))

    async def get(self, number: int) -> Pull | None:
        """One pull request as git has it now."""
        async with self._lock:
            record = self._records.all().get(number)
            if record is not None and record.state is PullState.OPEN:
                record = await self._refresh(await self._look({record.base}), record)
            return self._shown(record)

    async def observe(self, works: Sequence[WorkRef]) -> Mapping[str, Pull | None]:
        """The pull request of each session, from one look."""
        found = dict[str, Pull | None]()
        async with self._lock:
            view = await self._look({work.base for work in works})
            for work in works:
                try:
                    found[work.session] = self._shown(await self._settle(view, work))
                except AoError:
                    continue  # the contract: what could not be seen is left out
        return found

    async def merge(self, pull: Pull, method: MergeMethod, *, message: str | None = None) -> Landed:
        """Merge exactly `pull.head`, or say what blocks it."""
        record = await self._current(pull)
        if record.state is PullState.MERGED:
            return Landed(Landing.ALREADY, record.merged_as)
        if record.state is PullState.CLOSED:
            raise WrongState(f"pull request {pull.number} is closed")
        tip = await self._git.branch_tip(record.branch)
        if not tip == record.head == pull.head:
            raise Conflict(f"{record.branch} has moved on", hint="Look at it again, then merge.")
        landed = await land(
            self.scope.run, self._git.path, target=record.base, head=pull.head, method=method,
            message=message or f"{record.title} (#{record.number})",
            home=home_id(self.scope.home), train_id=new_id("train"),
            scratch=self.scope.state / "scratch", session=session_id(record.session),
        )  # fmt: skip
        if landed.landing in (Landing.LANDED, Landing.ALREADY):
            changes = {"state": PullState.MERGED, "merged_as": landed.commit, "head": pull.head}
            await self._put(record, **changes)
        elif landed.landing is Landing.READY and landed.commit:
            await self._put(record, ready=landed.commit)
        return landed

    async def close(self, pull: Pull) -> None:
        """Close without merging; the branch stays."""
        record = await self._current(pull)
        if record.state is PullState.OPEN:
            await self._put(record, state=PullState.CLOSED)

    async def checks(self, pull: Pull) -> tuple[Check, ...]:
        """No checks are run for a local branch."""
        return ()

    async def reviews(self, pull: Pull) -> tuple[Review, ...]:
        """Every review, oldest first."""
        return reviewing.reviews(await self._current(pull))

    async def decision(self, pull: Pull) -> ReviewDecision:
        """What the reviews of its last commit amount to. Nobody has to review."""
        return reviewing.decision(await self._current(pull))

    async def pending_comments(self, pull: Pull) -> tuple[ReviewComment, ...]:
        """The remarks on its last commit."""
        return reviewing.pending(await self._current(pull))

    async def automated_comments(self, pull: Pull) -> tuple[ReviewComment, ...]:
        """No remarks are kept."""
        return ()

    async def mergeability(self, pull: Pull, method: MergeMethod) -> Mergeability:
        """Whether it may be merged now, from a merge in memory."""
        blockers = [*await self.objections(pull)]
        conflicts: tuple[str, ...] | None = None
        try:
            ahead = await predict(self.scope.run, self._git.path, pull.base, pull.head)
            conflicts = ahead.conflicts
            blockers += [in_conflict((pull.base,), conflicts)] if conflicts else []
        except (NotFound, WrongState) as exc:
            blockers.append(exc.message)
        found = None if conflicts is None else bool(conflicts)
        words = ChecksSummary.NONE, await self.decision(pull)
        return Mergeability(not blockers, *words, found, tuple(blockers), conflicts or ())

    async def objections(self, pull: Pull) -> tuple[str, ...]:
        """That it is over, has moved, or somebody wants it changed."""
        record = await self._current(pull)
        found: list[str] = []
        if record.state is not PullState.OPEN:
            found.append(f"it is {record.state} already")
        if await self._git.branch_tip(record.branch) != pull.head:
            found.append(f"{record.branch} has moved on since this was looked at")
        if reviewing.decision(record) is ReviewDecision.CHANGES_REQUESTED:
            found.append("a review asked for changes, and nothing was committed since")
        return tuple(found)

    async def ride(self, riders: Sequence[Rider], journey: Journey) -> TrainResult:
        """Merge exactly these heads into their common base, as far as they can be."""
        return await self._station.ride(self._git, home_id(self.scope.home), riders, journey)

    async def tidy(self) -> None:
        """Remove the scratch trees of an engine that was killed."""
        await self._station.sweep(self._git)

    async def review(self, pull: Pull, review: Review, comments: Sequence[ReviewComment]) -> None:
        """Keep a review of exactly `pull.head`."""
        await self._current(pull)
        async with self._lock:
            record = self._records.all()[pull.number]
            changed = reviewing.reviewed(record, pull.head, review, comments)
            if changed is not record:
                await anyio.to_thread.run_sync(self._records.put, changed)

    @property
    def _git(self) -> Git:
        if self.scope.repository is None:
            raise ConfigError("the local scm needs a repository", hint="Set the project's `path`.")
        return Git(self.scope.run, self.scope.repository)

    async def _look(self, bases: set[str]) -> View:
        return await look(self._git, bases)

    async def _settle(self, view: View, work: WorkRef) -> PullRecord | None:
        """Bring the record of this work up to date with what was seen."""
        record = self._records.latest(work.session, work.branch)
        if record is not None and record.state is PullState.OPEN:
            record = await self._refresh(view, record)
        tip = view.tips.get(work.branch)
        if tip is None or not view.has_work(work, tip) or (record and record.head == tip):
            return record
        lines = await size(self._git, view.bases[work.base], tip)
        if record is not None and record.state is PullState.OPEN:
            return await self._put(record, head=tip, base=work.base, ready=None, **asdict(lines))
        return await self._open(work, tip, lines)

    async def _open(self, work: WorkRef, tip: str, lines: Size) -> PullRecord:
        title = " ".join(visible(work.title, _TITLE_LIMIT).split()) or work.branch
        record = PullRecord(
            number=self._records.next_number(),
            session=session_id(work.session),
            branch=branch_name(work.branch),
            base=branch_name(work.base),
            head=tip,
            title=title,
            additions=lines.additions,
            deletions=lines.deletions,
        )
        return await self._put(record)

    async def _refresh(self, view: View, record: PullRecord) -> PullRecord:
        """Read from git whether an open one has been merged, or its branch deleted."""
        tip, base = view.tips.get(record.branch), view.bases.get(record.base)
        base = base or view.tips.get(record.base)
        if base and record.ready and await self._contains(base, record.ready):
            return await self._put(record, state=PullState.MERGED, merged_as=record.ready)
        if base and await self._is_in(view, record, tip, base):
            return await self._put(record, state=PullState.MERGED)
        return record if tip else await self._put(record, state=PullState.CLOSED)

    async def _is_in(self, view: View, record: PullRecord, tip: str | None, base: str) -> bool:
        if tip and record.head == tip and record.base in view.contained:
            return not view.ahead(tip, record.base)
        return await self._contains(base, record.head)

    async def _contains(self, base: str, commit: str) -> bool:
        args = ("merge-base", "--is-ancestor", commit, base)
        # 128: the commit is gone altogether
        return (await self._git.call(*args, ok=(0, 1, 128))).status == 0

    async def _current(self, pull: Pull) -> PullRecord:
        await self.get(pull.number)
        record = self._records.all().get(pull.number)
        if record is None:
            raise NotFound(f"there is no pull request {pull.number}")
        return record

    async def _put(self, record: PullRecord, **facts: object) -> PullRecord:
        changed = record.model_copy(update=facts)
        return await anyio.to_thread.run_sync(self._records.put, changed)

    def _shown(self, record: PullRecord | None) -> Pull | None:
        path: Path | None = self._records.path(record.number).absolute() if record else None
        return record.pull(path.as_uri()) if record and path else None
