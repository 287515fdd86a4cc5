"""Whose a pull request is: kept by number, so that it outlives every change of its head."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ao_core.errors import Corrupt
from ao_core.files import private_dir, write_atomic

_SHAPE = TypeAdapter(dict[str, list[int]])


@dataclass(slots=True)
class Claims:
    """The pull requests of each session, in one small file whose only writer we are."""

    path: Path
    _known: dict[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self._known = _read(self.path)

    def of(self, session: str) -> tuple[int, ...]:
        """Its pull requests, the latest last."""
        return tuple(self._known.get(session, ()))

    def whose(self, number: int) -> str | None:
        """The session that a pull request belongs to."""
        return next((id for id, numbers in self._known.items() if number in numbers), None)

    def knows(self, session: str) -> bool:
        """Whether it has ever had one, which another may have taken over since."""
        return session in self._known

    def claim(self, session: str, number: int) -> None:
        """It is this session's from now on, and its latest."""
        others = [one for one in self.of(session) if one != number]
        if self.of(session)[-1:] == (number,):
            return
        known = {
            id: [one for one in numbers if one != number] for id, numbers in self._known.items()
        }
        known = {**known, session: [*others, number]}
        private_dir(self.path.parent)
        write_atomic(self.path, json.dumps(known, indent=1) + "\n")
        self._known = known


def _read(path: Path) -> dict[str, list[int]]:
    try:
        return _SHAPE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as exc:
        hint = f"Move {path} away: pull requests are then found by their branches again."
        raise Corrupt("which pull request is whose cannot be read", hint=hint) from exc
