"""One SQLite file: created, checked, brought up to date, and used by one thread at a time."""

import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from ao_core.errors import Corrupt, StoreError, StoreUnavailable, VersionMismatch
from ao_core.platform import is_network_file_system

T = TypeVar("T")

_APPLICATION = 0x616F6D63
_BUSY_SECONDS = 5.0
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA trusted_schema = OFF",
)
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REMEDIES = {
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space on its disk; nothing was lost."),
    sqlite3.SQLITE_READONLY: ("it is read-only", "Make the file and its folder writable."),
    sqlite3.SQLITE_PERM: ("access is denied", "Make the file and its folder yours."),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "Check that its folder exists and is yours."),
    sqlite3.SQLITE_IOERR: ("the disk failed", "Check the disk: space, quota, and its health."),
    sqlite3.SQLITE_BUSY: (
        "another process holds it",
        "End the other process; `ao doctor` names it.",
    ),
    sqlite3.SQLITE_NOMEM: ("memory ran out", "End something that uses much memory."),
}


class Connection:
    """An open database. Its calls run on a thread, one after the other."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db
        self._limiter = CapacityLimiter(1)
        # a task cancelled by asyncio itself gives the limiter back while its thread still works
        self._mutex = threading.Lock()

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Do a job with the database."""
        with in_our_words(self._path):
            return await to_thread.run_sync(self._hold, job, limiter=self._limiter)

    async def close(self) -> None:
        """Close, once the job under way has ended."""
        await self.run(sqlite3.Connection.close)

    def _hold(self, job: Callable[[sqlite3.Connection], T]) -> T:
        with self._mutex:
            return job(self._db)


async def open_writer(path: Path) -> Connection:
    """Open the file for writing; make it if there is none, bring it up to date if it is old."""
    return await _opened(path, _open_writer)


async def open_reader(path: Path) -> Connection:
    """Open a file that `open_writer` has opened before, only to read."""
    return await _opened(path, connect_reader)


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None]:
    """All of it, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:  # interrupted, too: all of it or nothing
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def journal_ends(db: sqlite3.Connection) -> tuple[int, int]:
    """The first number of the journal that is kept, and its last."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    head = int(row[0]) if row else 0
    (first,) = db.execute("SELECT min(seq) FROM event").fetchone()
    return head + 1 if first is None else int(first), head


@contextmanager
def in_our_words(path: Path) -> Generator[None]:
    """Raise SQLite's complaints as our errors."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeError) as exc:
        raise _explained(path, exc) from exc


def _explained(path: Path, exc: Exception) -> StoreError:
    """What the reader can do about it. Says nothing of what is stored."""
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        hint = "Move it away and put a copy in its place; it was not changed."
        return Corrupt(f"{path} is damaged or not a database", hint=hint)
    if code in _REMEDIES:
        reason, hint = _REMEDIES[code]
        return StoreUnavailable(f"{path} cannot be used: {reason}", hint=hint)
    if isinstance(exc, OSError):
        hint = _REMEDIES[sqlite3.SQLITE_CANTOPEN][1]
        return StoreUnavailable(f"{path} cannot be used: {exc.strerror}", hint=hint)
    if isinstance(exc, sqlite3.ProgrammingError):
        return StoreUnavailable(f"{path} is closed", hint="Open the store again.")
    name = getattr(exc, "sqlite_errorname", type(exc).__name__)
    return StoreError(f"{path} refused what was to be stored: {name}")


async def _opened(path: Path, open: Callable[[Path], sqlite3.Connection]) -> Connection:
    with in_our_words(path):
        return Connection(path, await to_thread.run_sync(open, path))


def _open_writer(path: Path) -> sqlite3.Connection:
    if kind := is_network_file_system(path.parent):
        hint = "Set AO_HOME to a folder on a local disk."
        raise StoreUnavailable(f"{path} is on a network file system ({kind})", hint=hint)
    _create(path)
    return _prepared(path, _migrate)


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a file only to read. Blocks: call it from a thread."""
    return _prepared(path, lambda db: db.execute("PRAGMA query_only = ON"))


def _create(path: Path) -> None:
    """Make it readable for its owner alone; SQLite gives its companion files the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        # never by opening it: closing it again would drop the locks of this process's connections
        path.chmod(0o600)


def _prepared(path: Path, prepare: Callable[[sqlite3.Connection], object]) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _refuse_foreign(path, db)
        for pragma in _PRAGMAS:
            db.execute(pragma)
        prepare(db)
    except BaseException:  # whatever it was, the file is closed and it is raised
        db.close()
        raise
    return db


def _refuse_foreign(path: Path, db: sqlite3.Connection) -> None:
    """Look before anything is changed."""
    application = _number(db, "PRAGMA application_id")
    tables = _number(db, "SELECT count(*) FROM sqlite_master")
    if application != _APPLICATION and (application or tables):
        hint = "Move it away, or choose another AO_HOME."
        raise StoreUnavailable(f"{path} is somebody else's database", hint=hint)
    if _number(db, "PRAGMA user_version") > len(_migrations()):
        hint = "Upgrade ao-mcp, or choose another AO_HOME."
        raise VersionMismatch(f"{path} was written by a newer version", hint=hint)


def _migrate(db: sqlite3.Connection) -> None:
    """Run the numbered scripts that have not been run, all or none."""
    with transaction(db):
        done = _number(db, "PRAGMA user_version")
        scripts = _migrations()
        for script in scripts[done:]:
            for statement in _statements(script):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(scripts)}")


def _migrations() -> list[str]:
    folder = files("ao_core.store") / "migrations"
    scripts = sorted((file.name, file) for file in folder.iterdir() if file.name.endswith(".sql"))
    return [file.read_text(encoding="utf-8") for _, file in scripts]


def _statements(script: str) -> Iterator[str]:
    # not executescript, which would commit first
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text
            text = ""


def _number(db: sqlite3.Connection, question: str) -> int:
    return int(db.execute(question).fetchone()[0])
