"""One change to an issue, which GitHub takes in several requests.

https://docs.github.com/rest/issues/issues#update-an-issue

What comes to the same when it is made twice comes first, the comment last: so whoever repeats a
change that was half made says nothing twice.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from ao_core.errors import NotFound, PluginError, Rejected
from ao_core.http import Urgency
from ao_core.model.work import IssueChange, IssueState
from ao_core.redact import visible
from ao_plugins._github.host import GitHub
from ao_plugins._github.issues import BODY, Comment, Found, Label, bears, one_line
from ao_plugins._lost_reply import LostReplies, same

NO_WRITING = "GitHub passes over what it does not let you do: look whether you may write there."
_REASONS = {IssueState.CLOSED: "completed", IssueState.CANCELLED: "not_planned"}


@dataclass(frozen=True, slots=True)
class IssueChanges:
    """What is to become of one issue."""

    github: GitHub
    lost: LostReplies
    found: Found
    change: IssueChange
    working: str
    assignee: str | None  # the login: nobody has to look for who `me` is
    since: datetime | None = None  # it may have been begun then

    @property
    def path(self) -> str:
        """The issue in REST."""
        return f"{self.github.path}/issues/{self.found.number}"

    async def made(self) -> None:
        """Make the change, or tell which part of it was made."""
        done: list[str] = []
        for name, step in self._steps():
            try:
                await step()
            except PluginError as exc:
                if done:
                    told = f"#{self.found.number}: {' and '.join(done)} changed, then the {name}"
                    exc.args = (f"{told} did not: {exc.message}",)
                raise
            done.append(f"the {name}")

    def _steps(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        if self._text():
            yield "text", self._retold
        if self.change.state is not None:
            yield "state", self._moved
        if self._labels() or self._gone():
            yield "labels", self._relabelled
        if self.assignee is not None:
            yield "assignee", self._assigned
        if self.change.comment is not None:
            yield "comment", self._commented

    # -- title and body --------------------------------------------------------------------------

    def _text(self) -> dict[str, str]:
        title, body = self.change.title, self.change.body
        told = {} if title is None else {"title": one_line(title)}
        return told if body is None else {**told, "body": visible(body, BODY)}

    async def _retold(self) -> None:
        await self._patch(self._text())

    async def _patch(self, fields: dict[str, str]) -> Found:
        return await self.github.rest.ask(
            "PATCH", self.path, into=Found, json=fields, urgency=Urgency.ACT, repeatable=True
        )

    # -- state -----------------------------------------------------------------------------------

    async def _moved(self) -> None:
        """A reason is kept only by what closes: what is closed for another is opened first."""
        state = self.change.state
        if state is None or self.found.stands(self.working) is state:
            return
        if self.found.state == "closed":
            await self._patch({"state": "open"})
        if reason := _REASONS.get(state):
            await self._patch({"state": "closed", "state_reason": reason})

    # -- labels ----------------------------------------------------------------------------------

    def _labels(self) -> list[str]:
        """Those it is to have and has not."""
        begun = self.change.state is IssueState.IN_PROGRESS
        wanted = [*self.change.add_labels, *([self.working] if begun else [])]
        return [one for one in dict.fromkeys(wanted) if not bears(self.found.names, [one])]

    def _gone(self) -> list[str]:
        """Those it has and is not to have."""
        over = self.change.state not in (None, IssueState.IN_PROGRESS)
        unwanted = [*self.change.remove_labels, *([self.working] if over else [])]
        return [one for one in self.found.names if bears(unwanted, [one])]

    async def _relabelled(self) -> None:
        if wanted := self._labels():
            await self._label(wanted)
        for name in self._gone():
            await self._unlabel(name)

    async def _label(self, wanted: list[str]) -> None:
        path, body = f"{self.path}/labels", {"labels": wanted}
        there = await self.github.rest.ask(
            "POST", path, into=list[Label], json=body, urgency=Urgency.ACT, repeatable=True
        )
        if not bears([one.name or "" for one in there], wanted):
            raise Rejected("GitHub did not take all labels", hint=NO_WRITING)

    async def _unlabel(self, name: str) -> None:
        try:
            await self.github.rest.call("DELETE", f"{self.path}/labels/{quote(name, safe='')}")
        except NotFound:  # somebody else was faster
            return

    # -- people ----------------------------------------------------------------------------------

    async def _assigned(self) -> None:
        """This one and no other, who go last: GitHub may pass over the new one without a word."""
        wanted = [self.assignee] if self.assignee else []
        if wanted and not bears((await self._people("POST", wanted)).logins, wanted):
            raise Rejected("GitHub assigned it to nobody of that name", hint=NO_WRITING)
        if others := [one for one in self.found.logins if not bears(wanted, [one])]:
            await self._people("DELETE", others)

    async def _people(self, method: str, logins: list[str]) -> Found:
        return await self.github.rest.ask(
            method,
            f"{self.path}/assignees",
            into=Found,
            json={"assignees": logins},
            urgency=Urgency.ACT,
            repeatable=True,
        )

    # -- comment ---------------------------------------------------------------------------------

    async def _commented(self) -> None:
        text = visible(self.change.comment or "", BODY)
        path = f"{self.path}/comments"

        async def make() -> Comment:
            body = {"body": text}
            return await self.github.rest.ask(
                "POST", path, into=Comment, json=body, urgency=Urgency.ACT
            )

        async def find(since: datetime) -> Comment | None:
            asked = {"since": since.strftime("%Y-%m-%dT%H:%M:%SZ"), "per_page": 100}
            async for one in self.github.rest.pages(path, into=list[Comment], params=asked):
                if one.created_at >= since and same(one.body or "", text):
                    return one
            return None

        await self.lost.made(("comment", self.path, text), make, find, self.since)
