"""The store in flat files: the contract of all stores, and what is its own: lines and files."""

import errno
import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from hypothesis import settings
from hypothesis.stateful import rule

from ao_core.clock import Clock, SystemClock
from ao_core.errors import AoError, StoreUnavailable, VersionMismatch
from ao_core.store import journal_file
from ao_core.store.flat import FOLDER, FilesStore
from ao_core.testing.store import StoreContract
from ao_core.testing.store_gate import Gate, GateContract
from ao_core.testing.store_kit import Make, commit, counted, counters, journal, present, said
from ao_core.testing.store_machine import StoreMachine


class TestFilesStore(StoreContract, GateContract):
    @pytest.fixture
    def make(self) -> Make:
        return FilesStore


class FilesMachine(StoreMachine):
    """With files so small that there are many, and compaction at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(journal_file, "_FULL", 500)

    def make(self, path: Path, clock: Clock) -> FilesStore:
        self._files = FilesStore(path, clock)
        return self._files

    @rule()
    def compact(self) -> None:
        self._run(self._files.compact())

    def teardown(self) -> None:
        super().teardown()
        self._patch.undo()


FilesMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestFilesMachine = FilesMachine.TestCase


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def folder(home: Path) -> Path:
    return home / FOLDER


def opened(home: Path) -> FilesStore:
    return FilesStore(home, SystemClock())


async def refusal(home: Path) -> AoError:
    with pytest.raises(AoError) as refused:
        await opened(home).__aenter__()
    assert refused.value.hint
    return refused.value


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def modes(folder: Path) -> dict[str, int]:
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    return files | {"": stat.S_IMODE(folder.stat().st_mode)}


def open_up(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o644)


def make_folder(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, mode=0o700)
    for name, text in files.items():
        (folder / name).write_text(text)


@contextmanager
def held_elsewhere(folder: Path) -> Generator[None]:
    """Another process has it."""
    program = "import sys; from ao_core.files import try_lock; from pathlib import Path\n"
    program += "held = try_lock(Path(sys.argv[1])); print(bool(held), flush=True); input()"
    argv = [sys.executable, "-c", program, str(folder / "lock")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"True\n"
        yield
        process.communicate(b"\n")


# -- the folder ---------------------------------------------------------------------------------


async def test_only_the_owner_can_read_the_files(home: Path, folder: Path) -> None:
    async with opened(home) as store:
        await commit(store, "a")
        await store.compact()
        found = modes(folder)
    names = ("c000000000001-e000000000001.jsonl", "format.json", "lock", "snapshot.jsonl")
    assert found == {"": 0o700, **dict.fromkeys(names, 0o600)}


async def test_a_file_others_could_read_is_closed_to_them(home: Path, folder: Path) -> None:
    async with opened(home) as store:
        await commit(store, "a")
    open_up(folder)
    async with opened(home):
        assert {mode for name, mode in modes(folder).items() if name} == {0o600}


async def test_a_newer_format_is_refused_and_left_alone(home: Path, folder: Path) -> None:
    async with opened(home) as store:
        await commit(store, "a")
    (folder / "format.json").write_text('{"format": "ao-mcp journal", "version": 2}')
    before = contents(folder)
    refused = await refusal(home)
    assert isinstance(refused, VersionMismatch)
    assert "newer" in refused.message
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["diary.txt", "format.json"])
async def test_somebody_elses_folder_is_refused_and_left_alone(
    home: Path, folder: Path, name: str
) -> None:
    make_folder(folder, **{name: "{}"})
    assert "somebody else" in (await refusal(home)).message
    assert contents(folder) == {name: b"{}"}


async def test_a_start_that_was_broken_off_is_gone_through_again(home: Path, folder: Path) -> None:
    make_folder(folder, **{"lock": "", ".new-0123": '{"form'})
    async with opened(home) as store:
        await commit(store, "a")
    assert ".new-0123" not in contents(folder)


async def test_a_network_file_system_is_refused_by_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(_: Path) -> str:
        return "nfs4"

    monkeypatch.setattr("ao_core.store.folder.is_network_file_system", found)
    refused = await refusal(home)
    assert isinstance(refused, StoreUnavailable)
    assert "nfs4" in refused.message
    assert os.listdir(home.parent) == []


async def test_one_process_at_a_time_may_write(home: Path, folder: Path) -> None:
    async with opened(home) as store:
        await commit(store, "a")
        refused = await refusal(home)
        assert isinstance(refused, StoreUnavailable)
        assert "another process" in refused.message
        await commit(store, "b")
    with held_elsewhere(folder):
        assert "another process" in (await refusal(home)).message
    async with opened(home) as store:
        assert await journal(store) == ["a", "b"]


# -- the disk -----------------------------------------------------------------------------------


@contextmanager
def full_disk(folder: Path) -> Generator[None]:
    """No file may grow by more than half a line, as when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(path.stat().st_size for path in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_refuses_the_commit_and_harms_nothing(home: Path, folder: Path) -> None:
    async with opened(home) as store:
        await commit(store, "a")
        before = contents(folder)
        with full_disk(folder):
            for _ in range(3):
                with pytest.raises(StoreUnavailable) as refused:
                    await commit(store, "b")
                assert refused.value.hint
                assert isinstance(refused.value.__cause__, OSError)
            assert await counters(store) == [("a", 1)]
            assert contents(folder) == before
        made = await store.commit([counted("c", 3)], [said("c")])
        assert await journal(store) == ["a", "c"]
    async with opened(home) as store:
        assert await counters(store) == [("a", 1), ("c", 3)]
        assert (await present(store, "c")).revision == made.revisions[0]


async def test_what_could_not_be_cut_off_at_once_is_cut_off_before_the_next_commit(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: int, length: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with opened(home) as store:
        await commit(store, "a")
        with full_disk(folder), monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", refuse)
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await commit(store, "b")
        await commit(store, "c")
    async with opened(home) as store:
        assert await journal(store) == ["a", "c"]


async def test_a_commit_that_begins_a_file_may_fail_and_be_made_again(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "_FULL", 1)
    async with opened(home) as store:
        await commit(store, "a")
        with full_disk(folder), pytest.raises(StoreUnavailable):
            await store.commit([counted("b" * 1000, 1)], [said("b")])
    async with opened(home) as store:
        assert await journal(store) == ["a"]
        await commit(store, "c")
        assert await journal(store) == ["a", "c"]


async def test_commits_that_wait_share_one_write_to_the_disk(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def count(file: int) -> None:
        synced.append(file)
        fsync(file)

    async with opened(home) as store:
        await commit(store, "first")
        monkeypatch.setattr(os, "fsync", count)
        async with anyio.create_task_group() as tasks:
            for n in range(50):
                tasks.start_soon(commit, store, f"{n}")
        assert len(await counters(store)) == 51
        assert 1 <= len(synced) <= 5


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Before the bytes reach the file."""
    gate = Gate()
    write = journal_file._write_all  # pyright: ignore[reportPrivateUsage]

    def held(file: int, data: bytes) -> None:
        gate.hold()
        write(file, data)

    monkeypatch.setattr(journal_file, "_write_all", held)
    return gate


@pytest.mark.slow
async def test_a_long_journal_is_opened_and_read_from_anywhere(home: Path) -> None:
    async with opened(home) as store:
        for n in range(0, 100_000, 500):
            lines = [said(f"line {n + part} of a long journal") for part in range(500)]
            await store.commit([counted(f"{n}", n)], lines)
        await store.compact()
    begun = time.perf_counter()
    async with opened(home) as store:
        entered = time.perf_counter()
        assert await journal(store, 99_999) == ["line 99999 of a long journal"]
        read = time.perf_counter()
        assert (await journal(store, 0))[50_000] == "line 50000 of a long journal"
        whole = time.perf_counter()
    print(f"\nopen {entered - begun:.3f}s, last lines {read - entered:.3f}s,"  # noqa: T201
          f" all 100,000 {whole - read:.2f}s")  # fmt: skip
