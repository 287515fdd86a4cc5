"""What a session may use, and what it has used. What nobody tells is unknown, never zero."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Part(StrEnum):
    """What is counted."""

    MINUTES = "minutes"
    TOKENS = "tokens"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of each may be used; None: any amount. Minutes are those it worked."""

    minutes: float | None = None
    tokens: int | None = None
    cost: float | None = None

    def of(self, part: Part) -> float | None:
        """The limit of one part."""
        return getattr(self, part)

    def over(self, lower: "Budget") -> "Budget":
        """This one, and what another says of parts that this one leaves open."""

        def chosen(mine: float | None, other: float | None) -> float | None:
            return other if mine is None else mine

        tokens = lower.tokens if self.tokens is None else self.tokens
        minutes = chosen(self.minutes, lower.minutes)
        return Budget(minutes, tokens, chosen(self.cost, lower.cost))

    @property
    def parts(self) -> tuple[Part, ...]:
        """Those that are limited."""
        return tuple(part for part in Part if self.of(part) is not None)


@dataclass(frozen=True, slots=True)
class Spending:
    """What was used; None is unknown. Of parts in `least` somebody tells nothing: it is more."""

    minutes: float = 0.0
    tokens: int | None = None
    cost: float | None = None
    least: frozenset[Part] = frozenset()

    def of(self, part: Part) -> float | None:
        """What was used of one part."""
        return getattr(self, part)

    def plus(self, other: "Spending") -> "Spending":
        """Both together. What is known of one is the least, where the other tells nothing."""
        both = Spending(
            self.minutes + other.minutes,
            _added(self.tokens, other.tokens),
            _added_cost(self.cost, other.cost),
        )
        more = self.least | other.least | self.untold | other.untold
        return replace(both, least=more - both.untold)

    @property
    def untold(self) -> frozenset[Part]:
        """Of what nothing is told, though there was work."""
        parts = Part if self.minutes else ()
        return frozenset(part for part in parts if self.of(part) is None)


@dataclass(frozen=True, slots=True)
class Spent:
    """How one part of a budget stands; `used` None is unknown. `all_sessions`: the ceiling."""

    part: str
    used: float | None
    limit: float
    all_sessions: bool = False


def _added(one: int | None, other: int | None) -> int | None:
    return one if other is None else other + (one or 0)


def _added_cost(one: float | None, other: float | None) -> float | None:
    return one if other is None else other + (one or 0.0)
