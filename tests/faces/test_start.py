"""Finding and starting engines, with real processes."""

import json
import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ao_core import wire
from ao_core.errors import AoError, ConfigError, EngineUnreachable, Internal
from ao_mcp import __version__, start
from faces.home import FACES, Home, temporary_home

PERSON = wire.Preamble(wire.OPERATIONS, role="person", cwd="/")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setattr(start, "ENGINE", (str(FACES / "fake_engine.py"),))
    with temporary_home() as made:
        yield made


def open_connection(home: Home) -> wire.Connection:
    return start.open_connection(home.path, home.env, PERSON, 30)


def test_the_home_is_chosen_by_the_environment() -> None:
    assert start.home({"AO_HOME": "/srv/ao"}) == Path("/srv/ao")
    assert start.home({"HOME": "/srv/x"}) == Path("/srv/x/.agent-orchestrator")
    assert start.home({"HOME": "/srv/x", "AO_HOME": "~/other"}) == Path("/srv/x/other")


def test_an_engine_is_started_once_and_found_after(home: Home) -> None:
    with open_connection(home) as first, open_connection(home) as second:
        assert first.greeting == second.greeting
        assert first.call("echo", {"text": "a"})["said"] == "a"
    assert len(home.started()) == 1


def test_many_clients_at_once_start_one_engine_and_all_connect(home: Home) -> None:
    homes: list[str] = []

    def connect() -> None:
        with open_connection(home) as connection:
            homes.append(connection.greeting.home)

    threads = [threading.Thread(target=connect) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(homes) == 5
    assert len(set(homes)) == 1
    assert len(home.started()) == 1


def test_the_engine_is_nobodys_child_and_leads_its_own_session(home: Home) -> None:
    with open_connection(home):
        engine = psutil.Process(home.started()[0])
        assert os.getpid() not in [parent.pid for parent in engine.parents()]
        assert os.getsid(engine.pid) != os.getsid(0)
        assert engine.cwd() == "/"


def test_the_engine_inherits_no_secret_of_its_client(home: Home) -> None:
    home.env.update({"GH_TOKEN": "s3cret", "AO_TOKEN": "s3cret", "LC_ALL": "C.UTF-8", "AO_X": "1"})
    with open_connection(home):
        seen = json.loads((home.path / "environment.json").read_text())
    assert "s3cret" not in seen.values()
    expected = {"HOME", "PATH", "LC_ALL", "AO_X", "AO_HOME", "XDG_RUNTIME_DIR"}
    assert expected <= seen.keys() <= expected | {"LC_CTYPE"}


def test_what_the_engine_writes_is_private(home: Home) -> None:
    with open_connection(home):
        assert stat.S_IMODE((home.path / "engine.log").stat().st_mode) == 0o600
        assert stat.S_IMODE(home.path.stat().st_mode) == 0o700


def test_a_client_with_another_runtime_folder_finds_the_engine_too(home: Home) -> None:
    with open_connection(home):
        home.env["XDG_RUNTIME_DIR"] = str(home.path)
        with open_connection(home) as other:
            assert other.call("echo", {"text": "a"})["said"] == "a"
    assert len(home.started()) == 1


def test_a_killed_engine_is_replaced(home: Home) -> None:
    open_connection(home).close()
    home.kill()
    with open_connection(home) as connection:
        assert connection.call("echo", {"text": "a"})["said"] == "a"
    assert len(home.started()) == 2


def test_an_engine_asked_to_end_leaves_neither_socket_nor_announcement(home: Home) -> None:
    open_connection(home).close()
    assert start.find_engine(home.path, home.env)
    home.kill(signal.SIGTERM)
    assert start.find_engine(home.path, home.env) is None
    assert not start.socket_path(home.path, home.env).exists()
    assert not (home.path / "running.json").exists()


def test_an_engine_that_fails_to_start_says_so_without_its_secrets(home: Home) -> None:
    home.path.mkdir()
    (home.path / "refuse").touch()
    with pytest.raises(Internal, match="start") as caught:
        open_connection(home)
    log = (home.path / "engine.log").read_text()
    assert "RuntimeError" in log
    assert "ghp_" not in log + caught.value.message


def test_a_home_that_cannot_be_written_is_named_with_a_remedy(home: Home) -> None:
    home.path.write_text("a file")
    with pytest.raises(ConfigError) as caught:
        open_connection(home)
    assert "AO_HOME" in (caught.value.hint or "")


def test_a_log_that_leads_elsewhere_is_not_followed(home: Home, tmp_path: Path) -> None:
    home.path.mkdir(mode=0o700)
    (home.path / "engine.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError):
        open_connection(home)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "code", ["", "import time, sys\nsys.stdout.close()", "print('hello')", "input()"]
)
def test_a_process_that_is_no_engine_is_reported(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    impostor = tmp_path / "impostor.py"
    impostor.write_text(code)
    monkeypatch.setattr(start, "ENGINE", (str(impostor),))
    with pytest.raises(EngineUnreachable) as caught:
        open_connection(home)
    assert "engine.log" in (caught.value.hint or "")


def test_an_engine_that_never_gets_ready_is_given_up(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import signal, os\nif os.fork():\n    os._exit(0)\nsignal.alarm(5)\nsignal.pause()"
    )
    monkeypatch.setattr(start, "ENGINE", (str(slow),))
    with pytest.raises(AoError, match="in time"):
        start.open_connection(home.path, home.env, PERSON, 0.3)


def test_the_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert version("ao-mcp") == __version__
