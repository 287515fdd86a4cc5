"""`ao stop` and `ao demo` where what they rely on does not do its part."""

import os
import sys
import types
from pathlib import Path

import pytest

from ao_core import wire
from ao_core.errors import TimedOut
from ao_mcp.cli.ending import await_end, watched
from ao_mcp.cli.run import run
from ao_mcp.start import socket_path
from faces.cli_peer import played, says


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"HOME": "", "AO_HOME": "h", "XDG_RUNTIME_DIR": ""}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    folder = tmp_path / "h"
    folder.mkdir()
    (folder / "ao.db").touch()
    return folder


def test_agents_that_would_not_end_are_named_and_make_it_fail(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with played(home, dict(os.environ)) as peer:
        peer.answer = says({"pid": 1, "sessions": ["a-1"], "stubborn": ["a-2"], "engine": False})
        assert run(["stop", "a"]) == 1
        assert [params for name, params in peer.calls() if name == "stop"] == [{"project": "a"}]
    shown = capsys.readouterr()
    assert shown.out == "Ended a-1.\n"
    assert shown.err.startswith("error: a-2 would not end.\nhint: ")


def test_an_engine_that_does_not_end_is_told_of_at_the_deadline(home: Path) -> None:
    with played(home, dict(os.environ)):
        path = socket_path(home, os.environ)
        preamble = wire.Preamble(wire.OPERATIONS, role="person")
        told = f"process {os.getpid()}, did not end"
        with (
            wire.connect(path, preamble, 5) as connection,
            watched(os.getpid()) as ourselves,
            pytest.raises(TimedOut, match=told),
        ):
            await_end(connection, ourselves, 0.05)


def test_the_demo_is_loaded_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    demo = types.ModuleType("ao_mcp.demo.run")
    asked: list[object] = []

    def main(drive: str, store: str, *, awkward: bool, keep: bool) -> int:
        asked.append((drive, store, awkward, keep))
        return 3

    demo.__dict__["main"] = main
    monkeypatch.setitem(sys.modules, "ao_mcp.demo.run", demo)
    monkeypatch.setitem(sys.modules, "ao_mcp.demo", types.ModuleType("ao_mcp.demo"))
    assert run(["demo", "--store", "files", "--awkward"]) == 3
    assert run(["demo", "--drive", "protocol", "--keep"]) == 3
    assert asked == [("terminal", "files", True, False), ("protocol", "sqlite", False, True)]
    assert run(["demo", "--drive", "protocol", "--awkward"]) == 2
