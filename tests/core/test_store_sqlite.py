"""The SQLite store: the contract of all stores, and what is its own: the file and the disk."""

import asyncio
import os
import resource
import sqlite3
import stat
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

import anyio
import pytest
from hypothesis import settings

from ao_core.clock import Clock, SystemClock
from ao_core.errors import AoError, Corrupt, StoreError, StoreUnavailable, VersionMismatch
from ao_core.store import codec, database
from ao_core.store.codec import encode_moment
from ao_core.store.contract import Store
from ao_core.store.database import in_our_words, open_writer, transaction
from ao_core.store.records import COUNTER
from ao_core.store.sqlite import SqliteStore
from ao_core.testing.store import SharedStoreContract, StoreContract
from ao_core.testing.store_gate import Gate, GateContract, cancelled
from ao_core.testing.store_kit import Make, commit, counted, counters, journal, present, said
from ao_core.testing.store_machine import StoreMachine


class TestSqliteStore(StoreContract, SharedStoreContract, GateContract):
    @pytest.fixture
    def make(self) -> Make:
        return SqliteStore


class SqliteMachine(StoreMachine):
    def make(self, path: Path, clock: Clock) -> Store:
        return SqliteStore(path, clock)


SqliteMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestSqliteMachine = SqliteMachine.TestCase


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def opened(path: Path) -> SqliteStore:
    return SqliteStore(path, SystemClock())


async def refusal(path: Path) -> AoError:
    with pytest.raises(AoError) as refused:
        await opened(path).__aenter__()
    assert refused.value.hint
    return refused.value


def change(path: Path, *statements: str) -> None:
    """Change the file behind the store's back."""
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


@contextmanager
def write_locked(path: Path) -> Generator[None, None, None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def make_folder(path: Path) -> None:
    path.mkdir()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_only_the_owner_can_read_the_files(path: Path) -> None:
    async with opened(path) as store:
        await store.commit([counted("a", 1)])
        files = list(path.parent.iterdir())
        assert {file.name for file in files} == {"store.db", "store.db-wal", "store.db-shm"}
        assert {mode(file) for file in files} == {0o600}


async def test_a_file_others_could_read_is_closed_to_them(path: Path) -> None:
    write(path, b"")  # empty, as a crash at the very first start leaves it
    os.chmod(path, 0o644)
    async with opened(path) as store:
        await store.commit([counted("a", 1)])
    assert mode(path) == 0o600


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("busy_timeout", 5000)]
)
async def test_every_commit_reaches_the_disk(path: Path, pragma: str, value: object) -> None:
    def ask(db: sqlite3.Connection) -> object:
        return db.execute(f"PRAGMA {pragma}").fetchone()[0]

    writer = await open_writer(path)
    assert await writer.run(ask) == value
    await writer.close()


@pytest.mark.parametrize(
    "content", [b"not a database at all\n" * 100, b"SQLite format 3\0" + b"\1" * 9000]
)
async def test_a_file_that_is_no_database_is_refused_and_left_alone(
    path: Path, content: bytes
) -> None:
    write(path, content)
    assert isinstance(await refusal(path), Corrupt)
    assert read(path) == content


async def test_a_damaged_page_is_reported_as_damage(path: Path) -> None:
    async with opened(path) as store:
        await store.commit([counted(f"{n}", n) for n in range(2000)])
    content = read(path)
    intact = 4096 * 4
    write(path, content[:intact] + b"\xa5" * (len(content) - intact))
    with pytest.raises(Corrupt) as refused:
        async with opened(path) as store:
            await counters(store)
    assert refused.value.hint
    assert isinstance(refused.value.__cause__, sqlite3.DatabaseError)


