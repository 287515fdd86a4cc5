"""Whether a merge request may be merged, and its merge: looked at before, and after a refusal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ao_core.errors import Conflict, WrongState
from ao_core.git.forecast import in_conflict
from ao_core.model.work import Landed, Landing, Mergeability, MergeMethod, Pull, summarise
from ao_plugins._gitlab.blockers import CONFLICT, is_behind, is_waiting
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.judging import Judge
from ao_plugins._gitlab.merging import boarded, merged, rules
from ao_plugins._gitlab.rebasing import rebased
from ao_plugins._gitlab.seen import Seen
from ao_plugins._gitlab.standing import Standing
from ao_plugins._unchecked import UNCHECKED

_NEWER = "it has moved on since this was looked at"


@dataclass(frozen=True, slots=True)
class Landings:
    """Merges in one project, as the settings want them."""

    gitlab: GitLab
    standing: Standing
    judge: Judge
    delete_branch: bool
    auto_merge: bool
    was_taken_over: Callable[[int], bool]

    async def mergeability(self, pull: Pull, method: MergeMethod) -> Mergeability:
        """Whether it may be merged now, and every blocker."""
        seen = await self.standing.settled(pull.number)
        said = await self.standing.said(seen)
        checks = await self.judge.checks(await self.standing.ran(seen))
        files = await self.judge.files(seen) if seen.conflicts else ()
        own = self.judge.blockers(seen, said, checks, method)
        found = [_conflict(seen, files) if one is CONFLICT else one for one in own]
        found += [] if seen.is_open else [f"it is {seen.state} already"]
        found += [] if seen.sha == pull.head else [_NEWER]
        forbidden = (await rules(self.gitlab)).forbids(method)
        found += [forbidden] if forbidden else []
        waits = is_waiting(found)
        able = not found or self._is_for_gitlab(found)
        return Mergeability(
            able, summarise(checks), said.decision(seen), seen.conflicts, tuple(found), files,
            waiting=waits and not able, behind=is_behind(own),
        )  # fmt: skip

    async def merge(self, pull: Pull, method: MergeMethod, message: str | None) -> Landed:
        """Merge exactly `pull.head`, or say what blocks it."""
        seen = await self.standing.settled(pull.number)
        if not seen.is_open:
            return _ended(seen)
        if seen.sha != pull.head:
            raise Conflict(f"{pull.branch} has moved on", hint="Look at it again, then merge.")
        if seen.conflicts:
            files = await self.judge.files(seen)
            return Landed(Landing.CONFLICT, conflicts=files, blockers=(_conflict(seen, files),))
        said = await self.standing.said(seen)
        checks = await self.judge.checks(await self.standing.ran(seen))
        found = self.judge.blockers(seen, said, checks, method)
        rule = await rules(self.gitlab)
        if forbidden := rule.forbids(method):
            found = *found, forbidden
        if found and not self._is_for_gitlab(found):  # it minds only what its rules forbid
            return Landed(Landing.READY, blockers=found)
        if method is MergeMethod.REBASE and seen.diverged_commits_count != 0:
            after = await rebased(self.gitlab, self.standing, seen)
            if isinstance(after, str):
                return Landed(Landing.READY, blockers=(after,))
            seen = after
        if rule.merge_trains_enabled:
            return await boarded(self.gitlab, seen, squash=method is MergeMethod.SQUASH)
        return await self._merged(seen, method, message)

    async def catch_up(self, pull: Pull, *, rebase: bool) -> Pull:
        """Have GitLab rebase exactly `pull.head`: it knows no other way."""
        seen = await self.standing.current(pull.number)
        if not rebase:
            raise WrongState(
                "GitLab can rebase a branch onto its target, but not merge the target into it",
                hint="Have it rebased, or merge the target in the session's workspace.",
            )
        if seen.sha != pull.head:
            raise Conflict(f"{pull.branch} has moved on", hint="Look at it again.")
        after = await rebased(self.gitlab, self.standing, seen)
        if isinstance(after, str):
            raise Conflict(after)
        return after.pull()

    def _is_for_gitlab(self, found: Sequence[str]) -> bool:
        """Whether GitLab is to wait by itself."""
        return self.auto_merge and is_waiting(found) and UNCHECKED not in found

    async def _merged(self, seen: Seen, method: MergeMethod, message: str | None) -> Landed:
        squash = method is MergeMethod.SQUASH
        if seen.squash and not squash:  # what was once wished for is kept unless it is taken back
            path = self.gitlab.merge_request(seen.iid)
            await self.gitlab.rest.ask("PUT", path, into=object, json={"squash": False})
        how: dict[str, object] = {"sha": seen.sha, "squash": squash}
        if not self.delete_branch or not self.was_taken_over(seen.iid):
            how["should_remove_source_branch"] = self.delete_branch
        if self.auto_merge:
            how |= {"auto_merge": True, "merge_when_pipeline_succeeds": True}
        if message:
            how["squash_commit_message" if squash else "merge_commit_message"] = message
        return await merged(self.gitlab, self.standing, seen, how)


def _ended(seen: Seen) -> Landed:
    if seen.state == "merged":
        return Landed(Landing.ALREADY, seen.merged_as)
    raise WrongState(f"merge request {seen.iid} is closed")


def _conflict(seen: Seen, files: tuple[str, ...]) -> str:
    if not files:
        return f"it conflicts with {seen.target_branch}"
    return in_conflict((seen.target_branch,), files)
