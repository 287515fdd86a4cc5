"""The engine's own log: rotated by size, for its owner only, and never a reason to fail.

The newest lines are in the file itself, older ones in `.1`, then `.2`, beside it.
"""

import errno
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

SIZE, FILES = 5_000_000, 3
_STDERR = 2


def parts(path: Path) -> list[Path]:
    """The files a log consists of, the newest first."""
    older: list[Path] = []
    while (file := _numbered(path, len(older) + 1)).exists():
        older.append(file)
    return [path, *older]


class LogFile(logging.Handler):
    """Writes each record at once. Lines that the disk refuses are counted, and told of later."""

    def __init__(self, path: Path, size: int = SIZE, files: int = FILES) -> None:
        super().__init__()
        self._path, self._size, self._files = path, size, files
        self._file = -1
        self._lost = 0
        self._torn = False
        self._stderr_follows = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; whatever goes wrong stays here."""
        try:
            line = self.format(record) + "\n"
        except Exception:  # a record that cannot be put into words is not worth an engine
            line = f"a record of {record.name} cannot be put into words\n"
        try:
            self._write(line.encode(errors="replace"))
        except OSError:
            self._lost += 1

    def close(self) -> None:
        """Close the file."""
        self.acquire()
        try:
            self._let_go()
        finally:
            self.release()
        super().close()

    def _write(self, data: bytes) -> None:
        self._see_to_the_file()
        if self._lost:
            told = f"{self._lost} lines could not be written here\n"
            data = told.encode() + data
        if self._torn:
            data = b"\n" + data
        written = os.write(self._file, data)
        self._torn = written < len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._lost = 0

    def _see_to_the_file(self) -> None:
        """It is open, in its place, and has room."""
        if self._file >= 0 and not _is_at(self._path, self._file):
            self._let_go()  # somebody moved or removed it
        if self._file < 0:
            self._open()
        if os.fstat(self._file).st_size >= self._size:
            self._rotate()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(self._path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
        if hasattr(os, "fchmod"):
            os.fchmod(self._file, 0o600)
        if self._stderr_follows:  # what is said past logging, such as a crash, goes to one place
            os.dup2(self._file, _STDERR)

    def _rotate(self) -> None:
        self._let_go()
        for number in range(self._files - 1, 1, -1):
            _move(_numbered(self._path, number - 1), _numbered(self._path, number))
        if self._files > 1:
            _move(self._path, _numbered(self._path, 1))
        else:
            self._path.unlink(missing_ok=True)
        self._clear_away()
        self._open()

    def _clear_away(self) -> None:
        """Files that are too many, as fewer are kept than there were."""
        for old in parts(self._path)[self._files :]:
            old.unlink(missing_ok=True)

    def _let_go(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            self._stderr_follows = _is_same(_STDERR, file)
            os.close(file)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _move(path: Path, to: Path) -> None:
    with suppress(FileNotFoundError):
        path.replace(to)


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def _is_same(one: int, other: int) -> bool:
    try:
        left, right = os.fstat(one), os.fstat(other)
    except OSError:
        return False
    return stat.S_ISREG(left.st_mode) and os.path.samestat(left, right)
