"""Files that are whole or not there, private folders, tails of logs, and locks."""

import errno
import json
import os
import re
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

from ao_core import platform
from ao_core.errors import BadRequest, StoreError, StoreUnavailable

_DRAFT = re.compile(r"\.new-[0-9a-f]+")
_LINES_LIMIT = 1024 * 1024  # bytes looked at for the last lines of a file
_REMEDIES = {
    errno.EACCES: "Check who owns it and its mode.",
    errno.EPERM: "Check who owns it and its mode.",
    errno.ENOENT: "Its folder is gone.",
    errno.EIO: "Check the health of that disk, and how it is connected.",
    errno.EFBIG: "A limit on the size of files stands in the way; see `ulimit -f`.",
}


def write_atomic(path: Path, data: bytes | str, mode: int = 0o600, *, durable: bool = True) -> None:
    """Write a file that is old or new at every moment, and on the disk on return if `durable`."""
    content = data.encode() if isinstance(data, str) else data
    with in_our_words(path, "written"):
        draft = path.with_name(f".new-{os.urandom(8).hex()}")
        try:
            _write_draft(draft, content, mode, durable=durable)
            os.replace(draft, path)
        except BaseException:  # interrupted, too: no draft stays
            draft.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(path.parent)


def is_draft(name: str) -> bool:
    """Whether it is what a writer who died half-way left."""
    return _DRAFT.fullmatch(name) is not None


def append_line(path: Path, line: bytes) -> None:
    """Add one line with one write, so that lines of several writers do not mix."""
    if b"\n" in line:
        raise BadRequest("a line cannot hold a line break")
    with (
        in_our_words(path, "written"),
        _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file,
    ):
        data = line + b"\n"
        if os.write(file, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def private_dir(path: Path) -> Path:
    """Make or check a folder that only this user can enter; raises `ConfigError`."""
    return platform.make_private(path)


def read_tail(path: Path, size: int) -> bytes:
    """The last bytes of a file, at most `size`; none if there is no file."""
    with in_our_words(path, "read"):
        try:
            with _opened(path, os.O_RDONLY) as file:
                return _end_of(file, size)
        except FileNotFoundError:
            return b""


def last_lines(path: Path, limit: int) -> list[bytes]:
    """The last lines of a file, oldest first, as far as they lie in its last megabyte."""
    return _whole_lines(path, _LINES_LIMIT)[-limit:] if limit > 0 else []


def read_json_lines_tail(path: Path, size: int) -> list[dict[str, object]]:
    """The objects in the last `size` bytes of a file; lines cut or garbled are passed over."""
    parsed = (_parsed(line) for line in _whole_lines(path, size))
    return [cast("dict[str, object]", one) for one in parsed if isinstance(one, dict)]


@dataclass(slots=True)
class FileLock:
    """A lock that is held; it goes with `close` or with the process."""

    path: Path
    descriptor: int = -1

    def close(self) -> None:
        """Let it go. A second call is harmless."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def try_lock(path: Path) -> FileLock | None:
    """Take a lock file's lock, or None if it is held. The file stays when the lock goes."""
    with in_our_words(path, "locked"):
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            lock = FileLock(path, descriptor)
            if not platform.try_flock(descriptor):
                lock.close()
                return None
            if _is_still(path, descriptor):
                return lock
            lock.close()  # somebody removed or replaced the file meanwhile


def given_lock(path: Path, descriptor: int) -> FileLock:
    """A lock that the process before us took and left open for us."""
    with in_our_words(path, "locked"):
        os.set_inheritable(descriptor, False)
        if not _is_still(path, descriptor):
            raise StoreUnavailable(f"{path} is not what was locked", hint="Try again.")
    return FileLock(path, descriptor)


def _write_draft(draft: Path, content: bytes, mode: int, *, durable: bool) -> None:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.chmod(draft, mode)
        if durable:
            os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """See what was made, renamed or removed in a folder on the disk."""
    if platform.system() == "windows":  # which cannot open folders
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _opened(path: Path, flags: int) -> Generator[int]:
    # not to be held up by a pipe that somebody put there
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StoreError(f"{path} is not a plain file", hint="Remove what is there.")
        yield descriptor
    finally:
        os.close(descriptor)


def _end_of(file: int, size: int) -> bytes:
    os.lseek(file, max(0, os.fstat(file).st_size - size), os.SEEK_SET)
    parts: list[bytes] = []
    left = size
    while left > 0 and (part := os.read(file, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _whole_lines(path: Path, size: int) -> list[bytes]:
    data = read_tail(path, size + 1)
    if len(data) > size:  # the first line, unless it begins just here, is cut
        data = data.partition(b"\n")[2]
    return data.removesuffix(b"\n").split(b"\n") if data else []


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextmanager
def in_our_words(path: Path, done: str) -> Generator[None]:
    """Raise the system's complaints as our errors; `done` is what could not be."""
    try:
        yield
    except OSError as exc:
        hint = platform.disk_remedy(exc) or _REMEDIES.get(exc.errno or 0)
        raise StoreUnavailable(f"{path} cannot be {done}: {exc.strerror}", hint=hint) from exc
