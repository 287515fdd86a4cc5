"""Whether a pull request may be merged, and its merge: looked at before, and after a refusal."""

from dataclasses import dataclass

from ao_core.errors import PluginError, Unavailable, WrongState
from ao_core.git.forecast import in_conflict
from ao_core.model.work import Landed, Landing, Mergeability, MergeMethod, Pull, summarise
from ao_plugins._github import documents
from ao_plugins._github.host import GitHub
from ao_plugins._github.judging import Judge
from ao_plugins._github.merging import (
    CONFLICTS,
    QUEUED,
    handed_over,
    is_behind,
    is_for_github,
    is_next,
    is_waiting,
    merged,
    moved_on,
    queued,
    without_branch,
)
from ao_plugins._github.seen import Seen
from ao_plugins._github.standing import Standing

_NEWER = "it has moved on since this was looked at"


@dataclass(frozen=True, slots=True)
class Landings:
    """Merges in one repository, as the settings want them."""

    github: GitHub
    standing: Standing
    judge: Judge
    delete_branch: bool
    auto_merge: bool

    async def mergeability(self, pull: Pull) -> Mergeability:
        """Whether it may be merged now, and every blocker."""
        seen, said = await self.standing.settled(pull.number)
        checks = await self.judge.checks(said)
        files = await self.judge.files(seen) if said.conflicts else ()
        own = self.judge.blockers(seen, said, checks)
        found = [one for one in own if one != CONFLICTS]
        found += [_conflict(seen, files)] if said.conflicts else []
        found = found if seen.state == "OPEN" else [f"it is {seen.state.lower()} already"]
        found += [] if seen.head_ref_oid == pull.head else [_NEWER]
        left = tuple(found)
        able = not left or (self.auto_merge and is_for_github(said, left))
        return Mergeability(
            able, summarise(checks), said.decision(self.judge.bots), said.conflicts, left, files,
            waiting=is_waiting(left) and not able, behind=is_behind(own),
            promised=QUEUED in left and _NEWER not in left,
        )  # fmt: skip

    async def merge(self, pull: Pull, method: MergeMethod, message: str | None) -> Landed:
        """Merge exactly `pull.head`, or say what blocks it."""
        seen, said = await self.standing.settled(pull.number)
        if seen.state != "OPEN":
            return await self._ended(seen, pull.head)
        if seen.head_ref_oid != pull.head:
            raise moved_on(seen)
        if said.conflicts:
            files = await self.judge.files(seen)
            return Landed(Landing.CONFLICT, conflicts=files, blockers=(_conflict(seen, files),))
        found = self.judge.blockers(seen, said, await self.judge.checks(said))
        if self.auto_merge and is_for_github(said, found):
            return await handed_over(self.github, seen, method, message)
        if found:  # GitHub itself minds only what its rules forbid
            return Landed(Landing.READY, blockers=found, promised=QUEUED in found)
        landed = await self._merged(seen, method, message)
        if landed.landing is Landing.LANDED and self.delete_branch:
            await self._tidied(seen)
        return landed

    async def catch_up(self, pull: Pull, *, rebase: bool) -> Pull:
        """Have GitHub bring its target into exactly `pull.head`."""
        seen = await self.standing.current(pull.number)
        if seen.head_ref_oid != pull.head:
            raise moved_on(seen)
        given = {"id": seen.id, "head": pull.head, "method": "REBASE" if rebase else "MERGE"}
        await self.github.graph.ask(documents.CATCH_UP, given, into=object)
        after = await self.standing.beyond(pull.number, pull.head)
        moved = after.head_ref_oid != pull.head
        if moved and not rebase and not await is_next(self.github, pull.head, after.head_ref_oid):
            raise moved_on(after)
        return after.pull()

    async def tidied(self, pull: Pull) -> None:
        """What is left of its merge is removed."""
        await self._ended(await self.standing.current(pull.number), pull.head)

    async def _merged(self, seen: Seen, method: MergeMethod, message: str | None) -> Landed:
        """A reply may be lost although it was done, and who asks again is refused: so it is looked
        at again before any word.
        """
        try:
            landed = await merged(self.github, seen, method, message)
        except Unavailable:
            if found := await self._found(seen):
                return found
            raise
        if landed.landing is Landing.LANDED or seen.is_merge_queue_enabled:
            return landed
        return await self._found(seen) or landed

    async def _found(self, seen: Seen) -> Landed | None:
        """What was merged or put in line although nobody heard so; None if it was not."""
        after = await self.standing.current(seen.number)
        if after.state != "MERGED":
            return queued() if after.is_in_merge_queue else None
        ours = after.head_ref_oid == seen.head_ref_oid
        return Landed(Landing.LANDED if ours else Landing.ALREADY, after.merged_as)

    async def _ended(self, seen: Seen, head: str) -> Landed:
        """An engine that was killed may have merged it, and left its branch."""
        if seen.state != "MERGED":
            raise WrongState(f"pull request {seen.number} is closed")
        if self.delete_branch and seen.head_ref_oid == head:
            await self._tidied(seen)
        return Landed(Landing.ALREADY, seen.merged_as)

    async def _tidied(self, seen: Seen) -> None:
        """The merge stands, whatever becomes of the branch: whoever else is on it, or is to be
        merged into it, would be closed with it.
        """
        try:
            if repository := await self.standing.spare_in(seen):
                await without_branch(self.github, repository, seen)
        except PluginError:
            return


def _conflict(seen: Seen, files: tuple[str, ...]) -> str:
    return in_conflict((seen.base_ref_name,), files)
