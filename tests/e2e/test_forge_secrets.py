"""The token that work goes to its host with is in the one file it came from, and nowhere else."""

import base64
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from ao_core.errors import AoError
from e2e.forge import SECRET, Forge, pushed, settings, signed_in
from e2e.hosts import Host
from e2e.whole_story import Story
from team import PLAIN, Team, eventually, git

OWN = "STORY_TOKEN"  # where the configuration says that it is, instead of the usual place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(params=["usual", "own"])
def repository(tmp_path: Path, host: Host, request: pytest.FixtureRequest) -> Path:
    host.world.token(host.shape)
    own = request.param == "own"
    signed_in(tmp_path, host.shape, OWN if own else host.variable)
    token = f"secret://env/{OWN}" if own else None
    return pushed(host, tmp_path / "sample", settings(host, PLAIN, token=token))


@pytest.fixture
def forge(team: Team, host: Host, tmp_path: Path) -> Forge:
    return Forge(team, host, tmp_path)


def test_the_token_of_a_whole_story_is_nowhere_to_be_found(forge: Forge, tmp_path: Path) -> None:
    token = forge.host.shape
    forms = [token.encode(), base64.b64encode(f"octocat:{token}".encode())]
    with watched(tmp_path) as lines:
        sessions = Story(forge).run()
        said = [said_by(forge.team, *words) for words in shown(*sessions)]
        said += [forge.team.screen(session) for session in sessions]
        said += refused(forge, sessions[0])
        said.append(git(forge.team.repository, "log", "--all", "-p", "--format=fuller"))
    assert any("engine" in line for line in lines)
    for text in [*lines, *said]:
        assert not is_in(text.encode(), forms)
    assert where(tmp_path, forms) == [tmp_path / SECRET]
    forge.team.end()
    assert where(tmp_path, forms) == [tmp_path / SECRET]


def shown(*sessions: str) -> list[tuple[str, ...]]:
    """All that a person can ask to see."""
    of_each = [("show", one, "--json") for one in sessions] + [("read", one) for one in sessions]
    rest = ("doctor", "doctor --json", "events", "project --json", "status --json", "about --json")
    return [*of_each, *(tuple(line.split()) for line in rest)]


def refused(forge: Forge, session: str) -> list[str]:
    """What is said once the host no longer knows the token, by an engine that goes on, and anew."""
    del forge.world.tokens[forge.host.shape]
    said = [failing(forge.team, session)]
    forge.team.kill_engine()
    said.append(failing(forge.team, session))
    said += [said_by(forge.team, "list-issues"), said_by(forge.team, "doctor")]
    forge.team.nudge(session)
    eventually(lambda: "401" in log(forge.team) or "Unauthorized" in log(forge.team))
    return said


def failing(team: Team, session: str) -> str:
    """What the lead is told, with all that led to it."""
    with pytest.raises(AoError) as told:
        team.call("create_issue", title="One more")
    assert told.value.code == "unauthorized"
    return repr(told.value.__dict__) + str(told.getrepr(chain=True, style="long"))


def log(team: Team) -> str:
    return (team.home / "engine.log").read_text()


def said_by(team: Team, *words: str) -> str:
    """What a command prints, to both of its ends."""
    argv = [sys.executable, "-I", "-m", "ao_mcp.cli", *words]
    done = subprocess.run(
        argv, cwd=team.repository, env=team.env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout or done.stderr, words
    return done.stdout + done.stderr


def is_in(data: bytes, forms: Sequence[bytes]) -> bool:
    return any(form in data for form in forms)


def where(folder: Path, forms: Sequence[bytes]) -> list[Path]:
    """The files that have it. One that is gone meanwhile has nothing."""
    found: list[Path] = []
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink() and is_in(path.read_bytes(), forms):
                found.append(path)
    return found


@contextmanager
def watched(folder: Path) -> Generator[set[str]]:
    """Each command line of this user's while it goes on, that has to do with this folder or git."""
    lines, over = set[str](), threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for process in psutil.process_iter(["cmdline"]):
                line = " ".join(process.info["cmdline"] or ())
                if "git" in line or str(folder) in line:
                    lines.add(line)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield lines
    finally:
        over.set()
        watcher.join()
