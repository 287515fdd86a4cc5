"""A log of JSON lines that grows: what was made of it so far is kept, and only the rest is read."""

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar, cast

_STEP = 8 * 1024 * 1024
_LONGEST = 64 * 1024 * 1024
_MOST = 256  # logs
T = TypeVar("T")


@dataclass(slots=True)
class _Known(Generic[T]):
    value: T
    inode: int
    read: int = 0
    rest: bytes = field(default=b"")
    turn: Lock = field(default_factory=Lock)


class Grown(Generic[T]):
    """Folds the lines of logs, each from where it was read to last, and by one thread at a time."""

    def __init__(self, begin: Callable[[], T], take: Callable[[T, Mapping[str, Any]], T]) -> None:
        self._begin, self._take = begin, take
        self._known: OrderedDict[Path, _Known[T]] = OrderedDict()
        self._guard = Lock()

    def of(self, log: Path) -> T | None:
        """What all its lines amount to by now; None where there is no such log."""
        try:
            with log.open("rb") as file, (known := self._at(log, file.fileno())).turn:
                file.seek(known.read)
                while data := file.read(_STEP):
                    known.read += len(data)
                    self._fold(known, data)
        except OSError:
            return None
        return known.value

    def _at(self, log: Path, descriptor: int) -> _Known[T]:
        about = os.fstat(descriptor)
        with self._guard:
            known = self._known.pop(log, None)
            if known is None or known.inode != about.st_ino or known.read > about.st_size:
                known = _Known(self._begin(), about.st_ino)
            self._known[log] = known
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return known

    def _fold(self, known: _Known[T], data: bytes) -> None:
        *lines, known.rest = (known.rest + data).split(b"\n")
        known.rest = known.rest if len(known.rest) <= _LONGEST else b""  # nobody writes such a line
        for line in lines:
            try:
                loaded: object = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(loaded, dict):
                known.value = self._take(known.value, cast("dict[str, Any]", loaded))
