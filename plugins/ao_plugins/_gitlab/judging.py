"""What others make of merge requests, asked anew only where something may have changed.

Approvals, reviewers and threads are asked when the mark of a merge request has changed; its jobs
when a pipeline of it has, or as long as one has not ended. That a thread is settled changes no
mark: so some of those that had one open are asked in each pass, by turns.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio

from ao_core.errors import PluginError, Unavailable
from ao_core.http import Urgency
from ao_core.model.judgement import Judgement
from ao_core.model.work import Check, CheckState, MergeMethod, summarise
from ao_core.plugin import Scope
from ao_plugins._conflicts import conflicting_files
from ao_plugins._gitlab.asking import Asking
from ao_plugins._gitlab.blockers import blockers
from ao_plugins._gitlab.checks import Ran
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.logs import ending
from ao_plugins._gitlab.looking import Looks
from ao_plugins._gitlab.pipelines import Pipelines
from ao_plugins._gitlab.said import Said
from ao_plugins._gitlab.seen import Seen
from ao_plugins._unchecked import UNCHECKED, NewHeads

THREADS = 10  # merge requests whose threads are asked for again in one pass
_EXPLAINED = 5  # failed jobs of one commit whose traces are read
_REMEMBERED = 300
_UNSETTLED = frozenset({CheckState.PENDING, CheckState.RUNNING})
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    mark: str = ""
    word: str | None = None
    sha: str | None = None
    said: Said | None = None
    ran: tuple[Ran, ...] | None = None
    asked: int = 0  # the pass in which its threads were

    def holds(self, seen: Seen) -> bool:
        """Whether what was said is still all, as far as can be seen."""
        same = self.word is None or seen.word() in (None, self.word)
        return same and self.mark == seen.mark()


@dataclass(slots=True)
class Judge:
    """Of one project."""

    gitlab: GitLab
    scope: Scope
    new: NewHeads
    looks: Looks
    asking: Asking
    pipelines: Pipelines
    _known: dict[int, _Known] = field(default_factory=dict[int, _Known])
    _pass: int = 0
    _why: dict[str, str] = field(default_factory=dict[str, str])
    _files: dict[int, tuple[str, tuple[str, ...]]] = field(
        default_factory=dict[int, tuple[str, tuple[str, ...]]]
    )

    async def of(self, some: Sequence[Seen]) -> Mapping[int, Judgement]:
        """All that is made of these; what could not be asked is left out."""
        self._outdate(await self.pipelines.news())
        self._pass += 1
        for seen in self._by_turns(some):
            self._known[seen.iid].said = None
        found = dict[int, Judgement]()

        async def one(seen: Seen) -> None:
            try:
                found[seen.iid] = await self._judged(seen)
            except PluginError as exc:
                _log.info("what is made of !%s: %s", seen.iid, exc)

        async with anyio.create_task_group() as group:
            for seen in some:
                group.start_soon(one, seen)
        self._known = dict(list(self._known.items())[-_REMEMBERED:])
        return found

    async def checks(self, ran: Sequence[Ran]) -> tuple[Check, ...]:
        """Every check by name; of the first that failed, the end of its trace."""
        told, left = list[Check](), _EXPLAINED
        for one in ran:
            check = one.check
            if one.job is not None and left:
                left -= 1
                detail = "\n".join(filter(None, (check.detail, await self._ending(one.job))))
                check = replace(check, detail=detail or None)
            told.append(check)
        return tuple(told)

    def blockers(
        self, seen: Seen, said: Said, checks: tuple[Check, ...], method: MergeMethod | None = None
    ) -> tuple[str, ...]:
        """All that stands in the way; also that more may be checked of what is quite new."""
        summary = summarise(checks)
        found = blockers(seen, said, summary, method)
        held = self.new.hold(seen.sha or "", seen.updated_at, summary)
        return (*found, UNCHECKED) if held else found

    async def files(self, seen: Seen) -> tuple[str, ...]:
        """Those in conflict."""
        return await conflicting_files(self.scope, seen.target_branch, seen.sha or "")

    def _outdate(self, news: frozenset[str]) -> None:
        for number, known in self._known.items():
            if known.sha in news or f"!{number}" in news:
                known.ran = None

    def _by_turns(self, some: Sequence[Seen]) -> list[Seen]:
        """Those whose open threads were asked for longest ago."""
        held = [one for one in some if (known := self._known.get(one.iid)) and _has_open(known)]
        return sorted(held, key=lambda one: self._known[one.iid].asked)[:THREADS]

    async def _judged(self, seen: Seen) -> Judgement:
        known = self._known.setdefault(seen.iid, _Known())
        if known.said is None or not known.holds(seen):
            known.said = await self.asking.said(seen, Urgency.REFRESH)
            known.mark, known.asked = seen.mark(), self._pass
        known.word = known.word if seen.word() is None else seen.word()
        known.ran = known.ran if seen.is_here else None  # pipelines of a fork are no news here
        if known.ran is None or known.sha != seen.sha or _runs(known.ran):
            known.ran, known.sha = await self._ran(seen), seen.sha
        return await self._judgement(seen, known.said, known.ran)

    async def _ran(self, seen: Seen) -> tuple[Ran, ...]:
        whole = await self.looks.alone(seen.iid, Urgency.REFRESH)
        if whole is None or whole.sha != seen.sha:
            raise Unavailable(f"!{seen.iid} has moved on since it was looked at")
        return await self.pipelines.ran(whole, Urgency.REFRESH)

    async def _judgement(self, seen: Seen, said: Said, ran: Sequence[Ran]) -> Judgement:
        checks = await self.checks(ran)
        return Judgement(
            head=seen.sha or "",
            checks=checks,
            decision=said.decision(seen),
            reviews=said.reviews(seen),
            comments=said.comments,
            automated=said.automated,
            conflicts=seen.conflicts,
            files=await self._told_before(seen),
            mergeable=not self.blockers(seen, said, checks),
        )

    async def _told_before(self, seen: Seen) -> tuple[str, ...]:
        """Those in conflict, looked up once as long as it conflicts."""
        if not seen.conflicts or not seen.sha:
            self._files.pop(seen.iid, None)
            return ()
        if self._files.get(seen.iid, ("", ()))[0] != seen.sha:
            found = seen.sha, await self.files(seen)
            self._files = dict([*self._files.items(), (seen.iid, found)][-_REMEMBERED:])
        return self._files[seen.iid][1]

    async def _ending(self, job: str) -> str | None:
        """Read once."""
        if job in self._why:
            return self._why[job]
        why = await ending(self.gitlab, job)
        if why is not None:
            self._why = dict([*self._why.items(), (job, why)][-_REMEMBERED:])
        return why


def _has_open(known: _Known) -> bool:
    return known.said is not None and bool(known.said.comments or known.said.automated)


def _runs(ran: Sequence[Ran]) -> bool:
    return any(one.check.state in _UNSETTLED for one in ran)
