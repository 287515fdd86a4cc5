"""`ao store`, and what other commands say of the store, without an engine."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.clock import SystemClock
from ao_core.engine.home import take
from ao_core.store.choice import open_store
from ao_core.store.kind import StoreKind
from ao_core.testing.store_kit import counted, said
from ao_mcp.cli.run import run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"HOME": "", "AO_HOME": "h", "XDG_RUNTIME_DIR": ""}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    folder = tmp_path / "h"
    folder.mkdir(mode=0o700)
    return folder


def fill(home: Path, kind: StoreKind) -> None:
    async def filled() -> None:
        async with open_store(home, kind, SystemClock()) as store:
            await store.commit([counted("a", 1), counted("b", 2)], [said("one"), said("two")])

    (home / "config.yaml").write_text(f"store: {kind}\n")
    anyio.run(filled)


def told(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("kind", ["sqlite", "files"])
def test_the_store_is_shown(
    home: Path, kind: StoreKind, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(home, kind)
    shown = told(capsys, "store", "show")
    assert shown.pop("size") > 100
    assert shown == {
        "kind": kind, "path": str(home / {"sqlite": "ao.db", "files": "journal"}[kind]),
        "records": {"counter": 2}, "lines": 2, "first": 1, "head": 2,
    }  # fmt: skip
    assert run(["store", "show"]) == 0
    out = capsys.readouterr().out
    assert f"kind:     {kind}\n" in out
    assert "records:  2 counter\n" in out
    assert "journal:  2 lines, 1 to 2\n" in out


def test_a_home_without_anything_has_an_empty_store(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "store", "show")["lines"] == 0
    assert run(["store", "show"]) == 0
    assert "journal:  empty" in capsys.readouterr().out
    assert list(home.iterdir()) == []


def test_a_store_is_converted_and_says_where_the_old_one_is(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(home, "sqlite")
    assert run(["store", "convert", "--to", "files"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("2 records and 2 lines of the journal are now kept in files. ")
    (old,) = home.glob("ao.db.before-convert-*")
    assert old.name in out
    done = told(capsys, "store", "convert", "--to", "sqlite")
    assert (done["source"], done["target"], done["records"], done["lines"]) == (
        "files", "sqlite", 2, 2,
    )  # fmt: skip
    assert told(capsys, "store", "show")["records"] == {"counter": 2}


def test_a_home_that_an_engine_holds_is_not_converted(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(home, "sqlite")
    lock = take(home)
    assert lock
    with lock:
        error = told(capsys, "store", "convert", "--to", "files", status=1)["error"]
    assert error["code"] == "engine_running"
    assert "ao stop" in error["hint"]
    assert not (home / "journal").exists()


def test_a_home_that_is_not_there_cannot_be_converted(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.rmdir()
    error = told(capsys, "store", "convert", "--to", "files", status=1)["error"]
    assert error["code"] == "wrong_state"
    assert not home.exists()


def test_doctor_names_the_store_and_the_remedy_for_a_wrong_choice(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(home, "files")
    assert doctor(capsys)["found"] == f"files: {home / 'journal'}"
    (home / "config.yaml").write_text("store: sqlite\n")
    wrong = doctor(capsys)
    assert wrong["state"] == "fail"
    assert "ao store convert --to sqlite" in wrong["remedy"]
    shown = told(capsys, "store", "show", status=1)["error"]
    assert shown["code"] == "config_invalid"


def doctor(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    run(["doctor", "--json"])
    checks = json.loads(capsys.readouterr().out)["checks"]
    return next(check for check in checks if check["name"] == "store")
