"""What an agent used, as far as it tells."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Totals of a session; None is unknown, never zero."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None

    @property
    def tokens(self) -> int | None:
        """All tokens it tells of."""
        known = [one for one in (self.input_tokens, self.output_tokens) if one is not None]
        return sum(known) if known else None

    def with_news(self, news: "Usage") -> "Usage":
        """As it is told now; what is no longer told stays known."""
        return Usage(
            self.input_tokens if news.input_tokens is None else news.input_tokens,
            self.output_tokens if news.output_tokens is None else news.output_tokens,
            self.cost_usd if news.cost_usd is None else news.cost_usd,
        )

    def beyond(self, news: "Usage") -> "Usage":
        """What was told before and begins anew: tokens together, and what they cost."""
        tokens = (self.input_tokens, self.output_tokens)
        fewer = map(_is_less, (news.input_tokens, news.output_tokens), tokens)
        into, out = tokens if any(fewer) else (None, None)
        return Usage(into, out, self.cost_usd if _is_less(news.cost_usd, self.cost_usd) else None)

    def plus(self, other: "Usage") -> "Usage":
        """Both together; of what neither tells nothing is known."""
        return Usage(
            _added(self.input_tokens, other.input_tokens),
            _added(self.output_tokens, other.output_tokens),
            self.cost_usd
            if other.cost_usd is None
            else other.cost_usd + (0.0 if self.cost_usd is None else self.cost_usd),
        )


def _added(one: int | None, other: int | None) -> int | None:
    return one if other is None else other + (0 if one is None else one)


def _is_less(now: float | None, before: float | None) -> bool:
    return now is not None and before is not None and now < before
