"""What `ao doctor` says of the disk and of the machine's sleep."""

import os
from pathlib import Path

import anyio
import pytest

from ao_core import platform
from ao_core.store.sqlite import SqliteStore
from ao_core.testing.clock import FakeClock
from ao_core.testing.store_kit import said
from ao_mcp import usage
from ao_mcp.cli import machine_checks
from ao_mcp.cli.checks import NOTE, OK
from ao_mcp.cli.place import Place

FILES = {
    "ao.db": "store",
    "ao.db-wal": "store",
    "journal-1.jsonl": "store",
    "engine.log": "logs",
    "engine.log.1": "logs",
    "home.json": "other",
    "journal/1-1.jsonl": "journal",
    "journal/snapshot.jsonl": "store",
    "plugins/runtime-tmux/state": "plugins",
    "plugins/runtime-process/app-1/0": "logs",
    "0123-app/worktrees/app-1/deep/file": "worktrees",
    "0123-app/archive/1.tar": "archives",
    "0123-app/prompts/app-1/task.md": "prompts",
    "0123-app/spool/app-1/1.json": "prompts",
    "0123-app/sessions/app-1": "store",
    "0123-app/tracker-local/issue": "plugins",
    "0123-app/note": "other",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in FILES:
        file = tmp_path / "home" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(5000))
    return tmp_path / "home"


@pytest.fixture
def place(home: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    return Place(home, dict(os.environ), None)


def test_a_home_is_measured_by_what_its_files_are_for(home: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(bytes(10**6))
    (home / "link").symlink_to(tmp_path / "elsewhere")
    (home / "0123-app" / "worktrees" / "link").symlink_to(tmp_path)
    found = usage.usage(home)
    each = (home / "ao.db").stat().st_blocks * 512
    for kind, size in found.kinds.items():
        expected = each * list(FILES.values()).count(kind)
        assert expected <= size < expected + each, kind
    assert found.whole
    assert usage.usage(home / "none").total == 0


async def test_the_journal_is_told_apart_from_the_records_beside_it(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "ao.db", FakeClock()) as store:
        before = usage.usage(tmp_path).kinds
        await store.commit([], [said("x" * 100_000)])
        after = usage.usage(tmp_path).kinds
    assert before["journal"] == 0 < before["store"]
    assert 100_000 < after["journal"] < 101_000


def test_a_home_of_too_many_files_is_told_as_far_as_it_was_looked_at(
    home: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "_MOST", 3)
    found = usage.usage(home)
    assert not found.whole
    assert "takes up more than " in machine_checks.disk(place, found).found


def test_what_a_home_takes_up_is_said_in_words(place: Place) -> None:
    used = usage.Usage({"store": 1_500_000, "logs": 2_000, "other": 0}, whole=True)
    said = machine_checks.disk(place, used)
    assert (said.state, said.found) == (OK, "the home takes up 1.5 MB: store 1.5 MB, logs 2.0 kB")


@pytest.fixture
def inhibit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a program stands for the system's own."""
    monkeypatch.setattr(platform, "system", lambda: "linux")

    def environment(given: object) -> dict[str, str]:
        return {"PATH": str(tmp_path)}

    monkeypatch.setattr("ao_mcp.start.engine_environment", environment)
    return tmp_path / "systemd-inhibit"


def put(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_sleep_is_held_off_where_the_system_says_so(place: Place, inhibit: Path) -> None:
    put(inhibit, 'test "$*" = --list')
    said = anyio.run(machine_checks.sleep, place)
    assert (said.state, said.found) == (OK, "is held off while agents work")


def test_why_sleep_cannot_be_held_off_is_told_and_is_no_fault(place: Place, inhibit: Path) -> None:
    said = anyio.run(machine_checks.sleep, place)
    assert (said.state, "systemd-inhibit is not installed" in said.found) == (NOTE, True)
    put(inhibit, "echo there is no bus >&2; exit 1")
    said = anyio.run(machine_checks.sleep, place)
    assert (said.state, "there is no bus" in said.found) == (NOTE, True)


def test_who_does_not_want_it_is_not_told_what_is_lacking(place: Place, inhibit: Path) -> None:
    (place.home / "config.yaml").write_text("power: {prevent_idle_sleep: false}\n")
    said = anyio.run(machine_checks.sleep, place)
    assert (said.state, "as config.yaml has it" in said.found) == (OK, True)
