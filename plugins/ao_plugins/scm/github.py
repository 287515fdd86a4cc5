"""Pull requests on GitHub: github.com, its enterprise clouds, or a server of one's own.

https://docs.github.com/graphql and https://docs.github.com/rest/pulls

Looks are GraphQL, fifty pull requests to a question; acts are REST where it has them.
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
    Tidying,
    Updating,
    WorkRef,
)
from ao_plugins._claims import Claims
from ao_plugins._delivered import WebhookSettings
from ao_plugins._github.authoring import amended, proposed, replied, resolved
from ao_plugins._github.finding import Finding
from ao_plugins._github.hooks import GitHubHooks, HookPlace
from ao_plugins._github.host import Hosted, github
from ao_plugins._github.judging import Judge
from ao_plugins._github.landing import Landings
from ao_plugins._github.looking import Looks
from ao_plugins._github.reviews import reviews_of
from ao_plugins._github.seen import Seen
from ao_plugins._github.standing import Standing
from ao_plugins._lost_reply import LostReplies
from ao_plugins._unchecked import NewHeads


class GitHubScmConfig(Hosted, WebhookSettings):
    """Settings for pull requests on GitHub."""

    delete_branch: bool = True  # once it is merged
    checks_within: Annotated[float, Field(ge=0, le=3_600)] = 30.0  # seconds until some begin
    auto_merge: bool = False  # what only has to wait is handed over to GitHub
    bots: Annotated[tuple[str, ...], Field(max_length=100)] = ()  # accounts that are programs


class GitHubScm(
    Scm[GitHubScmConfig], GitHubHooks, BatchObservable, Judging, Claimable, Updating, Tidying,
    Authoring,
):  # fmt: skip
    """The pull requests of one repository on GitHub."""

    manifest = Manifest("github", "scm", "Pull requests on GitHub", "1.0.0")
    config_type = GitHubScmConfig
    remote = REMOTE

    async def open(self) -> None:
        """Find out which repository this is, and who signs in."""
        self._github = await self._stack.enter_async_context(github(self.config, self.scope))
        secret = self.config.webhook_secret
        self._hooks = HookPlace(self._github, secret, self.scope.environment)
        self._looks = Looks(self._github.graph, self._github.owner, self._github.name)
        claims = await anyio.to_thread.run_sync(Claims, self.scope.state / "pulls.json")
        self._found = Finding(self._looks, claims)
        self._standing = Standing(self._looks, self._found)
        self._lost = LostReplies(self.scope.clock)
        new = NewHeads(self.scope.clock, self.config.checks_within)
        self._judge = Judge(self._github, self.scope, new, frozenset(self.config.bots))
        how = self.config.delete_branch, self.config.auto_merge
        self._landings = Landings(self._github, self._standing, self._judge, *how)

    async def find(self, work: WorkRef) -> Pull | None:
        """The pull request of this work, open or ended, or None."""
        found = await self._found.of([work], Urgency.READ)
        if work.session not in found:
            raise Unavailable(f"GitHub does not say whether {work.branch} has a pull request")
        return _pull(found[work.session])

    async def get(self, number: int) -> Pull | None:
        """One pull request as it stands."""
        return _pull(await self._standing.at(number))

    async def observe(self, works: Sequence[WorkRef]) -> Mapping[str, Pull | None]:
        """The pull request of each session: one question for fifty of them."""
        found = await self._found.of(works, Urgency.REFRESH)
        return {session: _pull(seen) for session, seen in found.items()}

    async def judge(self, pulls: Sequence[Pull]) -> Mapping[int, Judgement]:
        """What others make of these; asked anew only of what has changed."""
        missing = [one.number for one in pulls if self._found.known(one.number) is None]
        await self._found.at(missing, Urgency.REFRESH)
        known = [seen for one in pulls if (seen := self._found.known(one.number))]
        told = await self._looks.told(known, Urgency.REFRESH)
        return {seen.number: await self._judge.of(seen, told[seen.number])
                for seen in known if seen.number in told}  # fmt: skip

    def ref_of(self, pull: Pull) -> str:
        """Where GitHub keeps its head, also of a fork's."""
        return f"refs/pull/{pull.number}/head"

    # -- merging -----------------------------------------------------------------------------------

    async def merge(self, pull: Pull, method: MergeMethod, *, message: str | None = None) -> Landed:
        """Merge exactly `pull.head`, or say what blocks it; a reply that is lost does no harm."""
        with acting():
            return await self._landings.merge(pull, method, message)

    async def mergeability(self, pull: Pull, method: MergeMethod) -> Mergeability:
        """Whether it may be merged now, and every blocker."""
        return await self._landings.mergeability(pull)

    async def catch_up(self, pull: Pull, *, rebase: bool = False) -> Pull:
        """Have GitHub bring its target into exactly `pull.head`."""
        with acting():
            return await self._landings.catch_up(pull, rebase=rebase)

    async def tidied(self, pull: Pull) -> None:
        """Delete the branch of what was merged from here, where that is wanted."""
        with acting():
            await self._landings.tidied(pull)

    async def close(self, pull: Pull) -> None:
        """Close without merging; the branch stays."""
        if (await self._standing.current(pull.number)).state == "OPEN":
            path = f"{self._github.path}/pulls/{pull.number}"
            shut = {"state": "closed"}
            await self._github.rest.ask("PATCH", path, into=object, json=shut, repeatable=True)

    # -- what others say ---------------------------------------------------------------------------

    async def checks(self, pull: Pull) -> tuple[Check, ...]:
        """Every check of the head commit; of one that failed, why."""
        return await self._judge.checks((await self._standing.both(pull.number))[1])

    async def reviews(self, pull: Pull) -> tuple[Review, ...]:
        """Every review, oldest first."""
        return await reviews_of(self._github, pull.number)

    async def decision(self, pull: Pull) -> ReviewDecision:
        """What the latest review of each reviewer amounts to, by the rules of the branch."""
        return (await self._standing.both(pull.number))[1].decision(self._judge.bots)

    async def pending_comments(self, pull: Pull) -> tuple[ReviewComment, ...]:
        """Unresolved threads that people began."""
        return self._judge.remarks((await self._standing.both(pull.number))[1], automated=False)

    async def automated_comments(self, pull: Pull) -> tuple[ReviewComment, ...]:
        """Unresolved threads that programs began."""
        return self._judge.remarks((await self._standing.both(pull.number))[1], automated=True)

    # -- making and changing -----------------------------------------------------------------------

    async def propose(self, work: WorkRef, body: str = "", *, draft: bool = False) -> Pull:
        """Make a pull request of a branch that was pushed."""
        known = await self.find(work)
        if known is not None and known.state is PullState.OPEN:
            return known
        number = await proposed(self._github, work, body, draft=draft)
        if number is not None:
            await self._found.claim(work.session, number)
        made = await self.find(work)
        if made is None or made.state is not PullState.OPEN:
            raise Unavailable(f"the pull request of {work.branch} is not to be seen")
        return made

    async def amend(self, pull: Pull, change: Amendment) -> Pull:
        """Change it; a change half made is reported in the error."""
        await amended(self._github, await self._standing.current(pull.number), change)
        return (await self._standing.current(pull.number)).pull()

    async def reply(self, pull: Pull, comment: str, text: str) -> None:
        """Answer a thread, by its id."""
        await replied(self._github, self._lost, comment, text)

    async def resolve(self, pull: Pull, comment: str) -> None:
        """Settle a thread, by its id."""
        await resolved(self._github, comment)


def _pull(seen: Seen | None) -> Pull | None:
    return seen.pull() if seen else None
