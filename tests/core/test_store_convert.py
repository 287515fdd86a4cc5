"""From one store to another and back: everything comes along; no crash leaves a home between."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ao_core.clock import SystemClock
from ao_core.config.load import engine_settings
from ao_core.config.rewrite import with_store
from ao_core.errors import ConfigError, Corrupt, StoreError, StoreUnavailable, WrongState
from ao_core.files import write_atomic
from ao_core.ids import ProjectId
from ao_core.store import convert as conversion
from ao_core.store.choice import chosen, open_store, present, require_data
from ao_core.store.contract import Drop, Kind, Put, Store
from ao_core.store.convert import convert, settle
from ao_core.store.inventory import Inventory, inventory, size
from ao_core.store.kind import StoreKind
from ao_core.store.records import COUNTER, PROJECT, SESSION, Counter, ProjectRecord
from ao_core.testing.clock import FakeClock
from ao_core.testing.store_kit import counted, journal, said
from books import START, a_session

BOTH: tuple[tuple[StoreKind, StoreKind], ...] = (("sqlite", "files"), ("files", "sqlite"))
FOLDER = "0123456789ab-app"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


def other(kind: StoreKind) -> StoreKind:
    return dict(BOTH)[kind]


def config(home: Path, text: str) -> None:
    (home / "config.yaml").write_text(text)


def names(home: Path) -> set[str]:
    return {path.name for path in home.iterdir()}


async def fill(home: Path, kind: StoreKind, *, lines: int = 1200) -> None:
    """Records of several kinds, and a journal whose beginning was pruned."""
    clock = FakeClock()
    config(home, f"# mine\nstore: {kind}  # as it is\npower: {{}}\n")
    project = ProjectRecord(ProjectId("app"), "/repo", "/repo/.git", "app", FOLDER, START)
    async with open_store(home, kind, clock) as store:
        await store.commit([Put(PROJECT, "app", project, 0), Put(SESSION, "app-1", a_session(), 0)])
        await store.commit([counted(f"{n:04}", n) for n in range(700)])
        for n in range(0, lines, 400):
            await store.commit([], [said(f"{n + part}", "app-1") for part in range(400)])
            await clock.advance(0.5)
        await store.prune(11)
        await store.lease("loop", 100)


async def everything(home: Path, kind: StoreKind) -> tuple[Any, ...]:
    async with open_store(home, kind, SystemClock()) as store:
        return (
            [(row.id, row.value) async for row in store.scan(COUNTER)],
            [row.value async for row in store.scan(SESSION)],
            [event async for event in store.follow(0, live=False)],
            (store.first, store.head),
        )


async def filled(home: Path, kind: StoreKind) -> tuple[Any, ...]:
    """Fill a home; what it then holds."""
    await fill(home, kind)
    return await everything(home, kind)


async def converted(home: Path, target: StoreKind) -> conversion.Converted:
    told: list[tuple[int, int, str]] = []
    done = await convert(
        home,
        target,
        SystemClock(),
        os.environ,
        lambda done, of, what: told.append((done, of, what)),
    )
    assert [one[0] for one in told] == sorted(one[0] for one in told)
    assert told[-1][0] == told[-1][1] == 2 * (done.records + done.lines)
    return done


@pytest.mark.parametrize(("source", "target"), BOTH)
async def test_everything_comes_along_and_the_journal_keeps_its_numbers(
    home: Path, source: StoreKind, target: StoreKind
) -> None:
    before = await filled(home, source)
    assert before[3] == (11, 1200)
    done = await converted(home, target)
    assert (done.records, done.lines) == (702, 1190)
    assert chosen(home, {}) == target
    assert await everything(home, target) == before
    assert (home / "config.yaml").read_text() == (
        f"# mine\nstore: {target}  # as it is\npower: {{}}\n"
    )
    assert done.kept in names(home)
    assert not {"convert.json", "convert.part"} & names(home)
    assert present(home) == [target]


@pytest.mark.parametrize(("source", "target"), BOTH)
async def test_a_cursor_goes_on_in_the_new_store_and_back_in_the_old_one(
    home: Path, source: StoreKind, target: StoreKind
) -> None:
    await fill(home, source)
    await converted(home, target)
    async with open_store(home, target, SystemClock()) as store:
        assert (await journal(store, 1198)) == ["1198", "1199"]
        (line,) = (await store.commit([], [said("new")])).events
        assert line.seq == 1201
    await converted(home, source)
    async with open_store(home, source, SystemClock()) as store:
        assert (await journal(store, 1199)) == ["1199", "new"]
        assert store.first == 11


@pytest.mark.parametrize(("source", "target"), BOTH)
async def test_a_journal_that_was_pruned_to_its_end_goes_on_under_its_numbers(
    home: Path, source: StoreKind, target: StoreKind
) -> None:
    await fill(home, source, lines=400)
    async with open_store(home, source, SystemClock()) as store:
        await store.prune(401)
    await converted(home, target)
    async with open_store(home, target, SystemClock()) as store:
        assert (store.first, store.head) == (401, 400)
        (line,) = (await store.commit([], [said("new")])).events
        assert line.seq == 401


async def test_session_files_do_not_outlive_the_flat_store(home: Path) -> None:
    await fill(home, "files")
    path = home / FOLDER / "sessions" / "app-1"
    assert path.exists()
    await converted(home, "sqlite")
    assert not path.exists()
    await converted(home, "files")
    await everything(home, "files")
    assert path.exists()


STEPS = (
    "ao_core.store.convert._copy", "ao_core.store.convert._digest", "ao_core.store.convert._switch",
    "ao_core.store.convert.write_atomic:1", "ao_core.store.convert.sync_folder:1",
    "ao_core.store.convert.write_atomic:2", "ao_core.store.convert._finish",
    "ao_core.store.convert.sync_folder:2",
)  # fmt: skip


class Died(BaseException):
    """As if the process had been killed here."""


def _nothing(*_: object) -> None:
    """As a process that is dead."""


def dies_at(step: str, patch: pytest.MonkeyPatch) -> None:
    """Nothing after this step is done, not even what cleans up."""
    name, _, call = step.partition(":")
    function = name.rpartition(".")[2]
    left = int(call or 1)
    real = getattr(conversion, function)

    def dying(*args: Any, **more: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            patch.setattr(conversion, "settle", _nothing)
            raise Died
        return real(*args, **more)

    patch.setattr(name, dying)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("source", "target"), BOTH)
async def test_wherever_it_is_broken_off_the_home_has_one_store_with_everything(
    home: Path, source: StoreKind, target: StoreKind, step: str
) -> None:
    before = await filled(home, source)
    with pytest.MonkeyPatch.context() as patch:
        dies_at(step, patch)
        with pytest.raises(Died):
            await converted(home, target)
    kind = chosen(home, {})
    assert kind == (source if STEPS.index(step) < 6 else target)
    settle(home, {})
    require_data(home, kind)
    assert present(home) == [kind]
    assert await everything(home, kind) == before
    assert not {"convert.json", "convert.part"} & names(home)
    await converted(home, other(kind))
    assert await everything(home, other(kind)) == before


async def test_a_conversion_broken_off_after_the_setting_was_changed_by_hand_loses_nothing(
    home: Path,
) -> None:
    before = await filled(home, "sqlite")
    config(home, "store: files\n")
    with pytest.MonkeyPatch.context() as patch:
        dies_at(STEPS[3], patch)
        with pytest.raises(Died):
            await converted(home, "files")
    settle(home, {})
    assert present(home) == ["sqlite"]
    await converted(home, "files")
    assert await everything(home, "files") == before


def unheard(done: int, of: int, what: str) -> None:
    """Nobody looks."""


def not_there(*_: object) -> None:
    raise StoreError("it went away")


async def test_a_home_that_serves_from_its_new_store_is_converted_whatever_fails_after(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = await filled(home, "files")
    rename = Path.rename

    def written(path: Path, *rest: Any) -> None:
        write_atomic(path, *rest)
        if path.name == "config.yaml":
            not_there()

    def stuck(path: Path, to: Path) -> Path:
        if path.name == "journal" and to.parent == home and to.name != "journal":
            raise OSError(errno.EACCES, "Permission denied")
        return rename(path, to)

    monkeypatch.setattr(conversion, "write_atomic", written)
    monkeypatch.setattr(conversion, "_clear_session_files", not_there)
    monkeypatch.setattr(Path, "rename", stuck)
    done = await converted(home, "sqlite")
    assert done.kept == "journal"
    assert "journal cannot be put away" in caplog.text
    assert "it went away" in caplog.text
    assert not {"convert.json", "convert.part"} & names(home)
    settle(home, {})
    assert await everything(home, "sqlite") == before


async def test_settings_that_somebody_changed_meanwhile_are_not_taken_for_a_conversion(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await filled(home, "sqlite")

    def overtaken(path: Path, *rest: Any) -> None:
        write_atomic(path, *rest)
        if path.name == "config.yaml":
            config(home, "store: sqlite\nport: 1\n")

    monkeypatch.setattr(conversion, "write_atomic", overtaken)
    with pytest.raises(StoreError, match="changed meanwhile"):
        await converted(home, "files")
    assert names(home) == {"ao.db", "config.yaml"}
    assert await everything(home, "sqlite") == before


async def test_what_a_person_changes_while_it_copies_is_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(home, "sqlite")
    real = conversion._copy  # pyright: ignore[reportPrivateUsage]

    async def slow(*given: Any) -> None:
        await real(*given)
        config(home, "store: sqlite\nport: 1234\n")

    monkeypatch.setattr(conversion, "_copy", slow)
    await converted(home, "files")
    assert (home / "config.yaml").read_text() == "store: files\nport: 1234\n"


async def test_settings_that_nobody_understands_are_refused_before_anything_happens(
    home: Path,
) -> None:
    await fill(home, "sqlite")
    config(home, "store: sqlite\npower: often\n")
    with pytest.raises(ConfigError, match="power"):
        await converted(home, "files")
    assert names(home) == {"ao.db", "config.yaml"}


async def test_an_old_store_never_takes_the_place_of_an_older_one(home: Path) -> None:
    await fill(home, "sqlite", lines=400)
    clock = FakeClock()
    kept: list[str] = []
    for target in ("files", "sqlite") * 3:
        done = await convert(home, target, clock, {}, unheard)
        kept.append(done.kept)
    assert len(set(kept)) == 6
    assert set(kept) <= names(home)


@pytest.mark.parametrize(
    "note",
    [
        "{", "[]", "{}", '{"source": "files", "target": "files", "kept": "x"}', "\xff",
        '{"source": "files", "target": "sqlite", "kept": "../x"}',
        '{"source": "files", "target": "sqlite", "kept": 5}',
        '{"source": [], "target": "sqlite", "kept": "x"}',
    ],
)  # fmt: skip
async def test_a_note_that_cannot_be_understood_changes_nothing(home: Path, note: str) -> None:
    await fill(home, "sqlite", lines=400)
    (home / "convert.json").write_text(note, encoding="latin-1")
    with pytest.raises(Corrupt) as refused:
        settle(home, {})
    assert refused.value.hint
    assert names(home) == {"ao.db", "config.yaml", "convert.json"}


async def test_what_the_system_says_of_a_broken_off_conversion_is_told_in_our_words(
    home: Path,
) -> None:
    (home / "convert.json").mkdir()
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        settle(home, {})


async def test_a_copy_that_reads_differently_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = conversion._copy  # pyright: ignore[reportPrivateUsage]

    async def forgetful(old: Store, new: Any, more: Any) -> None:
        await real(old, new, more)
        row = await new.read(COUNTER, "0042")
        await new.commit([Drop(COUNTER, "0042", row.revision)])

    monkeypatch.setattr(conversion, "_copy", forgetful)
    await fill(home, "sqlite")
    with pytest.raises(StoreError, match="does not read"):
        await converted(home, "files")
    assert names(home) == {"ao.db", "config.yaml"}
    assert chosen(home, {}) == "sqlite"


async def test_records_of_an_unknown_kind_are_not_left_behind_in_silence(home: Path) -> None:
    await fill(home, "files")
    async with open_store(home, "files", SystemClock()) as store:
        await store.commit([Put(Kind("novelty", Counter), "x", Counter("x", 1), 0)])
    with pytest.raises(StoreError, match="novelty"):
        await converted(home, "sqlite")
    assert present(home) == ["files"]


# -- which store --------------------------------------------------------------------------------


async def test_a_home_is_not_begun_anew_beside_what_it_holds(home: Path) -> None:
    require_data(home, "files")  # nothing is there yet
    await fill(home, "sqlite")
    require_data(home, "sqlite")
    with pytest.raises(ConfigError) as refused:
        require_data(home, "files")
    assert "`ao store convert --to files`" in str(refused.value.hint)


async def test_a_setting_changed_too_early_is_made_good_by_the_conversion_it_asks_for(
    home: Path,
) -> None:
    before = await filled(home, "sqlite")
    config(home, "store: files\n")
    await converted(home, "files")
    assert await everything(home, "files") == before


async def test_what_cannot_be_converted_is_told_and_left_alone(home: Path) -> None:
    with pytest.raises(WrongState, match="holds nothing"):
        await converted(home, "files")
    await fill(home, "sqlite")
    with pytest.raises(WrongState, match="in sqlite already"):
        await converted(home, "sqlite")
    (home / "journal").mkdir(mode=0o700)
    with pytest.raises(WrongState, match="is there already"):
        await converted(home, "files")
    assert names(home) == {"ao.db", "config.yaml", "journal"}


@pytest.mark.parametrize("kind", ["sqlite", "files"])
async def test_settings_that_cannot_be_read_do_not_hide_the_store(
    home: Path, kind: StoreKind
) -> None:
    await fill(home, kind)
    config(home, "store: [\n")
    assert chosen(home, {}) == kind


@pytest.mark.parametrize("kind", ["sqlite", "files"])
async def test_a_store_is_looked_into_while_it_is_in_use(home: Path, kind: StoreKind) -> None:
    await fill(home, kind)
    async with open_store(home, kind, SystemClock()) as store:
        held = inventory(home, kind)
        assert held == Inventory({"counter": 700, "project": 1, "session": 1}, 11, 1200)
        assert held.lines == 1190
        await store.commit([], [said("more")])
        assert inventory(home, kind).head == 1201
        assert size(home, kind) > 50_000


async def test_files_that_go_while_a_store_is_measured_do_not_count(home: Path) -> None:
    await fill(home, "files")
    whole = size(home, "files")
    (home / "journal" / "gone").symlink_to(home / "nowhere")  # listed, and not there
    (home / "journal-wal").symlink_to(home / "nowhere")
    assert size(home, "files") == whole


def test_a_store_that_cannot_be_looked_into_is_told_in_our_words(home: Path) -> None:
    (home / "journal" / "format.json").mkdir(parents=True)
    with pytest.raises(StoreUnavailable, match="journal cannot be read"):
        inventory(home, "files")


# -- the person's file --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "store: files\n"),
        ("# only this\n", "# only this\nstore: files\n"),
        ("port: 1", "port: 1\nstore: files\n"),
        ("store: sqlite\nport: 1\n", "store: files\nport: 1\n"),
        ("store: 'sqlite' # so\n", "store: files # so\n"),
        ("store:\nport: 1\n", "store: files\nport: 1\n"),
        ("store: {kind: sqlite}\n", "store: {kind: files}\n"),
        ("store:\n  # where\n  kind: sqlite  # so\nport: 1\n",
         "store:\n  # where\n  kind: files  # so\nport: 1\n"),
        ("über: 1\nstore: sqlite\n", "über: 1\nstore: files\n"),
    ],
)  # fmt: skip
def test_one_setting_is_changed_and_all_else_stays(before: str, after: str) -> None:
    assert with_store(Path("config.yaml"), before, "files") == after


@pytest.mark.parametrize("text", ["{port: 1}\n", "store: &s sqlite\nx: *s\n", "- a\n", "a: [\n"])
def test_a_file_that_only_a_person_can_change_is_refused_before_anything_happens(
    text: str,
) -> None:
    with pytest.raises(ConfigError) as refused:
        with_store(Path("config.yaml"), text, "files")
    assert refused.value.hint


async def test_a_linked_configuration_stays_a_link(home: Path, tmp_path: Path) -> None:
    await fill(home, "sqlite")
    kept = tmp_path / "dotfiles.yaml"
    (home / "config.yaml").rename(kept)
    (home / "config.yaml").symlink_to(kept)
    kept.chmod(0o640)
    await converted(home, "files")
    assert (home / "config.yaml").is_symlink()
    assert engine_settings(home, {}).store.kind == "files"
    assert kept.stat().st_mode & 0o777 == 0o640
