"""The merge train: many sessions' work into one target, each proved on top of those before it.

The result is built aside, in one scratch tree, and the target moves once or not at all. A member
in conflict, or one that its gate fails, is left out with the reason and the train goes on.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from ao_core.errors import CommandFailed, NotFound, WrongState
from ao_core.git.forecast import Member, Outlook, Prediction, order, predict
from ao_core.git.joining import (
    Joined,
    Wish,
    combine,
    message_of,
    replay,
    scratch_tree,
    target_tip,
    tree_of,
)
from ao_core.git.landing import TRIES, deliver
from ao_core.git.proving import Gate, check_out, prove
from ao_core.git.repository import Git, Identity
from ao_core.ids import HomeId, SessionId, train_ref
from ao_core.model.work import Landing, MergeMethod
from ao_core.process import Run
from ao_core.redact import visible

__all__ = [
    "Boarded", "Fate", "Gate", "Leaving", "Member", "Outcome", "Prediction", "Ride", "TrainResult",
    "build", "order", "predict",
]  # fmt: skip

_TITLE_LIMIT = 200


class Fate(StrEnum):
    """What became of one member; `READY` is in a result that waits, or would be in one."""

    LANDED = "landed"
    READY = "ready"
    ALREADY = "already"
    CONFLICT = "conflict"
    FAILED = "failed"
    LEFT_OUT = "left_out"


class Outcome(StrEnum):
    """How a train ended; `READY` is finished, but the target could not be moved."""

    LANDED = "landed"
    READY = "ready"
    NOTHING = "nothing"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Ride:
    """One member's part: the commit it became, or the files and `whom` it is in conflict with.

    `unproved`: it was merged, and the gate was against it. `later`: the same may well be merged
    later, `promised`: its host does so by itself.
    """

    id: SessionId
    fate: Fate
    commit: str | None = None
    files: tuple[str, ...] = ()
    whom: tuple[str, ...] = ()
    why: str | None = None
    unproved: bool = False
    later: bool = False
    promised: bool = False


Boarded: TypeAlias = Callable[[Ride], Awaitable[None]]
"""Hears of each member as soon as it has been tried."""

Leaving: TypeAlias = Callable[[Sequence[Ride]], Awaitable[None]]
"""Hears what is about to reach the target: after a crash nobody else could tell."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The whole train, its members in the order they were tried; `onto` is where the target is."""

    outcome: Outcome
    members: tuple[Ride, ...]
    commit: str | None = None
    ref: str | None = None
    blockers: tuple[str, ...] = ()
    onto: str | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    git: Git
    committer: Identity
    prediction: Prediction
    method: MergeMethod
    gate: Gate | None
    scratch: Path
    whole: bool
    boarded: Boarded | None
    leaving: Leaving | None


@dataclass(slots=True)
class _Train:
    """What has been built on `onto`.

    `known` has the same files as `commit`, but descends from every member taken, whatever the
    method: so work that builds on other work of the train is neither in conflict nor done twice.
    """

    onto: str
    commit: str
    known: str
    rides: list[Ride] = field(default_factory=list[Ride])

    def taken(self) -> list[SessionId]:
        return [ride.id for ride in self.rides if ride.fate is Fate.LANDED]


_BAD = frozenset({Fate.CONFLICT, Fate.FAILED})


async def build(
    run: Run, repository: Path, prediction: Prediction, *, method: MergeMethod, home: HomeId,
    train_id: str, scratch: Path, gate: Gate | None = None, all_or_nothing: bool = False,
    dry_run: bool = False, boarded: Boarded | None = None, leaving: Leaving | None = None,
) -> TrainResult:  # fmt: skip
    """Build the train and move the target to it; `dry_run` only says what is to be expected."""
    if dry_run:
        return _rehearse(prediction, whole=all_or_nothing)
    git = Git(run, repository)
    by = await git.identity()
    signed = git.signed(by)
    plan = _Plan(
        signed, by, prediction, method, gate, scratch, all_or_nothing, boarded, leaving
    )  # fmt: skip
    kept = train_ref(home, train_id)
    train = await _assemble(plan)
    for _ in range(TRIES - 1):
        result = await _finish(plan, train, kept)
        if result is not None:
            return result
        train = await _assemble(plan)
    result = await _finish(plan, train, kept)
    why = f"{prediction.target} keeps moving; try again"
    return result or _blocked(train.rides, why, train.onto)


async def _assemble(plan: _Plan) -> _Train:
    onto = await target_tip(plan.git, plan.prediction.target)
    train = _Train(onto, onto, onto)
    waiting = list(order(plan.prediction))
    async with scratch_tree(plan.git, plan.scratch, onto) as aside:
        while waiting and not (plan.whole and _failures(train.rides)):
            train.rides.append(await _board(plan, aside, train, waiting.pop(0)))
            if plan.boarded:
                await plan.boarded(train.rides[-1])
    train.rides = [await _carried(plan.git, train, ride, plan.prediction) for ride in train.rides]
    train.rides += [Ride(outlook.member.id, Fate.LEFT_OUT) for outlook in waiting]
    return train


async def _finish(plan: _Plan, train: _Train, kept: str) -> TrainResult | None:
    """Move the target to what was built; None where it moved meanwhile."""
    failures = _failures(train.rides)
    if plan.whole and failures:
        return _blocked(train.rides, f"{failures[0].id} could not be merged", train.onto)
    if train.commit == train.onto:
        return TrainResult(Outcome.NOTHING, tuple(train.rides), onto=train.onto)
    if plan.leaving:
        await plan.leaving(train.rides)
    target = plan.prediction.target
    landed = await deliver(plan.git, target, train.commit, train.onto, kept)
    if landed is None:
        return None
    if landed.landing is Landing.LANDED:
        return TrainResult(Outcome.LANDED, tuple(train.rides), train.commit, onto=train.commit)
    rides = tuple(_instead(ride, Fate.READY) for ride in train.rides)
    return TrainResult(Outcome.READY, rides, train.commit, kept, landed.blockers, train.onto)


