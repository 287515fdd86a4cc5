"""What people make of one merge request, asked as far as there is anything to ask for."""

from dataclasses import dataclass

from ao_core.errors import NotFound, Rejected, Unauthorized
from ao_core.http import Urgency
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.people import People
from ao_plugins._gitlab.said import Approvals, Reviewer, Said, Thread
from ao_plugins._gitlab.seen import Seen

_MANY = 100


@dataclass(frozen=True, slots=True)
class Asking:
    """Of the merge requests of one project."""

    gitlab: GitLab
    people: People

    async def said(self, seen: Seen, urgency: Urgency) -> Said:
        """Who approves, who reviews, and what is not settled: three calls at most.

        Who signs in is one more, once.
        """
        approvals = await self._approvals(seen, urgency)
        reviewers = await self._reviewers(seen, urgency) if seen.reviewers else ()
        mine: list[Thread] = []
        bots: list[Thread] = []
        for one in await self._threads(seen, urgency) if seen.user_notes_count else ():
            if one.is_open:
                automated = await self.people.is_bot(one.notes[0].author)
                (bots if automated else mine).append(one)
        page, own = seen.web_url, await self._own([*mine, *bots])
        return Said(
            approvals,
            reviewers,
            tuple(one.comment(page, own) for one in mine),
            tuple(one.comment(page, own) for one in bots),
        )

    async def _own(self, threads: list[Thread]) -> int | None:
        """Who signs in, asked once, and only where there is an answer in a thread."""
        if not any(len(one.said) > 1 for one in threads):
            return None
        try:
            return (await self.people.named("me")).id
        except (NotFound, Rejected, Unauthorized):
            return None  # then no answer is told, lest it is the worker's own

    async def _approvals(self, seen: Seen, urgency: Urgency) -> Approvals:
        path = f"{self.gitlab.merge_request(seen.iid)}/approvals"
        try:
            return await self.gitlab.rest.ask("GET", path, into=Approvals, urgency=urgency)
        except (NotFound, Unauthorized):
            return Approvals()  # not every edition has them

    async def _reviewers(self, seen: Seen, urgency: Urgency) -> tuple[Reviewer, ...]:
        path = f"{self.gitlab.merge_request(seen.iid)}/reviewers"
        try:
            pages = self.gitlab.rest.pages(path, into=list[Reviewer], urgency=urgency)
            return tuple([one async for one in pages])
        except (NotFound, Unauthorized):
            return ()

    async def _threads(self, seen: Seen, urgency: Urgency) -> list[Thread]:
        path = f"{self.gitlab.merge_request(seen.iid)}/discussions"
        params = {"per_page": _MANY}
        pages = self.gitlab.rest.pages(path, into=list[Thread], params=params, urgency=urgency)
        return [one async for one in pages]
