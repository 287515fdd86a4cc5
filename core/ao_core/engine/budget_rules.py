"""What a budget and what was used come to. Pure: facts in, what is to be told and done out.

A part of which nobody tells how much was used is unknown: it is neither near nor reached.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ao_core.model.budget import Budget, Part, Spending
from ao_core.model.session import Session, SessionReason, SessionState, is_terminal, worked
from ao_core.model.usage import Usage

NEAR = 0.8
CEILING_WINDOW = timedelta(hours=24)
_RESTS = (SessionState.IDLE, SessionState.NEEDS_INPUT)


class Stand(StrEnum):
    """How one part of a budget stands."""

    OPEN = "open"  # nothing is limited
    UNKNOWN = "unknown"
    WITHIN = "within"
    NEAR = "near"
    REACHED = "reached"


@dataclass(frozen=True, slots=True)
class Finding:
    """How much of one part was used. `used` None is unknown; `least`: it is that much or more."""

    part: Part
    used: float | None
    limit: float
    stand: Stand
    least: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is new: what is to be told for the first time, and what is reached.

    `told` is what was told from now on, and is still so.
    """

    news: tuple[Finding, ...]
    reached: tuple[Finding, ...]
    told: tuple[str, ...]


def stand(limit: float | None, used: float | None) -> Stand:
    """How one part stands."""
    if limit is None:
        return Stand.OPEN
    if used is None:
        return Stand.UNKNOWN
    if used >= limit:
        return Stand.REACHED
    return Stand.NEAR if used >= NEAR * limit else Stand.WITHIN


def weigh(budget: Budget, used: Spending) -> tuple[Finding, ...]:
    """Every part that is limited."""
    return tuple(
        Finding(part, used.of(part), limit, stand(limit, used.of(part)), part in used.least)
        for part in Part
        if (limit := budget.of(part)) is not None
    )


def judge(
    budget: Budget, used: Spending, told: Iterable[str], *, silent: Collection[Part] = ()
) -> Verdict:
    """What follows. That a part is unknown is worth telling of those in `silent`."""
    before, found = frozenset(told), weigh(budget, used)
    worth = [one for one in found if one.stand in (Stand.NEAR, Stand.REACHED)]
    worth += [_unknown(one) for one in found if one.part in silent and _is_unknown(one)]
    now = {_mark(one): one for one in worth}
    kept = {mark for mark in before if _still(mark, found)}
    news = tuple(one for mark, one in now.items() if mark not in kept)
    reached = tuple(one for one in found if one.stand is Stand.REACHED)
    return Verdict(news, reached, tuple(sorted(kept | now.keys())))


def _is_unknown(one: Finding) -> bool:
    return one.least or one.stand is Stand.UNKNOWN


def _unknown(one: Finding) -> Finding:
    return Finding(one.part, None, one.limit, Stand.UNKNOWN)


def _mark(one: Finding) -> str:
    return f"{one.part}:{one.stand}"


def _still(mark: str, found: Iterable[Finding]) -> bool:
    """Whether what was told holds: what is reached was near before, and is not told to be again."""
    part, _, then = mark.partition(":")
    now = next((one for one in found if one.part == part), None)
    if now is None:
        return then == Stand.OPEN
    if then == Stand.UNKNOWN:
        return _is_unknown(now)
    return now.stand == then or (now.stand is Stand.REACHED and then == Stand.NEAR)


def spending(session: Session, at: datetime) -> Spending:
    """What a session has used, in all its lives."""
    usage = session.spent.plus(session.usage)
    return Spending(worked(session, at) / 60, usage.tokens, usage.cost_usd)


def counted(session: Session, news: Usage) -> Session:
    """With the totals its agent tells now; where they are less than before, they began anew."""
    spent = session.spent.plus(session.usage.beyond(news))
    return replace(session, spent=spent, usage=session.usage.with_news(news))


def had_turn(session: Session) -> bool:
    """Whether it rests after a turn, by which its agent has told what it is going to tell."""
    ended = (SessionReason.TURN_ENDED, SessionReason.AWAITING_USER_INPUT)
    return session.facts.state in _RESTS and session.facts.reason in ended


def silent(session: Session, at: datetime) -> frozenset[Part]:
    """Of what it tells nothing, and will not: a turn has ended without it, or it has."""
    over = had_turn(session) or is_terminal(session)
    return spending(session, at).untold if over else frozenset()


def counting(sessions: Iterable[Session], at: datetime) -> list[Session]:
    """Those that a ceiling is for: who lives, or was begun within the last day."""
    return [one for one in sessions if not is_terminal(one) or at - one.created_at < CEILING_WINDOW]


def together(sessions: Iterable[Session], at: datetime) -> Spending:
    """What all of them have used."""
    total = Spending()
    for one in counting(sessions, at):
        total = total.plus(spending(one, at))
    return total


def said(found: Iterable[Finding]) -> str:
    """Used and allowed, in words: `12 of 60 min, 1500 of 2000 tokens`."""
    return ", ".join(map(_said, found))


def used_of(budget: Budget, used: Spending) -> str:
    """The same, and what was used of parts that are not limited, as far as it is known."""
    limited = {one.part: _said(one) for one in weigh(budget, used)}
    known = {part: _number(amount) + _UNITS[part] for part in Part if (amount := used.of(part))}
    return ", ".join((known | limited)[part] for part in Part if part in known | limited)


_UNITS = {Part.MINUTES: " min", Part.TOKENS: " tokens", Part.COST: " USD"}


def _said(one: Finding) -> str:
    used = "unknown" if one.used is None else _number(one.used)
    used = f"at least {used}" if one.least else used
    return f"{used} of {_number(one.limit)}{_UNITS[one.part]}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
