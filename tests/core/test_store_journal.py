"""The journal's files: what a crash leaves is cut off, damage is refused, compaction is safe."""

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.from_thread
import pytest

from ao_core.clock import SystemClock
from ao_core.errors import AoError, Corrupt, Pruned
from ao_core.model.event import Event
from ao_core.store import journal_file, segments
from ao_core.store.compaction import compact
from ao_core.store.flat import FOLDER, FilesStore
from ao_core.store.line import Ends, Entry, Noted, written
from ao_core.store.state import Numbers, State
from ao_core.testing.store_kit import counted, counters, journal, said

NAMES = "abcde"
AT = "2026-01-01T00:00:00.000000+00:00"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / FOLDER


def opened(folder: Path) -> FilesStore:
    return FilesStore(folder.parent, SystemClock())


async def filled(folder: Path, names: str = NAMES) -> None:
    async with opened(folder) as store:
        for name in names:
            await store.commit([counted(name, 1)], [said(name)])


def only_file(folder: Path) -> Path:
    (path,) = files(folder)
    return path


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("c*.jsonl"))


def drafts(folder: Path) -> list[Path]:
    return list(folder.glob(".new-*"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refill(folder: Path, files: dict[str, bytes]) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)


async def holds(folder: Path, names: str) -> None:
    """The journal and the records are these."""
    async with opened(folder) as store:
        assert await journal(store) == list(names)
        assert [id for id, _ in await counters(store)] == sorted(names)


async def refusal(folder: Path) -> AoError:
    before = contents(folder)
    with pytest.raises(Corrupt) as refused:
        await opened(folder).__aenter__()
    assert refused.value.hint
    assert contents(folder) == before
    return refused.value


# -- what a crash leaves ------------------------------------------------------------------------


async def test_a_last_line_cut_anywhere_is_cut_off(folder: Path) -> None:
    await filled(folder)
    path = only_file(folder)
    whole = path.read_bytes()
    start = len(b"".join(whole.splitlines(keepends=True)[:-1]))
    for cut in range(start, len(whole)):
        path.write_bytes(whole[:cut])
        await holds(folder, "abcd")
        assert path.read_bytes() == whole[:start]


async def test_after_a_cut_the_journal_goes_on_under_the_next_number(folder: Path) -> None:
    await filled(folder)
    path = only_file(folder)
    path.write_bytes(path.read_bytes()[:-5])
    await filled(folder, "f")
    await holds(folder, "abcdf")


def write_of(*numbers: int) -> list[bytes]:
    """Lines of one write, as a crash may leave them."""
    return [written(Entry(number, AT), numbers[0]) for number in numbers]


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_a_write_of_which_any_part_did_not_reach_the_disk_is_cut_off(
    folder: Path, lost: int
) -> None:
    await filled(folder)
    path = only_file(folder)
    whole = path.read_bytes()
    lines = write_of(6, 7, 8)
    torn = [*lines[:lost], b"\0" * len(lines[lost]), *lines[lost + 1 :]]
    path.write_bytes(whole + b"".join(torn))
    await holds(folder, NAMES)
    assert path.read_bytes() == whole + b"".join(lines[:lost])


async def test_a_write_that_came_after_a_damaged_line_shows_that_the_line_was_whole(
    folder: Path,
) -> None:
    await filled(folder)
    path = only_file(folder)
    lines = [*write_of(6, 7), *write_of(8)]
    path.write_bytes(path.read_bytes() + b"\0" * len(lines[0]) + lines[1] + lines[2])
    assert f"{path}, line 6:" in (await refusal(folder)).message


# -- damage -------------------------------------------------------------------------------------


def without(lines: list[bytes], at: int) -> bytes:
    return b"".join(lines[:at] + lines[at + 1 :])


def swapped(lines: list[bytes], at: int) -> bytes:
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return b"".join(lines)


def edited(lines: list[bytes], at: int) -> bytes:
    lines[at] = lines[at].replace(b'"value":1', b'"value":2')
    return b"".join(lines)


def garbled(lines: list[bytes], at: int) -> bytes:
    lines[at] = lines[at].replace(b'"', b"'")
    return b"".join(lines)


@pytest.mark.parametrize("harm", [without, swapped, edited, garbled])
@pytest.mark.parametrize("at", [0, 1, 3])
async def test_damage_in_the_middle_is_told_with_its_file_and_line_and_left_alone(
    folder: Path, harm: Callable[[list[bytes], int], bytes], at: int
) -> None:
    await filled(folder)
    path = only_file(folder)
    path.write_bytes(harm(path.read_bytes().splitlines(keepends=True), at))
    assert f"{path}, line {at + 1}: " in (await refusal(folder)).message


async def many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A journal with a line in each file."""
    monkeypatch.setattr(journal_file, "_FULL", 1)
    await filled(folder)
    return files(folder)


@pytest.mark.parametrize("at", range(4))
async def test_damage_at_the_end_of_an_earlier_file_is_no_crash(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    path = (await many(folder, monkeypatch))[at]
    path.write_bytes(path.read_bytes()[:-1])
    assert f"{path}, line 1: " in (await refusal(folder)).message


@pytest.mark.parametrize("at", range(4))
async def test_a_file_that_is_missing_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    (await many(folder, monkeypatch))[at].unlink()
    assert f"lacks commit {at + 1}" in (await refusal(folder)).message


async def test_a_journal_shorter_than_its_snapshot_is_refused(folder: Path) -> None:
    async with opened(folder) as store:
        for name in NAMES:
            await store.commit([counted(name, 1)], [said(name)])
        await store.compact()
    path = only_file(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    assert "lacks commit 4" in (await refusal(folder)).message
    path.unlink()
    assert "lacks commit 5" in (await refusal(folder)).message


async def compacted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(journal_file, "_FULL", 1)
    async with opened(folder) as store:
        for name in NAMES:
            await store.commit([counted(name, 1)], [said(name)])
        await store.compact()
    return folder / "snapshot.jsonl"


@pytest.mark.parametrize("line", range(6))
async def test_a_damaged_snapshot_is_told_with_its_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, line: int
) -> None:
    path = await compacted(folder, monkeypatch)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    lines[line] = lines[line].replace(b'"', b"'", 1)
    path.write_bytes(b"".join(lines))
    assert f"{path}, line {line + 1}: " in (await refusal(folder)).message


async def test_a_snapshot_cut_short_or_gone_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await compacted(folder, monkeypatch)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert "snapshot is damaged" in (await refusal(folder)).message
    path.unlink()
    assert "lacks commit 1" in (await refusal(folder)).message


async def test_damage_in_an_old_file_is_told_to_whoever_reads_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await compacted(folder, monkeypatch)
    path = files(folder)[1]
    path.write_bytes(path.read_bytes().replace(b'"text":"b"', b'"text":"x"'))
    async with opened(folder) as store:
        assert await journal(store, 2) == ["c", "d", "e"]
        with pytest.raises(Corrupt, match=r"line 1: "):
            await journal(store)
        path.unlink()
        with pytest.raises(AoError):
            await journal(store)


# -- compaction ---------------------------------------------------------------------------------


async def test_compaction_keeps_events_and_lets_go_of_records_that_were(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "_FULL", 2000)
    async with opened(folder) as store:
        revision = 0
        for n in range(50):
            put = counted("a", n, revision)
            (revision,) = (await store.commit([put], [said(f"{n}")])).revisions
        follower = store.follow(0)
        assert (await anext(follower)).seq == 1
        before = sum(map(len, contents(folder).values()))
        await store.compact()
        assert sum(map(len, contents(folder).values())) < before * 0.8
        assert [event.seq async for event in store.follow(0, live=False)] == list(range(1, 51))
        assert [(await anext(follower)).seq for _ in range(49)] == list(range(2, 51))
        with anyio.fail_after(5):
            await store.commit([counted("a", 50, revision)], [said("50")])
            assert (await anext(follower)).seq == 51
    async with opened(folder) as store:
        assert await journal(store, 20) == [f"{n}" for n in range(20, 51)]
        assert await counters(store) == [("a", 50)]


async def test_pruned_files_are_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await many(folder, monkeypatch)
    async with opened(folder) as store:
        assert await store.prune(4) == 3
        await store.compact()
        assert await journal(store) == ["d", "e"]
        with pytest.raises(Pruned):
            await journal(store, 1)
    assert files(folder)[0].name.startswith("c000000000004-e000000000004")
    async with opened(folder) as store:
        assert (store.first, store.head) == (4, 5)
        assert [id for id, _ in await counters(store)] == list(NAMES)


@pytest.mark.parametrize(("after", "before"), [(0, 4), (1, 4), (0, 6), (1, 6)])
async def test_lines_pruned_while_they_are_read_are_not_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch, after: int, before: int
) -> None:
    real = FilesStore._events  # pyright: ignore[reportPrivateUsage]

    async def prune(store: FilesStore) -> None:
        await store.prune(before)
        await store.compact()

    def late(store: FilesStore, start: int, until: int) -> list[Event]:
        monkeypatch.setattr(FilesStore, "_events", real)
        anyio.from_thread.run(prune, store)
        return real(store, start, until)

    await many(folder, monkeypatch)
    async with opened(folder) as store:
        monkeypatch.setattr(FilesStore, "_events", late)
        if after:
            with pytest.raises(Pruned):
                await journal(store, after)
        else:
            assert await journal(store) == list(NAMES[before - 1 :])


async def test_a_long_journal_is_compacted_by_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_core.store.flat._COMPACT", 2000)
    async with opened(folder) as store:
        for n in range(20):
            await store.commit([counted(f"{n}", 1)])
    assert (folder / "snapshot.jsonl").exists()
    async with opened(folder) as store:
        assert len(await counters(store)) == 20


@pytest.mark.slow
def test_compaction_killed_at_any_step_leaves_the_same_journal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        async with opened(folder) as store:
            assert [id for id, _ in await counters(store)] == list(NAMES)
            assert store.first in (1, 3)
            assert await journal(store) == list(NAMES)[store.first - 1 :]
            (made,) = (await store.commit([counted("f", 1)], [said("f")])).events
            assert made.seq == 6
        assert drafts(folder) == []
        async with opened(folder) as store:
            assert (await journal(store))[-4:] == ["c", "d", "e", "f"]

    anyio.run(many, folder, monkeypatch)
    untouched = contents(folder)
    killed = 0
    with compactor(folder.parent) as told:
        while told(killed) == "killed":
            anyio.run(check)
            refill(folder, untouched)
            killed += 1
    anyio.run(check)
    assert killed > 15


@contextmanager
def compactor(home: Path) -> Generator[Callable[[int], str]]:
    """Prunes and compacts, killed before so many steps."""
    argv = [sys.executable, str(Path(__file__).with_name("store_compactor.py")), str(home)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdin
        assert one.stdout
        asked, answered = one.stdin, one.stdout

        def told(steps: int) -> str:
            asked.write(f"{steps}\n")
            asked.flush()
            return answered.readline().strip()

        yield told
        one.communicate()


def test_a_file_that_is_thinned_is_known_by_the_events_that_may_stand_in_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "_STRIDE", 1)
    folder.mkdir()
    one = segments.segment(folder, 1, 1)
    event = Noted(11, "k", None, None, "{}")
    entries = [Entry(1, AT, ends=Ends(11, 10)), Entry(2, AT), Entry(3, AT, events=(event,))]
    one.path.write_bytes(b"".join(written(entry, 1) for entry in entries))
    shelf = segments.Shelf([one, segments.segment(folder, 4, 12)])
    compact(folder, shelf, State({}, {}, Numbers(3, 0, 11, 11)))
    assert [(mark.event, mark.commit) for mark in shelf.segments[0].marks] == [
        (1, 1), (11, 2), (11, 3),
    ]  # fmt: skip
