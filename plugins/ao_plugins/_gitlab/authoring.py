"""Merge requests made and changed on GitLab, and threads answered.

https://docs.gitlab.com/api/merge_requests/#create-a-merge-request
https://docs.gitlab.com/api/discussions/#merge-requests
"""

import re
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

from ao_core.errors import Rejected, Unavailable
from ao_core.http import Urgency
from ao_core.slots.scm import Amendment, WorkRef
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.people import People
from ao_plugins._gitlab.plain import one_line, plain
from ao_plugins._gitlab.said import Remark, Thread
from ao_plugins._gitlab.seen import Seen
from ao_plugins._gitlab.shape import Person
from ao_plugins._lost_reply import LostReplies, same

_DRAFT = re.compile(r"^(?:\s*(?:\[draft\]|\(draft\)|draft:))+\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Authoring:
    """Of one project."""

    gitlab: GitLab
    people: People
    lost: LostReplies

    async def proposed(self, work: WorkRef, body: str, *, draft: bool) -> int | None:
        """Its number; None where it has to be looked for: there may be one for the branch."""
        told = {
            "source_branch": work.branch, "target_branch": work.base,
            "title": _titled(work.title, draft=draft), "description": plain(body),
        }  # fmt: skip
        path = f"{self.gitlab.path}/merge_requests"
        try:
            made = await self.gitlab.rest.ask("POST", path, into=Seen, json=told)
        except Unavailable:
            return None  # it may have been made all the same
        except Rejected as exc:
            if exc.status == HTTPStatus.CONFLICT:
                return None
            raise
        return made.iid

    async def amended(self, seen: Seen, change: Amendment) -> Seen:
        """All of it in one request; whoever is asked or assigned stays so."""
        draft = seen.draft if change.draft is None else change.draft
        retitled = change.title is not None or draft is not seen.draft
        title = seen.title if change.title is None else change.title
        fields: dict[str, object] = {
            "title": _titled(title, draft=draft) if retitled else None,
            "description": None if change.body is None else plain(change.body),
            "target_branch": change.base,
            "assignee_ids": await self._ids(seen.assignees, change.assignees),
            "reviewer_ids": await self._ids(seen.reviewers, change.reviewers),
        }
        told = {name: value for name, value in fields.items() if value is not None}
        if not told:
            return seen
        path = self.gitlab.merge_request(seen.iid)
        return await self.gitlab.rest.ask("PUT", path, into=Seen, json=told, urgency=Urgency.ACT)

    async def replied(self, number: int, thread: str, text: str) -> None:
        """Answer a thread."""
        path = f"{self.gitlab.merge_request(number)}/discussions/{quote(thread, safe='')}"
        body = plain(text)

        async def make() -> Remark:
            ask = self.gitlab.rest.ask
            return await ask("POST", f"{path}/notes", into=Remark, json={"body": body})

        async def find(since: datetime) -> Remark | None:
            there = (await self.gitlab.rest.ask("GET", path, into=Thread)).notes
            late = [one for one in there if one.created_at and one.created_at >= since]
            return next((one for one in late if same(one.body, body)), None)

        await self.lost.made((path, body), make, find)

    async def resolved(self, number: int, thread: str) -> None:
        """Settle a thread."""
        path = f"{self.gitlab.merge_request(number)}/discussions/{quote(thread, safe='')}"
        await self.gitlab.rest.ask("PUT", path, into=object, json={"resolved": True})

    async def _ids(self, there: tuple[Person, ...], more: tuple[str, ...]) -> list[int] | None:
        if not more:
            return None
        added = [(await self.people.named(name)).id for name in more]
        return [*dict.fromkeys([*(one.id for one in there), *added])]


def _titled(title: str, *, draft: bool) -> str:
    """GitLab keeps in the title that it is a draft."""
    bare = one_line(_DRAFT.sub("", title))
    return f"Draft: {bare}" if draft else bare
