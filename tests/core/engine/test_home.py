"""A home is held by one engine, and says by whom."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from ao_core import platform
from ao_core.engine.home import Running, open_home, running
from ao_core.errors import AoError, ConfigError, EngineRunning, StoreUnavailable
from ao_core.ids import home_id

HOLDER = """if True:
    import sys
    from pathlib import Path
    from ao_core.engine.home import open_home
    home = open_home(Path(sys.argv[1]))
    home.announce("1", Path("/tmp/s"))
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def holder(path: Path) -> Generator[subprocess.Popen[str]]:
    """Another process that holds the home."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def refused(path: Path) -> AoError:
    with pytest.raises(AoError) as raised:
        open_home(path)
    assert raised.value.hint
    return raised.value


def test_a_home_keeps_its_name_and_its_key(path: Path) -> None:
    with closing(open_home(path)) as home:
        first = (home.id, home.key)
    with closing(open_home(path)) as home:
        assert (home.id, home.key) == first
    assert home_id(first[0]) == first[0]
    assert len(first[1]) == 32
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / "home.json").stat().st_mode & 0o777 == 0o600


def test_two_homes_have_names_and_keys_of_their_own(path: Path, tmp_path: Path) -> None:
    with closing(open_home(path)) as one, closing(open_home(tmp_path / "b")) as other:
        assert one.id != other.id
        assert one.key != other.key


def test_a_second_engine_is_refused_and_told_who_holds_the_home(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    error = refused(path)
    assert isinstance(error, EngineRunning)
    assert f"process {holder.pid}" in error.message


def test_a_second_engine_in_the_same_process_is_refused(path: Path) -> None:
    with closing(open_home(path)):
        assert isinstance(refused(path), EngineRunning)
    open_home(path).close()


def test_a_home_whose_engine_was_killed_is_free_though_it_says_otherwise(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    told = running(path)
    assert told is not None
    assert told.pid == holder.pid
    with closing(open_home(path)):
        assert isinstance(error := refused(path), EngineRunning)
        assert str(holder.pid) not in error.message


def test_an_announcement_names_this_very_process_and_goes_with_it(path: Path) -> None:
    home = open_home(path)
    home.announce("1.2", Path("/run/s"))
    pid = os.getpid()
    started = platform.process_started(pid)
    assert started is not None
    assert running(path) == Running(pid, platform.boot_id(), started, "1.2", "/run/s")
    assert str(pid) in refused(path).message
    home.close()
    assert running(path) is None
    home.close()


@pytest.mark.parametrize("change", [{"boot": "another"}, {"started": 1.5}, {"pid": 2**22 + 1}])
def test_a_number_that_is_somebody_elses_by_now_is_not_told(
    path: Path, change: dict[str, object]
) -> None:
    with closing(open_home(path)) as home:
        home.announce("1", Path("/s"))
        told = json.loads((path / "running.json").read_text()) | change
        (path / "running.json").write_text(json.dumps(told))
        assert refused(path).message == f"The home {path} is held."


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', "\0", "null", "é" * 9])
def test_what_cannot_be_read_names_nobody(path: Path, text: str) -> None:
    assert running(path) is None
    with closing(open_home(path)):
        (path / "running.json").write_text(text)
        assert running(path) is None
        assert isinstance(refused(path), EngineRunning)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"id": "0a1b2c3d"}', '{"id": "../x", "key": "00"}',
     '{"id": "0a1b2c3d", "key": "zz"}', '{"id": 5, "key": 5}'],
)  # fmt: skip
def test_an_identity_that_is_damaged_is_reported_and_never_made_anew(path: Path, text: str) -> None:
    open_home(path).close()
    (path / "home.json").write_text(text)
    for _ in range(2):  # the lock is given back
        assert isinstance(refused(path), StoreUnavailable)
    assert (path / "home.json").read_text() == text


def test_a_home_on_a_network_is_refused_and_nothing_is_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_network(_: Path) -> str:
        return "nfs4"

    monkeypatch.setattr(platform, "is_network_file_system", on_network)
    error = refused(path)
    assert isinstance(error, ConfigError)
    assert "nfs4" in error.message
    assert not path.exists()


NO_SYS = pytest.mark.skipif(not os.path.ismount("/sys"), reason="it is not mounted here")


@pytest.mark.parametrize(
    "place", ["/proc/self/ao", "/dev/null/ao", pytest.param("/sys/ao", marks=NO_SYS)]
)
def test_a_home_that_cannot_be_written_is_refused(place: str) -> None:
    # a file system may also be read-only as a whole
    assert isinstance(refused(Path(place)), ConfigError | StoreUnavailable)


def test_a_home_that_turned_read_only_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_home(path).close()

    def read_only(*_: object) -> int:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr("ao_core.files.os.open", read_only)
    monkeypatch.setattr("ao_core.engine.home.private_dir", Path)
    error = refused(path)
    assert isinstance(error, StoreUnavailable)
    assert "read-only" in str(error.hint).lower()


def test_a_home_others_may_write_to_is_refused(path: Path) -> None:
    path.mkdir(mode=0o700)
    path.chmod(0o777)
    assert isinstance(refused(path), ConfigError)


def test_everything_in_a_home_is_private(path: Path) -> None:
    with closing(open_home(path)) as home:
        project = home.project("abc-app")
        folders = [
            home.plugin_state("runtime", "tmux"), project.worktrees, project.archive,
            project.prompts("app-1"), project.spool("app-1"), project.plugin_state("scm", "local"),
        ]  # fmt: skip
        assert all(folder.is_relative_to(path) for folder in folders)
        assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
        assert len(set(folders)) == len(folders)


def test_what_an_engine_without_http_wrote_of_itself_is_read(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    home.announce("1.2", Path("/run/s"), "http://127.0.0.1:1/mcp")
    found = running(home.path)
    assert found
    assert found.http == "http://127.0.0.1:1/mcp"
    file = home.path / "running.json"
    told = json.loads(file.read_text())
    del told["http"]
    file.write_text(json.dumps(told))
    earlier = running(home.path)
    assert earlier
    assert (earlier.pid, earlier.http) == (found.pid, "")
    home.close()
