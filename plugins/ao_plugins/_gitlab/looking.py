"""Looks at merge requests: at all that are open or changed, at others by number or by branch.

https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests

A list is asked for with the details of labels, for such a list is made anew: any other GitLab keeps
for hours, and what it says of a merge is old then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from ao_core.errors import NotFound
from ao_core.http import Urgency
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.seen import Seen

_MANY = 100
_FRESH = {"with_labels_details": True, "with_merge_status_recheck": True}
_ALONE = {"include_diverged_commits_count": True, "include_rebase_in_progress": True}


@dataclass(frozen=True, slots=True)
class Looks:
    """The merge requests of one project."""

    gitlab: GitLab

    async def opened(self, urgency: Urgency) -> dict[int, Seen]:
        """All that are open."""
        return await self._listed({"state": "opened"}, urgency)

    async def at(self, numbers: Iterable[int], urgency: Urgency) -> dict[int, Seen]:
        """Those of these numbers, whatever became of them."""
        found, left = dict[int, Seen](), iter(sorted(set(numbers)))
        while some := list(islice(left, _MANY)):
            found |= await self._listed({"state": "all", "iids[]": some}, urgency)
        return found

    async def changed(self, since: datetime | None, urgency: Urgency) -> dict[int, Seen]:
        """Those that changed since then, whatever became of them; else the last that did."""
        which = {"state": "all", "order_by": "updated_at", "sort": "desc"}
        if since is not None:
            return await self._listed({**which, "updated_after": since.isoformat()}, urgency)
        path, params = f"{self.gitlab.path}/merge_requests", {**which, **_FRESH, "per_page": _MANY}
        ask = self.gitlab.rest.ask
        last = await ask("GET", path, into=list[Seen], params=params, urgency=urgency)
        return {one.iid: one for one in last}

    async def on(self, branch: str, urgency: Urgency) -> dict[int, Seen]:
        """Those of one branch, whatever became of them."""
        return await self._listed({"state": "all", "source_branch": branch}, urgency)

    async def alone(self, number: int, urgency: Urgency) -> Seen | None:
        """One, with all that is only told of one."""
        path = self.gitlab.merge_request(number)
        try:
            return await self.gitlab.rest.ask(
                "GET", path, into=Seen, params=_ALONE, urgency=urgency
            )
        except NotFound:
            return None

    async def _listed(
        self, which: Mapping[str, str | list[int]], urgency: Urgency
    ) -> dict[int, Seen]:
        path = f"{self.gitlab.path}/merge_requests"
        params = {**which, **_FRESH, "per_page": _MANY}
        pages = self.gitlab.rest.pages(path, into=list[Seen], params=params, urgency=urgency)
        return {one.iid: one async for one in pages}
