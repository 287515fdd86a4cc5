"""What a screen shows, by regular expressions on its last lines."""

import re

from pydantic import Field, field_validator

from ao_core.model.activity import ActivityState
from ao_core.plugin import Config

_PATTERNS, _PATTERN_LENGTH = 20, 200
_LINES, _LINE_LENGTH = 15, 300  # little enough for any pattern
_ORDER = ("waiting_input", "blocked", "active", "idle")


class Screens(Config):
    """Patterns for each state; where several match, the first of these counts."""

    waiting_input: tuple[str, ...] = Field(default=(), max_length=_PATTERNS)
    blocked: tuple[str, ...] = Field(default=(), max_length=_PATTERNS)
    active: tuple[str, ...] = Field(default=(), max_length=_PATTERNS)
    idle: tuple[str, ...] = Field(default=(), max_length=_PATTERNS)
    quota: tuple[str, ...] = Field(default=(), max_length=_PATTERNS)

    @field_validator("*")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if len(pattern) > _PATTERN_LENGTH:
                raise ValueError(f"a pattern is longer than {_PATTERN_LENGTH} characters")
            try:
                re.compile(pattern)
            except (re.error, RecursionError, OverflowError) as exc:
                raise ValueError(f"{pattern!r} is no regular expression: {exc}") from exc
        return patterns

    def state(self, screen: str) -> ActivityState | None:
        """What the last lines show; None if nothing matches."""
        lines = _last(screen)
        for name in _ORDER:
            patterns: tuple[str, ...] = getattr(self, name)
            if any(re.search(pattern, line) for pattern in patterns for line in lines):
                return ActivityState(name)
        return ActivityState.BLOCKED if self.exhausted(screen) else None

    def exhausted(self, screen: str) -> str | None:
        """The last line that says that a quota is used up."""
        lines = reversed(_last(screen))
        found = (one for one in lines if any(re.search(pattern, one) for pattern in self.quota))
        return next(found, None)


def _last(screen: str) -> list[str]:
    written = [line for line in screen.splitlines() if line.strip()]
    return [line[:_LINE_LENGTH] for line in written[-_LINES:]]
