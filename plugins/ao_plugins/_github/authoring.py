"""Pull requests made and changed on GitHub, and remarks answered.

https://docs.github.com/rest/pulls/pulls#create-a-pull-request
"""

from collections.abc import Awaitable, Callable, Iterator
from copy import copy
from datetime import datetime
from functools import partial
from typing import TypeAlias

from pydantic import BaseModel

from ao_core.errors import PluginError, Rejected, Unavailable
from ao_core.redact import visible
from ao_core.slots.scm import Amendment, WorkRef
from ao_plugins._github import documents
from ao_plugins._github.host import GitHub
from ao_plugins._github.issue_changes import NO_WRITING
from ao_plugins._github.issues import Found, bears
from ao_plugins._github.seen import Seen
from ao_plugins._github.shape import Shape
from ao_plugins._lost_reply import LostReplies, same

_TITLE = 256  # GitHub takes no longer one
_Ask: TypeAlias = Callable[[], Awaitable[object]]


class _Made(BaseModel):
    number: int


class _Reply(Shape):
    body: str
    viewer_did_author: bool
    created_at: datetime


class _Replies(Shape):
    nodes: tuple[_Reply, ...]


class _Node(Shape):
    comments: _Replies | None = None


class _Thread(Shape):
    node: _Node | None = None

    @property
    def remarks(self) -> tuple[_Reply, ...]:
        return self.node.comments.nodes if self.node and self.node.comments else ()


async def proposed(github: GitHub, work: WorkRef, body: str, *, draft: bool) -> int | None:
    """Its number; None where it has to be looked for: there may be one for the branch already."""
    told = {
        "title": visible(work.title, _TITLE), "head": work.branch, "base": work.base,
        "body": body, "draft": draft,
    }  # fmt: skip
    try:
        made = await github.rest.ask("POST", f"{github.path}/pulls", into=_Made, json=told)
    except Unavailable:
        return None  # it may have been made all the same
    except Rejected as exc:
        if "already exists" in (exc.said or ""):
            return None
        raise
    return made.number


async def amended(github: GitHub, seen: Seen, change: Amendment) -> None:
    """Each part by itself, since GitHub has a way of its own for each."""
    done: list[str] = []
    for what, ask in _parts(github, seen, change):
        try:
            await ask()
        except PluginError as exc:
            after = f"; changed before: {', '.join(done)}" if done else ""
            raise told_anew(exc, f"{what} of #{seen.number} could not be changed{after}") from exc
        done.append(what)


def told_anew(error: PluginError, message: str) -> PluginError:
    """The same in other words: what to do about it, and when, stays."""
    anew = copy(error)
    anew.args = (message,)
    return anew


async def replied(github: GitHub, lost: LostReplies, thread: str, text: str) -> None:
    """Answer a thread; the same may have been said there before."""
    ask = github.graph.ask

    async def make() -> object:
        return await ask(documents.REPLY, {"thread": thread, "body": text}, into=object)

    async def find(since: datetime) -> object | None:
        last = (await ask(documents.LAST_REPLY, {"thread": thread}, into=_Thread)).remarks
        ours = [one for one in last if one.viewer_did_author and one.created_at >= since]
        return next((one for one in ours if same(one.body, text)), None)

    await lost.made((thread, text), make, find)


async def resolved(github: GitHub, thread: str) -> None:
    """Settle a thread."""
    await github.graph.ask(documents.RESOLVE, {"thread": thread}, into=object)


async def _assigned(github: GitHub, number: int, wanted: tuple[str, ...]) -> None:
    """GitHub passes over those who may not be assigned without a word."""
    path, told = f"{github.path}/issues/{number}/assignees", {"assignees": wanted}
    there = await github.rest.ask("POST", path, into=Found, json=told, repeatable=True)
    if not bears(there.logins, wanted):
        raise Rejected("GitHub did not assign all of them", hint=NO_WRITING)


def _parts(github: GitHub, seen: Seen, change: Amendment) -> Iterator[tuple[str, _Ask]]:
    here, rest = f"{github.path}/pulls/{seen.number}", partial(github.rest.ask, into=object)
    text = {"title": change.title, "body": change.body, "base": change.base}
    if fields := {name: value for name, value in text.items() if value is not None}:
        yield " and ".join(fields), partial(rest, "PATCH", here, json=fields, repeatable=True)
    if change.draft is not None and change.draft is not seen.is_draft:
        document = documents.DRAFT if change.draft else documents.READY
        yield "draft", partial(github.graph.ask, document, {"id": seen.id}, into=object)
    if change.assignees:
        yield "assignees", partial(_assigned, github, seen.number, change.assignees)
    if change.reviewers:
        path, told = f"{here}/requested_reviewers", {"reviewers": change.reviewers}
        yield "reviewers", partial(rest, "POST", path, json=told)
