"""What is wrong with a configuration: where, what, and the word that was probably meant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from ao_core.errors import ConfigError
from ao_core.redact import scrub, visible

Where: TypeAlias = tuple[str | int, ...]

_WHERE_LIMIT = 160
_MESSAGE_LIMIT = 400
_HINT = "Mend what is named, then call again; docs/configuration.md has every setting."


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one place. It never holds a value that may be secret."""

    path: Path | None
    line: int | None
    where: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        place = f"{self.path}:{self.line or 1}: " if self.path else ""
        meant = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        subject = f"{self.where}: " if self.where else ""
        return f"{place}{subject}{self.message}{meant}"


class ConfigProblems(ConfigError):
    """Everything that is wrong with a configuration, at once."""

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        super().__init__("\n".join(map(str, problems)), hint=hint or _HINT)
        self.problems = tuple(problems)


def problem(
    path: Path | None, line: int | None, where: Where, message: str, meant: str | None = None
) -> Problem:
    """Say it without anything hidden, and without what looks like a secret."""
    return Problem(path, line, spelled(where), visible(scrub(message), _MESSAGE_LIMIT), meant)


def spelled(where: Where) -> str:
    """A place as people write it, such as `projects.app.gates[0].command`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in where]
    return visible(scrub("".join(parts).removeprefix(".")), _WHERE_LIMIT)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    close = get_close_matches(word[:_WHERE_LIMIT], sorted(known), n=1, cutoff=0.65)
    return close[0] if close else None
