"""Session files of the flat store: readable, written after the commit, never believed."""

import errno
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ao_core.clock import SystemClock
from ao_core.ids import ProjectId
from ao_core.model.session import PrFacts, PrReason, PrState, Session
from ao_core.store.contract import Drop, Put
from ao_core.store.flat import FilesStore
from ao_core.store.journal_file import load
from ao_core.store.projection import Projections, card
from ao_core.store.records import PROJECT, SESSION, ProjectRecord
from ao_core.testing.store_kit import counted
from books import START, a_session, over

FOLDER = "0123456789ab-app"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def sessions(home: Path) -> Path:
    return home / FOLDER / "sessions"


def a_project(folder: str = FOLDER) -> Put[ProjectRecord]:
    record = ProjectRecord(ProjectId("app"), "/repo", "/repo/.git", "app", folder, START)
    return Put(PROJECT, "app", record, 0)


async def keep(home: Path, *values: Session, project: str = FOLDER) -> None:
    """Commit sessions, in a store that is closed again."""
    async with FilesStore(home, SystemClock()) as store:
        if await store.read(PROJECT, "app") is None:
            await store.commit([a_project(project)])
        for value in values:
            row = await store.read(SESSION, value.id)
            await store.commit([Put(SESSION, value.id, value, row.revision if row else 0)])


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def said(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    return dict(line.split("=", 1) for line in lines[1:])


def spoil(path: Path, text: str = "status=done\n") -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


def move(path: Path, to: Path) -> None:
    path.rename(to)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_session_can_be_read_with_grep(home: Path, sessions: Path) -> None:
    pull = PrFacts(PrState.OPEN, PrReason.CI_FAILING, 7, "https://example.invalid/7")
    session = a_session(
        issue="12", branch="ao/app-1-abc", path="/w/app-1", pr=pull, prompt="one\ntwo = 2\n"
    )
    await keep(home, session)
    found = said(sessions / "app-1")
    expected = {
        "id": "app-1", "project": "app", "title": "a task", "status": "ci_failed", "pr": "7",
        "issue": "12", "branch": "ao/app-1-abc", "path": "/w/app-1", "agent": "double",
        "pr_url": "https://example.invalid/7", "prompt": "one\\ntwo = 2\\n",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert "note" not in found
    assert mode(sessions / "app-1") == 0o600
    assert mode(sessions) == 0o700


@pytest.mark.parametrize(
    "value", ["a\nstatus=done", "a\r\n", "\x1b]0;title\x07", "\x9b2J", "a\u2028b", "\u202egnp"]
)
def test_a_value_is_one_line_that_no_terminal_obeys(value: str) -> None:
    (line,) = [line for line in card(a_session(title=value)).split("\n") if "title=" in line]
    assert line.isprintable()
    shown = line.removeprefix("title=")
    assert shown.encode().decode("unicode_escape") == value


def test_what_can_be_read_is_left_as_it_is() -> None:
    assert "title=über = ok 🦉\n" in card(a_session(title="über = ok 🦉"))


async def test_an_ended_session_is_in_the_archive_and_a_restored_one_comes_back(
    home: Path, sessions: Path
) -> None:
    session = a_session()
    await keep(home, session, a_session("app-2"))
    assert files(sessions) == {"app-1", "app-2"}
    await keep(home, over(session))
    assert files(sessions) == {"archive/app-1", "app-2"}
    assert said(sessions / "archive" / "app-1")["status"] == "terminated"
    await keep(home, session)
    assert files(sessions) == {"app-1", "app-2"}


async def test_a_session_that_is_dropped_has_no_file(home: Path, sessions: Path) -> None:
    await keep(home, a_session(), over(a_session("app-2")))
    async with FilesStore(home, SystemClock()) as store:
        for id in ("app-1", "app-2"):
            row = await store.read(SESSION, id)
            assert row
            await store.commit([Drop(SESSION, id, row.revision)])
    assert files(sessions) == set()


async def test_a_session_dropped_before_anything_was_shown_has_no_file(
    home: Path, sessions: Path
) -> None:
    await keep(home, a_session(), over(a_session("app-2")))
    assert files(sessions) == {"app-1", "archive/app-2"}
    projections = Projections(home)
    known = load(home / "journal").state.records.values()
    projections.learn(known)
    projections.sweep()
    projections.learn([replace(one, body=None) for one in known if one.kind == SESSION.name])
    projections.settle()
    assert files(sessions) == set()
    assert not projections.owing


async def test_a_file_that_cannot_be_removed_is_removed_later(home: Path, sessions: Path) -> None:
    await keep(home, a_session())
    projections = Projections(home)
    known = load(home / "journal").state.records.values()
    projections.learn(known)
    projections.learn([replace(one, body=None) for one in known if one.kind == SESSION.name])
    move(sessions, sessions.with_name("away"))
    spoil(sessions)  # a file where the folder belongs
    projections.settle()
    assert projections.owing
    remove(sessions)
    move(sessions.with_name("away"), sessions)
    projections.settle()
    assert files(sessions) == set()


async def test_files_that_were_edited_or_removed_are_written_anew_at_the_start(
    home: Path, sessions: Path
) -> None:
    await keep(home, a_session(), a_session("app-2"), over(a_session("app-3")))
    right = {name: (sessions / name).read_text() for name in files(sessions)}
    spoil(sessions / "app-1")
    spoil(sessions / "archive" / "app-3", "")
    (sessions / "app-2").unlink()
    spoil(sessions / "app-3")  # ended, so it is out of place
    spoil(sessions / "app-9")  # there is no such session
    spoil(sessions / ".new-0123456789abcdef")
    spoil(sessions / "notes.txt", "a person's own\n")
    await keep(home)
    assert {name: (sessions / name).read_text() for name in files(sessions)} == right | {
        "notes.txt": "a person's own\n"
    }


async def test_what_a_file_says_is_never_believed(home: Path, sessions: Path) -> None:
    await keep(home, a_session())
    spoil(sessions / "app-1", "title=another\nstatus=done\n")
    async with FilesStore(home, SystemClock()) as store:
        row = await store.read(SESSION, "app-1")
    assert row
    assert row.value == a_session()


async def test_a_file_that_cannot_be_written_fails_no_commit_and_is_written_later(
    home: Path, sessions: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await keep(home)
    sessions.parent.mkdir(mode=0o700)
    spoil(sessions)  # a file where the folder belongs
    await keep(home, a_session())
    assert "session app-1 is not written" in caplog.text
    remove(sessions)
    await keep(home)
    assert files(sessions) == {"app-1"}


async def test_a_full_disk_is_tried_again(
    home: Path, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(home, a_session())
    remove(sessions / "app-1")
    projections = Projections(home)
    projections.learn(load(home / "journal").state.records.values())
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        projections.settle()
    assert projections.owing
    projections.settle()
    assert files(sessions) == {"app-1"}


async def test_what_could_not_be_written_is_tried_again_with_the_next_commit(
    home: Path, sessions: Path
) -> None:
    async with FilesStore(home, SystemClock()) as store:
        await store.commit([a_project()])
        sessions.parent.mkdir(mode=0o700)
        spoil(sessions)
        await store.commit([Put(SESSION, "app-1", a_session(), 0)])
        await store.compact()  # behind everything that was asked for before
        remove(sessions)
        await store.commit([counted("a", 1)])
    assert files(sessions) == {"app-1"}


async def test_sessions_whose_project_becomes_known_later_are_written_then(
    home: Path, sessions: Path
) -> None:
    async with FilesStore(home, SystemClock()) as store:
        await store.commit([Put(SESSION, "app-1", a_session(), 0)])
        await store.compact()
        await store.commit([a_project()])
    assert files(sessions) == {"app-1"}


@pytest.mark.parametrize("folder", ["../elsewhere", "/tmp/elsewhere", "worktrees", "", "."])
async def test_a_folder_with_an_odd_name_is_not_written_to(home: Path, folder: str) -> None:
    await keep(home, a_session(), project=folder)
    assert files(home.parent) == {f"home/journal/{name}" for name in files(home / "journal")}


async def test_a_change_that_no_file_shows_writes_no_file(home: Path, sessions: Path) -> None:
    await keep(home, a_session())
    before = (sessions / "app-1").stat()
    await keep(home, replace(a_session(), generation=3))
    assert (sessions / "app-1").stat().st_ino == before.st_ino


async def test_a_file_that_cannot_be_removed_is_told_of_and_keeps_no_other(
    home: Path, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(home, a_session(), a_session("app-2"), over(a_session("app-3")))
    unlink = Path.unlink

    def refused(path: Path, *, missing_ok: bool = False) -> None:
        if path.name == "app-2":
            raise PermissionError(path)
        unlink(path, missing_ok=missing_ok)

    projections = Projections(home)
    projections.learn(load(home / "journal").state.records.values())
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(PermissionError):
        projections.clear()
    assert files(sessions) == {"app-2"}
