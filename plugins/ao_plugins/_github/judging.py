"""What others make of a pull request, in our words; of what failed, why, read once."""

from dataclasses import dataclass, field, replace

from ao_core.errors import RateLimited, Unavailable
from ao_core.model.judgement import Judgement
from ao_core.model.work import Check, CheckState, ReviewComment, summarise
from ao_core.plugin import Scope
from ao_plugins._conflicts import conflicting_files
from ao_plugins._github.checks import CheckRun
from ao_plugins._github.documents import REMEMBERED
from ao_plugins._github.host import GitHub
from ao_plugins._github.logs import Why, explained
from ao_plugins._github.merging import blockers
from ao_plugins._github.said import Said
from ao_plugins._github.seen import Seen
from ao_plugins._unchecked import UNCHECKED, NewHeads

_EXPLAINED = 5  # failed jobs of one commit whose logs are read
_JOBS = REMEMBERED * _EXPLAINED  # why they failed is kept of as many
_LATER = 60.0  # seconds in which no log is read, after one that could not be had just now
_LOOKS = 5  # for a log that is not there yet


@dataclass(slots=True)
class Judge:
    """Of one repository. `bots` are accounts that are programs, though GitHub does not say so."""

    github: GitHub
    scope: Scope
    new: NewHeads
    bots: frozenset[str] = frozenset()
    _why: dict[int, Why] = field(default_factory=dict[int, Why])
    _not_before: float = 0.0
    _files: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    async def of(self, seen: Seen, said: Said) -> Judgement:
        """All of it, for one head."""
        checks = await self.checks(said)
        return Judgement(
            head=said.head_ref_oid,
            checks=checks,
            decision=said.decision(self.bots),
            reviews=said.reviews(self.bots),
            comments=self.remarks(said, automated=False),
            automated=self.remarks(said, automated=True),
            conflicts=said.conflicts,
            files=await self.files(seen) if said.conflicts else (),
            mergeable=not self.blockers(seen, said, checks),
        )

    async def checks(self, said: Said) -> tuple[Check, ...]:
        """Every check by name; of the first that failed, the step and the end of its log."""
        rollup = said.status_check_rollup
        nodes = rollup.contexts.nodes if rollup else ()
        told, left = list[Check](), _EXPLAINED
        for one in sorted(nodes, key=lambda one: one.check().name):
            check = one.check()
            if check.state is CheckState.FAILED and left and isinstance(one, CheckRun):
                left -= 1
                check = replace(check, detail=await self._detail(one) or check.detail)
            told.append(check)
        if rollup and (untold := rollup.untold):
            told.append(untold)
        return tuple(told)

    def blockers(self, seen: Seen, said: Said, checks: tuple[Check, ...]) -> tuple[str, ...]:
        """All that stands in the way; also that more may be checked of what is quite new."""
        summary = summarise(checks)
        found = blockers(said, summary, self.bots)
        held = self.new.hold(said.head_ref_oid, seen.updated_at, summary)
        return (*found, UNCHECKED) if held else found

    def remarks(self, said: Said, *, automated: bool) -> tuple[ReviewComment, ...]:
        """Unresolved threads, of people or of programs."""
        return said.remarks(automated=automated, bots=self.bots)

    async def files(self, seen: Seen) -> tuple[str, ...]:
        """Those in conflict, looked up for what it was seen to be until they are found."""
        mark = seen.mark()
        if not self._files.get(mark):
            found = await conflicting_files(self.scope, seen.base_ref_name, seen.head_ref_oid)
            self._files = dict([*self._files.items(), (mark, found)][-REMEMBERED:])
        return self._files[mark]

    async def _detail(self, run: CheckRun) -> str | None:
        """Asked for until all of it is there: a log comes a moment after its job has ended."""
        if (job := run.job) is None:
            return None
        now, known = self.scope.clock.monotonic(), self._why.get(job)
        if (known is None or known.looks_left) and now >= self._not_before:
            try:
                known = await explained(self.github, job, known.looks_left if known else _LOOKS)
            except (RateLimited, Unavailable):  # the check is told without it
                self._not_before = now + _LATER
            else:
                self._why = dict([*self._why.items(), (job, known)][-_JOBS:])
        return known.said if known else None
