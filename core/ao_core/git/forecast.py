"""What a train would meet: every member against the target and against every other, in memory."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import anyio

from ao_core.errors import AoError, BadRequest, CommandFailed, NotFound, WrongState
from ao_core.git.joining import commit_of, merge_tree, target_tip
from ao_core.git.repository import Git, Identity
from ao_core.ids import SessionId
from ao_core.process import Run
from ao_core.redact import visible

_AT_ONCE = 4
_SHOWN = 10
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Member:
    """One session's work: its last commit, and the title its merge is to have."""

    id: SessionId
    head: str
    title: str
    author: Identity | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """One member against the target; `problem` says why it cannot be merged at all."""

    member: Member
    head: str = ""
    already: bool = False
    conflicts: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Clash:
    """Two members that cannot both be merged as they are, and the files why."""

    one: SessionId
    other: SessionId
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was seen with the target at the commit `onto`; the members as they were given."""

    target: str
    onto: str
    outlooks: tuple[Outlook, ...]
    clashes: tuple[Clash, ...] = ()

    def clashes_of(self, id: SessionId) -> dict[SessionId, tuple[str, ...]]:
        """Whom one member clashes with, and in which files."""
        found = dict[SessionId, tuple[str, ...]]()
        for clash in self.clashes:
            if id in (clash.one, clash.other):
                found[clash.other if id == clash.one else clash.one] = clash.files
        return found


async def predict(run: Run, repository: Path, target: str, members: Sequence[Member]) -> Prediction:
    """Try every merge with the target and every pair in memory; nothing changes."""
    if len({member.id for member in members}) < len(members):
        raise BadRequest("a session is named twice", hint="Name each session once.")
    git = Git(run, repository)
    onto = await target_tip(git, target)
    outlooks = await _each(lambda member: _outlook(git, onto, member), members)
    pairs = list(combinations(filter(_is_open, outlooks), 2))
    clashes = await _each(lambda pair: _clash(git, *pair), pairs)
    return Prediction(target, onto, tuple(outlooks), tuple(one for one in clashes if one.files))


def order(prediction: Prediction) -> tuple[Outlook, ...]:
    """Who goes first: nobody in conflict with the target, then the one in fewest pairs' way."""

    def cost(outlook: Outlook) -> tuple[bool, int]:
        clashes = prediction.clashes_of(outlook.member.id)
        return bool(outlook.conflicts or outlook.problem), len(clashes)

    return tuple(sorted(prediction.outlooks, key=cost))


def in_conflict(whom: Sequence[str], files: Sequence[str]) -> str:
    """A conflict in one line."""
    shown = ", ".join(visible(name, 100) for name in files[:_SHOWN])
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    where = f" in {shown}{more}" if files else ""  # a host may not tell
    return f"it conflicts with {', '.join(whom[:_SHOWN])}{where}"


async def _outlook(git: Git, onto: str, member: Member) -> Outlook:
    try:
        head = await commit_of(git, member.head)
        if await git.is_ancestor(head, onto):
            return Outlook(member, head, already=True)
        _, conflicts = await merge_tree(git, onto, head)
    except (CommandFailed, NotFound, WrongState) as exc:
        return Outlook(member, problem=exc.message)  # the others can be merged all the same
    return Outlook(member, head, conflicts=conflicts)


async def _clash(git: Git, one: Outlook, other: Outlook) -> Clash:
    try:
        _, files = await merge_tree(git, one.head, other.head)
    except WrongState:
        files = ()  # they have nothing in common but what each shares with the target
    return Clash(one.member.id, other.member.id, files)


def _is_open(outlook: Outlook) -> bool:
    return not outlook.already and outlook.problem is None


async def _each(ask: Callable[[_T], Awaitable[_R]], things: Sequence[_T]) -> list[_R]:
    """Ask of all of them, a few at once; the answers in the order of the questions."""
    answers = dict[int, _R]()
    failures: list[AoError] = []
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def one(place: int, thing: _T) -> None:
        async with limiter:
            try:
                answers[place] = await ask(thing)
            except AoError as exc:
                failures.append(exc)
                group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for place, thing in enumerate(things):
            group.start_soon(one, place, thing)
    if failures:
        raise failures[0]
    return [answers[place] for place in range(len(things))]
