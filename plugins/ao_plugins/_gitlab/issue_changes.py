"""One change to an issue: all of it in one request, but for a comment, which comes last.

https://docs.gitlab.com/api/issues/#update-an-issue and https://docs.gitlab.com/api/notes/
"""

from dataclasses import dataclass
from datetime import datetime

from ao_core.errors import PluginError, Rejected
from ao_core.http import Urgency
from ao_core.model.work import COMPLETED, IssueChange
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.issues import Comment, Found, Labels
from ao_plugins._gitlab.plain import one_line, plain
from ao_plugins._gitlab.shape import Person
from ao_plugins._lost_reply import LostReplies, same

NO_WRITING = "GitLab passes over what it does not let you do: it takes the role of a planner."


@dataclass(frozen=True, slots=True)
class IssueChanges:
    """What is to become of one issue."""

    gitlab: GitLab
    lost: LostReplies
    found: Found
    change: IssueChange
    labels: Labels
    assignee: Person | None
    since: datetime | None = None  # it may have been begun then

    async def made(self) -> Found:
        """Make the change, or tell which part of it was made."""
        after, fields = self.found, self._fields()
        if fields:
            path = self.gitlab.issue(self.found.iid)
            ask = self.gitlab.rest.ask
            after = await ask("PUT", path, into=Found, json=fields, urgency=Urgency.ACT)
            self._look(after)
        if self.change.comment is not None:
            await self._commented(changed=bool(fields))
        return after

    def _fields(self) -> dict[str, object]:
        change = self.change
        adds = dict.fromkeys((*change.add_labels, *self.labels.wanted(change.state)))
        drops = dict.fromkeys((*change.remove_labels, *self.labels.unwanted(change.state)))
        borne = [one for one in drops if one in self.found.labels and one not in adds]
        fields: dict[str, object] = {
            "title": None if change.title is None else one_line(change.title),
            "description": None if change.body is None else plain(change.body),
            "state_event": self._event(),
            "add_labels": ",".join(listed([*adds])) or None,
            "remove_labels": ",".join(borne) or None,
            "assignee_ids": self._assigned(),
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _assigned(self) -> list[int] | None:
        """Zero stands for nobody."""
        if self.change.assignee == "":
            return [0] if self.found.assignees else None
        return [self.assignee.id] if self.assignee else None

    def _event(self) -> str | None:
        """What takes it there, if it is not there."""
        state = self.change.state
        if state is None or (state in COMPLETED) is (self.found.state == "closed"):
            return None
        return "close" if state in COMPLETED else "reopen"

    def _look(self, after: Found) -> None:
        """Raise, where GitLab has passed over something without a word."""
        change = self.change
        wanted = {*change.add_labels, *self.labels.wanted(change.state)}
        wanting = [
            *(["its labels"] if wanted - {*after.labels} else []),
            *(["its assignee"] if not self._is_assigned(after) else []),
            *(["its state"] if change.state not in (None, after.stands(self.labels)) else []),
        ]
        if wanting:
            told = f"#{after.iid} is changed, but {' and '.join(wanting)} did not"
            raise Rejected(told, hint=NO_WRITING)

    def _is_assigned(self, after: Found) -> bool:
        if self.change.assignee == "":
            return not after.assignees
        return self.assignee is None or self.assignee in after.assignees

    async def _commented(self, *, changed: bool) -> None:
        text = plain(self.change.comment or "")
        path = f"{self.gitlab.issue(self.found.iid)}/notes"

        async def make() -> Comment:
            body = {"body": text}
            ask = self.gitlab.rest.ask
            return await ask("POST", path, into=Comment, json=body, urgency=Urgency.ACT)

        async def find(since: datetime) -> Comment | None:
            newest = {"sort": "desc", "order_by": "created_at", "per_page": 100}
            there = await self.gitlab.rest.ask("GET", path, into=list[Comment], params=newest)
            return next((one for one in there if one.created_at >= since
                         and same(one.body, text)), None)  # fmt: skip

        try:
            await self.lost.made(("comment", path, text), make, find, self.since)
        except PluginError as exc:
            if changed:
                told = f"#{self.found.iid} is changed, but the comment is not there: {exc.message}"
                exc.args = (told,)
            raise


def listed(labels: list[str]) -> list[str]:
    """Labels as GitLab lists them, where none can have a comma."""
    if wrong := next((one for one in labels if "," in one), None):
        raise Rejected(f"a label on GitLab has no comma, but {ascii(wrong)[:60]} has")
    return labels