async def test_a_truncated_file_is_reported_as_damage(path: Path) -> None:
    async with opened(path) as store:
        await store.commit([counted(f"{n}", n) for n in range(2000)])
    content = read(path)
    write(path, content[: len(content) // 2])
    with pytest.raises(Corrupt):
        async with opened(path) as store:
            await counters(store)


async def test_a_newer_versions_file_is_refused_and_left_alone(path: Path) -> None:
    async with opened(path):
        pass
    change(path, "PRAGMA user_version = 99")
    content = read(path)
    refused = await refusal(path)
    assert isinstance(refused, VersionMismatch)
    assert "newer" in refused.message
    assert read(path) == content


@pytest.mark.parametrize("made", ["CREATE TABLE notes (a)", "PRAGMA application_id = 7"])
async def test_somebody_elses_database_is_refused_and_left_alone(path: Path, made: str) -> None:
    change(path, made)
    content = read(path)
    assert "somebody else" in (await refusal(path)).message
    assert read(path) == content


async def test_a_network_file_system_is_refused_by_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(_: Path) -> str:
        return "nfs4"

    monkeypatch.setattr(database, "is_network_file_system", found)
    refused = await refusal(path)
    assert isinstance(refused, StoreUnavailable)
    assert "nfs4" in refused.message
    assert os.listdir(path.parent) == []


async def test_a_folder_that_is_missing_is_named(path: Path) -> None:
    refused = await refusal(path / "deeper" / "store.db")
    assert isinstance(refused, StoreUnavailable)
    assert str(path) in refused.message


async def test_a_folder_in_the_files_place_is_refused(path: Path) -> None:
    make_folder(path)
    assert isinstance(await refusal(path), StoreUnavailable)


async def test_a_store_that_could_not_be_opened_can_be_opened_later(path: Path) -> None:
    make_folder(path)
    store = opened(path)
    with pytest.raises(StoreUnavailable):
        await store.__aenter__()
    os.rmdir(path)
    async with store:
        await store.commit([counted("a", 1)])


@contextmanager
def full_disk(path: Path) -> Generator[None, None, None]:
    """No file may grow, as when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_refuses_the_commit_and_harms_nothing(path: Path) -> None:
    async with opened(path) as store:
        await store.commit([counted("a", 1)], [said("a")])
        with full_disk(path):
            for _ in range(3):
                with pytest.raises(StoreUnavailable) as refused:
                    await store.commit([counted("b" * 100_000, 2)], [said("b")])
                assert refused.value.hint
                assert isinstance(refused.value.__cause__, sqlite3.Error)
            assert await counters(store) == [("a", 1)]
        await store.commit([counted("c", 3)], [said("c")])
        assert await counters(store) == [("a", 1), ("c", 3)]
        assert await journal(store) == ["a", "c"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, StoreUnavailable),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreUnavailable),
        (sqlite3.SQLITE_CORRUPT_INDEX, Corrupt),
        (sqlite3.SQLITE_TOOBIG, StoreError),
    ],
)
def test_every_refusal_of_sqlite_has_its_type_and_keeps_its_cause(
    path: Path, code: int, kind: type[StoreError]
) -> None:
    cause = sqlite3.OperationalError("as it came")
    cause.sqlite_errorcode = code
    with pytest.raises(StoreError) as refused, in_our_words(path):
        raise cause
    assert type(refused.value) is kind
    assert refused.value.__cause__ is cause
    assert refused.value.hint or kind is StoreError


async def test_a_damaged_record_is_reported_without_its_contents(path: Path) -> None:
    async with opened(path) as store:
        await store.commit([counted("a", 1)], [said("a")])
    change(
        path,
        """UPDATE record SET body = '{"name": "hush-hush", "value": "many"}'""",
        """UPDATE event SET body = '{"text": hush-hush}'""",
    )
    async with opened(path) as store:
        with pytest.raises(Corrupt) as record:
            await store.read(COUNTER, "a")
        with pytest.raises(Corrupt) as line:
            await journal(store)
    assert "Counter.value" in record.value.message
    assert "hush" not in f"{record.value!r} {line.value!r}"
    assert record.value.hint


async def test_reading_never_waits_for_a_writer(path: Path) -> None:
    async with opened(path) as store:
        await store.commit([counted("a", 1)], [said("a")])
        async with anyio.create_task_group() as tasks:
            with write_locked(path):
                tasks.start_soon(commit, store, "b")
                with anyio.fail_after(4):
                    assert (await present(store, "a")).value.value == 1
                    assert await counters(store) == [("a", 1)]
                    assert await journal(store) == ["a"]
        assert await journal(store) == ["a", "b"]


async def test_another_process_that_holds_the_file_is_not_waited_for_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.01)
    async with opened(path) as store:
        with write_locked(path), pytest.raises(StoreUnavailable, match="another process"):
            await commit(store, "a")
        await commit(store, "b")
        assert await journal(store) == ["b"]


async def test_commits_that_wait_share_one_write_to_the_disk(path: Path) -> None:
    async with opened(path) as store:
        await commit(store, "first")
        before = transactions(path)
        async with anyio.create_task_group() as tasks:
            for n in range(50):
                tasks.start_soon(commit, store, f"{n}")
        assert len(await counters(store)) == 51
        assert 1 <= transactions(path) - before <= 5


def transactions(path: Path) -> int:
    """How many frames of the write-ahead log end a transaction."""
    log = path.with_name(path.name + "-wal").read_bytes()
    size = int.from_bytes(log[8:12], "big") + 24
    frames = (log[at : at + 8] for at in range(32, len(log), size))
    return sum(frame[4:] != b"\0\0\0\0" for frame in frames)


async def test_tasks_cancelled_while_the_disk_works_leave_whole_commits(path: Path) -> None:
    async with opened(path) as store:
        for attempt in range(20):
            with write_locked(path):
                tasks = [asyncio.create_task(commit(store, f"{attempt}/{n}")) for n in range(3)]
                for _ in range(attempt):
                    await asyncio.sleep(0)
                for task in tasks[: attempt % 3 + 1]:
                    task.cancel()
                await asyncio.sleep(0)
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            await commit(store, f"{attempt}/after")
        made = [id for id, _ in await counters(store)]
        assert sorted(await journal(store)) == made
        assert {f"{n}/after" for n in range(20)} < set(made)
        assert {f"{n}/2" for n in range(20) if n % 3 < 2} < set(made)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """In the middle of a transaction, at one of its events."""
    gate = Gate()

    def held(moment: datetime) -> str:
        gate.hold()
        return encode_moment(moment)

    monkeypatch.setattr(codec, "encode_moment", held)
    return gate


async def test_a_commit_is_not_believed_before_it_is_on_the_disk(path: Path, gate: Gate) -> None:
    gate.passing = 2
    async with opened(path) as store:
        tasks = [asyncio.create_task(commit(store, name)) for name in "abc"]
        await gate.reached()
        await cancelled(tasks[0])
        assert store.head == 0
        assert await counters(store) == []
        assert not tasks[1].done()
        gate.open()
        await asyncio.gather(*tasks[1:])
        assert await journal(store) == ["a", "b", "c"]


def test_a_transaction_that_fails_is_undone(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        with suppress(ZeroDivisionError), transaction(db):
            db.execute("CREATE TABLE t (a)")
            raise ZeroDivisionError
        assert not db.in_transaction
        assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_migrations_are_numbered_without_a_gap() -> None:
    folder = Path(database.__file__).parent / "migrations"
    names = sorted(file.name for file in folder.iterdir())
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
