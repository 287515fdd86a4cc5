"""What an agent used, as far as it tells."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Totals of a session; None is unknown, never zero."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
