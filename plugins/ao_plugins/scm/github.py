"""Pull requests on GitHub: github.com, its enterprise clouds, or a server of one's own.

https://docs.github.com/graphql and https://docs.github.com/rest/pulls

Looks are GraphQL, fifty pull requests to a question; acts are REST. A pull request is a session's
if it is on its branch in this very repository and has had a commit of the session's as its head.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import anyio
from pydantic import Field

from ao_core.errors import Conflict, NotFound, Unavailable, WrongState
from ao_core.git.forecast import in_conflict
from ao_core.http import Urgency
from ao_core.model.judgement import Judgement
from ao_core.model.work import (
    Check,
    CheckState,
    Landed,
    Landing,
    Mergeability,
    MergeMethod,
    Pull,
    PullState,
    Review,
    ReviewComment,
    ReviewDecision,
    summarise,
)
from ao_core.plugin import Config, Manifest
from ao_core.slots.scm import BatchObservable, Judging, Scm, WorkRef
from ao_plugins._claims import Claims
from ao_plugins._conflicts import conflicting_files
from ao_plugins._github.checks import CheckRun, StatusContext
from ao_plugins._github.host import Hosted, github
from ao_plugins._github.logs import explained
from ao_plugins._github.looking import Looks, belongs
from ao_plugins._github.merging import blockers, merged, without_branch
from ao_plugins._github.said import Said
from ao_plugins._github.seen import Seen

_EXPLAINED = 5  # failed jobs of one commit whose logs are read


class GitHubScmConfig(Hosted):
    """Settings for pull requests on GitHub."""

    delete_branch: bool = True  # once it is merged
    bots: Annotated[tuple[str, ...], Field(max_length=100)] = ()  # accounts that are programs


class GitHubScm(Scm[GitHubScmConfig], BatchObservable, Judging):
    """The pull requests of one repository on GitHub."""

    manifest = Manifest("github", "scm", "Pull requests on GitHub", "1.0.0")
    config_type: type[Config] = GitHubScmConfig

    async def open(self) -> None:
        """Find out which repository this is, and who signs in."""
        self._github = await self._stack.enter_async_context(github(self.config, self.scope))
        self._looks = Looks(self._github.graph, self._github.owner, self._github.name)
        self._claims = await anyio.to_thread.run_sync(Claims, self.scope.state / "pulls.json")
        self._seen: dict[int, Seen] = {}
        self._why: dict[int, str | None] = {}

    async def find(self, work: WorkRef) -> Pull | None:
        """The pull request of this work, open or ended, or None."""
        found = await self._look([work], Urgency.READ)
        if work.session not in found:
            raise Unavailable(f"GitHub does not say whether {work.branch} has a pull request")
        return found[work.session]

    async def get(self, number: int) -> Pull | None:
        """One pull request as it stands."""
        seen = await self._at(number)
        return seen.pull() if seen else None

    async def observe(self, works: Sequence[WorkRef]) -> Mapping[str, Pull | None]:
        """The pull request of each session: one question for fifty of them."""
        return await self._look(works, Urgency.REFRESH)

    async def judge(self, pulls: Sequence[Pull]) -> Mapping[int, Judgement]:
        """What others make of these; asked anew only of what has changed."""
        missing = [one.number for one in pulls if one.number not in self._seen]
        self._note((await self._looks.at(missing, Urgency.REFRESH)).values())
        known = [self._seen[one.number] for one in pulls if one.number in self._seen]
        told = await self._looks.told(known, Urgency.REFRESH)
        return {number: await self._judgement(said) for number, said in told.items()}

    async def merge(self, pull: Pull, method: MergeMethod, *, message: str | None = None) -> Landed:
        """Merge exactly `pull.head`, or say what blocks it; a reply that is lost does no harm."""
        seen = await self._current(pull)
        if seen.state == "MERGED":
            return Landed(Landing.ALREADY, _merged_as(seen))
        if seen.state == "CLOSED":
            raise WrongState(f"pull request {pull.number} is closed")
        if seen.head_ref_oid != pull.head:
            hint = "Look at it again, then merge."
            raise Conflict(f"{pull.branch} has moved on", hint=hint)
        if seen.mergeable == "CONFLICTING":
            files = await self._conflicts(pull)
            return Landed(Landing.CONFLICT, conflicts=files, blockers=(_conflict(pull, files),))
        landed = await merged(self._github, pull, method, message)
        if landed.landing is not Landing.LANDED:
            landed = await self._after_refusal(pull, landed)
        if landed.landing is Landing.LANDED and self.config.delete_branch:
            await without_branch(self._github, pull)
        return landed

    async def close(self, pull: Pull) -> None:
        """Close without merging; the branch stays."""
        if (await self._current(pull)).state == "OPEN":
            path = f"{self._github.path}/pulls/{pull.number}"
            await self._github.rest.ask("PATCH", path, into=object, json={"state": "closed"})

    async def checks(self, pull: Pull) -> tuple[Check, ...]:
        """Every check of the head commit; of one that failed, why."""
        return await self._checks(await self._told(pull))

    async def reviews(self, pull: Pull) -> tuple[Review, ...]:
        """Every review, oldest first."""
        path = f"{self._github.path}/pulls/{pull.number}/reviews"
        pages = self._github.rest.pages(path, into=list[PastReview], params={"per_page": 100})
        found = [one.review() async for one in pages]
        return tuple(sorted((one for one in found if one), key=lambda one: one.at))

    async def decision(self, pull: Pull) -> ReviewDecision:
        """What the latest review of each reviewer amounts to, by the rules of the branch."""
        return (await self._told(pull)).decision()

    async def pending_comments(self, pull: Pull) -> tuple[ReviewComment, ...]:
        """Unresolved threads that people began."""
        return (await self._told(pull)).remarks(automated=False)

    async def automated_comments(self, pull: Pull) -> tuple[ReviewComment, ...]:
        """Unresolved threads that programs began."""
        return (await self._told(pull)).remarks(automated=True)

    async def mergeability(self, pull: Pull, method: MergeMethod) -> Mergeability:
        """Whether it may be merged now, and every blocker."""
        seen, said = await self._current(pull), await self._told(pull)
        summary = summarise(await self._checks(said))
        files = await self._conflicts(pull) if said.conflicts else ()
        found = [*([_conflict(pull, files)] if said.conflicts else []), *blockers(said, summary)]
        if seen.state != "OPEN":
            found.append(f"it is {seen.state.lower()} already")
        if seen.head_ref_oid != pull.head:
            found.append(f"{pull.branch} has moved on since this was looked at")
        able = not found
        return Mergeability(able, summary, said.decision(), said.conflicts, tuple(found), files)
