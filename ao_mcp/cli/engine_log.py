"""Reads the engine's own log: its end, and what comes after it, also while it is rotated."""

import os
import select
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Self

from ao_core.errors import Unknown
from ao_core.log import parts

_LONGEST_TAIL = 1024 * 1024
_PAUSE = 0.2


class EngineLog:
    """An engine's log, open for reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        try:
            self._file: IO[bytes] = path.open("rb")
        except FileNotFoundError as exc:
            hint = "It is written from the first start of the engine: `ao start`."
            raise Unknown(f"There is no {path}.", hint=hint) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def last(self, count: int) -> list[str]:
        """The last lines, with those of older files where there are too few."""
        _, *older = parts(self._path)
        lines = self._lines(_end(self._file))
        while len(lines) < count and older:
            with older.pop(0).open("rb") as file:
                lines = _text(_end(file).splitlines()) + lines
        return lines[-count:] if count else []

    def coming(self) -> Iterator[list[str]]:
        """Lines as they are written, for ever."""
        while True:
            if lines := self.more():
                yield lines
            select.select([], [], [], _PAUSE)

    def more(self) -> list[str]:
        """The lines written since."""
        data = self._file.read()
        while newer := self._newer():
            data += self._file.read()  # what was written just before it was put aside
            self._file.close()
            self._file = newer.open("rb")
            data += self._file.read()
        return self._lines(data)

    def _lines(self, data: bytes) -> list[str]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        return _text(whole)

    def _newer(self) -> Path | None:
        """The file that follows the one being read, if that one was put aside."""
        files = [file for file in parts(self._path) if file.exists()]
        ours = os.fstat(self._file.fileno())
        for place, file in enumerate(files):
            if os.path.samestat(file.stat(), ours):
                return files[place - 1] if place else None
        return files[-1] if files else None


def _end(file: IO[bytes]) -> bytes:
    file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST_TAIL))
    return file.read()


def _text(lines: Sequence[bytes]) -> list[str]:
    return [line.decode(errors="replace") for line in lines]
