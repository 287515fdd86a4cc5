"""Merge requests on GitLab: gitlab.com, or a server of one's own.

https://docs.gitlab.com/api/merge_requests/

A merge request is a session's if it is on its branch in this very project and has had a commit of
the session's as its head. It is only ever named by the number that people see.

A pass over fifty that nothing happened to costs two calls: the list of what is open, and that of
the pipelines which changed, neither sent again where it has not. Sessions without an open one cost
one call more for all of them: the list of what changed since; and a branch is asked for once. One
with open threads costs one more, ten of them at most in a pass. One that changed costs two or
three, for its approvals, reviewers and threads; one whose pipeline has changed or has not ended, or
is a fork's, costs four, for itself, its jobs, the pipelines these started, and the statuses of
others.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import anyio
import anyio.to_thread
from pydantic import Field

from ao_core.allowance import acting
from ao_core.errors import Unavailable
from ao_core.git.origin import REMOTE
from ao_core.http import Urgency
from ao_core.model.judgement import Judgement
from ao_core.model.work import (
    Check,
    Landed,
    Mergeability,
    MergeMethod,
    Pull,
    PullState,
    Review,
    ReviewComment,
    ReviewDecision,
)
from ao_core.plugin import Manifest
from ao_core.slots.scm import (
    Amendment,
    Authoring,
    BatchObservable,
    Claimable,
    Judging,
    Scm,
    Updating,
    WorkRef,
)
from ao_plugins._claims import Claims
from ao_plugins._delivered import WebhookSettings
from ao_plugins._gitlab.asking import Asking
from ao_plugins._gitlab.authoring import Authoring as Author
from ao_plugins._gitlab.finding import Finding
from ao_plugins._gitlab.hooks import GitLabHooks, HookPlace
from ao_plugins._gitlab.host import Hosted, gitlab
from ao_plugins._gitlab.judging import Judge
from ao_plugins._gitlab.landing import Landings
from ao_plugins._gitlab.looking import Looks
from ao_plugins._gitlab.people import People
from ao_plugins._gitlab.pipelines import Pipelines
from ao_plugins._gitlab.seen import Seen
from ao_plugins._gitlab.standing import Standing
from ao_plugins._lost_reply import LostReplies
from ao_plugins._unchecked import NewHeads


class GitLabScmConfig(Hosted, WebhookSettings):
    """Settings for merge requests on GitLab."""

    delete_branch: bool = True  # once it is merged
    checks_within: Annotated[float, Field(ge=0, le=3_600)] = 30.0  # seconds until some begin
    auto_merge: bool = False  # what only has to wait is handed over to GitLab
    bots: Annotated[tuple[str, ...], Field(max_length=100)] = ()  # accounts that are programs


class GitLabScm(
    Scm[GitLabScmConfig], GitLabHooks, BatchObservable, Judging, Claimable, Updating, Authoring
):  # fmt: skip
    """The merge requests of one project on GitLab."""

    manifest = Manifest("gitlab", "scm", "Merge requests on GitLab", "1.0.0")
    config_type = GitLabScmConfig
    remote = REMOTE

    async def open(self) -> None:
        """Find out which project this is, and who signs in."""
        self._gitlab = host = await self._stack.enter_async_context(gitlab(self.config, self.scope))
        self._hooks = HookPlace(host, self.config.webhook_secret, self.scope.environment)
        looks, pipelines = Looks(host), Pipelines(host)
        people = People(host, frozenset(self.config.bots))
        asking = Asking(host, people)
        claims = await anyio.to_thread.run_sync(Claims, self.scope.state / "pulls.json")
        self._found = Finding(looks, claims)
        self._standing = Standing(looks, asking, pipelines)
        new = NewHeads(self.scope.clock, self.config.checks_within)
        self._judge = Judge(host, self.scope, new, looks, asking, pipelines)
        self._author = Author(host, people, LostReplies(self.scope.clock))
        how = self.config.delete_branch, self.config.auto_merge, self._found.was_taken_over
        self._landings = Landings(host, self._standing, self._judge, *how)

    async def find(self, work: WorkRef) -> Pull | None:
        """The merge request of this work, open or ended, or None."""
        found = await self._found.of([work], Urgency.READ)
        if work.session not in found:
            raise Unavailable(f"GitLab does not say whether {work.branch} has a merge request")
        return _pull(found[work.session])

    async def get(self, number: int) -> Pull | None:
        """One merge request as it stands."""
        return _pull(await self._standing.at(number))

    async def observe(self, works: Sequence[WorkRef]) -> Mapping[str, Pull | None]:
        """The merge request of each session: one call for a hundred that are open."""
        found = await self._found.of(works, Urgency.REFRESH)
        return {session: _pull(seen) for session, seen in found.items()}

    async def judge(self, pulls: Sequence[Pull]) -> Mapping[int, Judgement]:
        """What others make of these; asked anew only of what has changed."""
        missing = [one.number for one in pulls if self._found.known(one.number) is None]
        if missing:
            await self._found.at(missing, Urgency.REFRESH)
        known = [self._found.known(one.number) for one in pulls]
        return await self._judge.of([seen for seen in known if seen])

    def ref_of(self, pull: Pull) -> str:
        """Where GitLab keeps its head, also of a fork's."""
        return f"refs/merge-requests/{pull.number}/head"

    # -- merging -----------------------------------------------------------------------------------

    async def merge(self, pull: Pull, method: MergeMethod, *, message: str | None = None) -> Landed:
        """Merge exactly `pull.head`, or say what blocks it; a reply that is lost does no harm."""
        with acting():
            return await self._landings.merge(pull, method, message)

    async def mergeability(self, pull: Pull, method: MergeMethod) -> Mergeability:
        """Whether it may be merged now, and every blocker."""
        return await self._landings.mergeability(pull, method)

    async def catch_up(self, pull: Pull, *, rebase: bool = False) -> Pull:
        """Have GitLab rebase exactly `pull.head` onto its target."""
        with acting():
            return await self._landings.catch_up(pull, rebase=rebase)

    async def close(self, pull: Pull) -> None:
        """Close without merging; the branch stays."""
        if (await self._standing.current(pull.number)).is_open:
            path = self._gitlab.merge_request(pull.number)
            await self._gitlab.rest.ask("PUT", path, into=object, json={"state_event": "close"})

    # -- what others say ---------------------------------------------------------------------------

    async def checks(self, pull: Pull) -> tuple[Check, ...]:
        """Every check of the head commit; of one that failed, why."""
        seen = await self._standing.current(pull.number)
        return await self._judge.checks(await self._standing.ran(seen))

    async def reviews(self, pull: Pull) -> tuple[Review, ...]:
        """The last word of everybody, which is all that GitLab keeps, oldest first."""
        seen = await self._standing.current(pull.number)
        return (await self._standing.said(seen)).reviews(seen)

    async def decision(self, pull: Pull) -> ReviewDecision:
        """What approvals and reviewers amount to, by the rules of the project."""
        seen = await self._standing.current(pull.number)
        return (await self._standing.said(seen)).decision(seen)

    async def pending_comments(self, pull: Pull) -> tuple[ReviewComment, ...]:
        """Unresolved threads that people began."""
        return (await self._standing.said(await self._standing.current(pull.number))).comments

    async def automated_comments(self, pull: Pull) -> tuple[ReviewComment, ...]:
        """Unresolved threads that programs began."""
        return (await self._standing.said(await self._standing.current(pull.number))).automated

    # -- making and changing -----------------------------------------------------------------------

    async def propose(self, work: WorkRef, body: str = "", *, draft: bool = False) -> Pull:
        """Make a merge request of a branch that was pushed."""
        known = await self.find(work)
        if known is not None and known.state is PullState.OPEN:
            return known
        number = await self._author.proposed(work, body, draft=draft)
        if number is not None:
            await self._found.claim(work.session, number)
        made = await self.find(work)
        if made is None or made.state is not PullState.OPEN:
            raise Unavailable(f"the merge request of {work.branch} is not to be seen")
        return made

    async def amend(self, pull: Pull, change: Amendment) -> Pull:
        """Change it, all at once."""
        seen = await self._standing.current(pull.number)
        return (await self._author.amended(seen, change)).pull()

    async def reply(self, pull: Pull, comment: str, text: str) -> None:
        """Answer a thread, by its id."""
        await self._author.replied(pull.number, comment, text)

    async def resolve(self, pull: Pull, comment: str) -> None:
        """Settle a thread, by its id."""
        await self._author.resolved(pull.number, comment)


def _pull(seen: Seen | None) -> Pull | None:
    return seen.pull() if seen else None