async def _board(plan: _Plan, aside: Git, train: _Train, outlook: Outlook) -> Ride:
    """Join one member to the train and prove the result, or say why it stays behind."""
    member, head = outlook.member, outlook.head
    if outlook.problem is not None:
        return Ride(member.id, Fate.FAILED, why=outlook.problem)
    if await plan.git.is_ancestor(head, train.onto):
        return Ride(member.id, Fate.ALREADY, train.onto)
    if await plan.git.is_ancestor(head, train.known):
        return Ride(member.id, Fate.LANDED, train.commit)
    try:
        joined = await _join(plan, aside, train, outlook)
    except (CommandFailed, NotFound, WrongState) as exc:
        return Ride(member.id, Fate.FAILED, why=exc.message)
    if joined.conflicts:
        whom = _whom(plan.prediction, outlook, train.taken(), joined.conflicts)
        return Ride(member.id, Fate.CONFLICT, files=joined.conflicts, whom=whom)
    return await _judge(plan, aside, train, outlook, joined.commit)


async def _judge(plan: _Plan, aside: Git, train: _Train, outlook: Outlook, commit: str) -> Ride:
    id = outlook.member.id
    if commit == train.commit:  # nothing of it is missing
        return Ride(id, Fate.ALREADY if commit == train.onto else Fate.LANDED, commit)
    why = await prove(aside, commit, plan.gate) if plan.gate else None
    if why is not None:
        return Ride(id, Fate.FAILED, why=why, unproved=True)
    train.known = await _known(plan, train, outlook.head, commit)
    train.commit = commit
    return Ride(id, Fate.LANDED, commit)


async def _join(plan: _Plan, aside: Git, train: _Train, outlook: Outlook) -> Joined:
    member = outlook.member
    if plan.method is MergeMethod.REBASE:
        await check_out(aside, outlook.head)
        return await replay(aside, train.commit, train.known, session=member.id)
    title = " ".join(visible(member.title, _TITLE_LIMIT).split())
    author = member.author or plan.committer
    wish = Wish(outlook.head, plan.method, message_of(title, member.id), author)
    return await combine(plan.git, wish, train.commit, train.known)


async def _known(plan: _Plan, train: _Train, head: str, commit: str) -> str:
    if plan.method is MergeMethod.MERGE:
        return commit
    tree = await tree_of(plan.git, commit)
    return await plan.git.commit_tree(tree, [train.known, head], "never shown\n")


async def _carried(git: Git, train: _Train, ride: Ride, prediction: Prediction) -> Ride:
    """A member that stayed behind may have come along with one that builds on it."""
    head = next(one.head for one in prediction.outlooks if one.member.id == ride.id)
    if ride.fate in _BAD and head and await git.is_ancestor(head, train.known):
        return Ride(ride.id, Fate.LANDED, train.commit)
    return ride


def _whom(
    prediction: Prediction, outlook: Outlook, taken: Sequence[SessionId], files: tuple[str, ...]
) -> tuple[str, ...]:
    """The members on the train, or the target, that have changed the same files."""
    clashes = prediction.clashes_of(outlook.member.id)
    found = [id for id in taken if not set(files).isdisjoint(clashes.get(id, ()))]
    if not found or not set(files).isdisjoint(outlook.conflicts):
        return (prediction.target, *found)
    return tuple(found)


def _rehearse(prediction: Prediction, *, whole: bool) -> TrainResult:
    """The train as far as the prediction alone can tell."""
    rides: list[Ride] = []
    for outlook in order(prediction):
        ready = [ride.id for ride in rides if ride.fate is Fate.READY]
        rides.append(_expected(prediction, outlook, ready))
    failures = _failures(rides)
    if whole and failures:
        return _blocked(rides, f"{failures[0].id} could not be merged", prediction.onto)
    some = any(ride.fate is Fate.READY for ride in rides)
    return TrainResult(Outcome.READY if some else Outcome.NOTHING, tuple(rides))


def _expected(prediction: Prediction, outlook: Outlook, ready: Sequence[SessionId]) -> Ride:
    id = outlook.member.id
    if outlook.problem is not None:
        return Ride(id, Fate.FAILED, why=outlook.problem)
    if outlook.already:
        return Ride(id, Fate.ALREADY, prediction.onto)
    clashes = prediction.clashes_of(id)
    files = {file for other in ready for file in clashes.get(other, ())} | {*outlook.conflicts}
    if not files:
        return Ride(id, Fate.READY)
    inside = tuple(sorted(files))
    whom = _whom(prediction, outlook, ready, inside)
    return Ride(id, Fate.CONFLICT, files=inside, whom=whom)


def _failures(rides: Sequence[Ride]) -> list[Ride]:
    return [ride for ride in rides if ride.fate in _BAD]


def _blocked(rides: Sequence[Ride], why: str, onto: str) -> TrainResult:
    shown = tuple(_instead(ride, Fate.LEFT_OUT, why) for ride in rides)
    return TrainResult(Outcome.BLOCKED, shown, blockers=(why,), onto=onto)


def _instead(ride: Ride, fate: Fate, why: str | None = None) -> Ride:
    """The same ride with another end, for one that would have landed or was never tried."""
    if ride.fate in (Fate.LANDED, Fate.READY, Fate.LEFT_OUT):
        commit = None if fate is Fate.LEFT_OUT else ride.commit
        return replace(ride, fate=fate, commit=commit, why=why)
    return ride
