"""Workspaces of either kind: the whole path, and how each is prepared before its agent starts."""

import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

import psutil
import pytest

from ao_core.errors import AoError, CommandFailed
from team import Kind, Team, eventually, git

BOTH = pytest.mark.parametrize("workspace", ["worktree", "clone"])
SLOW = """[sh, -c, 'echo "$$" >> "{place}/ran"; test -e "{place}/go" || sleep 600']"""


@pytest.fixture
def workspace() -> str:
    return "worktree"


@pytest.fixture
def more() -> str:
    """More settings of the project."""
    return ""


@pytest.fixture
def repository(tmp_path: Path, kind: Kind, workspace: str, more: str) -> Path:
    own = f"    workspace: {workspace}\n{more.format(place=tmp_path)}    agent:"
    config = kind.project().replace("    agent:", own, 1)
    return Team.new_repository(tmp_path / "sample", config)


def refs(team: Team) -> list[str]:
    """Every ref of the project's repository, but the main branch."""
    listed = git(team.repository, "for-each-ref", "--format=%(refname)").splitlines()
    return [ref for ref in listed if ref != "refs/heads/main"]


def workspaces(team: Team) -> list[str]:
    """What lies where workspaces are."""
    return [path.name for path in team.home.glob("*/worktrees/*")]


def told(path: Path) -> dict[str, str]:
    """An environment as a command wrote it down."""
    lines = (line.partition("=") for line in path.read_text().splitlines())
    return {name: text for name, _, text in lines}


def in_vain(team: Team, script: str) -> Thread:
    """Spawn aside; it is not going to be told how that came out."""

    def spawn() -> None:
        with suppress(AoError, OSError):
            team.spawn(script)

    thread = Thread(target=spawn)
    thread.start()
    return thread


# -- clones ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("workspace", ["clone"])
def test_what_is_done_in_a_clone_becomes_merged_work(team: Team) -> None:
    session = team.spawn("do: write hello.txt hi", "do: commit hello")
    shown = team.until(session, "pr_open")
    path = Path(shown["path"])
    assert (path / ".git").is_dir()
    head = git(path, "rev-parse", "HEAD")
    assert git(team.repository, "rev-parse", shown["branch"]) == head
    team.tell(session, "do: write more.txt hi\ndo: commit more")
    eventually(lambda: git(team.repository, "rev-parse", shown["branch"]) != head)
    team.until(session, "pr_open")
    done = team.call("merge", session=session)
    assert done["merged"], done
    assert (team.repository / "more.txt").read_text() == "hi\n"


@pytest.mark.parametrize("workspace", ["clone"])
def test_a_branch_somebody_moved_blocks_the_merge_and_says_so(team: Team) -> None:
    session = team.spawn("do: write hello.txt hi", "do: commit hello")
    shown = team.until(session, "pr_open")
    git(team.repository, "branch", "-f", shown["branch"], "main~0")
    git(Path(shown["path"]), "commit", "-q", "--allow-empty", "-m", "more")
    refused = team.call("merge", session=session)
    assert not refused["merged"]
    assert any("somebody else has moved" in one for one in refused["blockers"]), refused
    killed = team.call("kill", session=session)
    assert killed["workspace_removed"], killed
    assert git(team.repository, "show", f"{killed['salvage']}:hello.txt") == "hi"


@pytest.mark.parametrize("workspace", ["clone"])
def test_a_dirty_clone_is_saved_in_the_projects_repository_and_comes_back(team: Team) -> None:
    (team.repository / ".git" / "info" / "exclude").write_text(".env\n")
    session = team.spawn("do: write draft.txt unsaved", "do: ask Go on?")
    path = Path(team.until(session, "needs_input")["path"])
    (path / ".env").write_text("KEY=1\n")
    (path / "own.txt").write_text("stashed")
    git(path, "add", "own.txt")
    git(path, "-c", "user.name=A", "-c", "user.email=a@b.invalid", "stash", "push", "-q", "own.txt")
    stash = git(path, "rev-parse", "stash@{0}")
    killed = team.call("kill", session=session)
    assert killed["workspace_removed"]
    assert workspaces(team) == []
    assert git(team.repository, "show", f"{killed['salvage']}:draft.txt") == "unsaved"
    assert git(team.repository, "show", f"{stash}:own.txt") == "stashed"
    git(team.repository, "merge-base", "--is-ancestor", stash, killed["salvage"])
    team.call("restore", session=session)
    assert (path / "draft.txt").read_text() == "unsaved\n"
    assert (path / ".env").read_text() == "KEY=1\n"
    assert team.until(session, "needs_input")["path"] == str(path)


# -- preparation -----------------------------------------------------------------------------------

PREPARED = """\
    ports: 2
    symlinks: [node_modules]
    env: {{PLAIN: "1", OWN_TOKEN: none}}
    credentials: [GIVEN]
    post_create:
      - [sh, -c, 'env > .ao/told; echo x >> made.txt; cat node_modules/one.js .env > .ao/seen']
"""


@BOTH
@pytest.mark.parametrize("more", [PREPARED])
def test_it_is_prepared_before_the_agent_starts_and_once(team: Team) -> None:
    root = team.repository
    (root / "node_modules").mkdir()
    (root / "node_modules" / "one.js").write_text("one ")
    (root / ".env").write_text("two")
    (root / ".git" / "info" / "exclude").write_text(".env\nmade.txt\n")
    (root / ".worktreeinclude").write_text(".env\n")
    given = {"GIVEN": "a secret of theirs"}
    with team.connect(given) as connection:
        session = connection.call("spawn", {"prompt": "do: ask Go on?"}, 30)["session"]
    path = Path(team.until(session, "needs_input")["path"])
    assert (path / ".ao" / "seen").read_text() == "one two"
    assert git(path, "status", "--porcelain") == ""
    env = told(path / ".ao" / "told")
    assert (env["PLAIN"], env["AO_SESSION_ID"]) == ("1", session)
    assert {"GIVEN", "OWN_TOKEN", "AO_TOKEN", "AO_SOCKET"}.isdisjoint(env)
    had = {name: text for name, text in team.agent(session).environ().items() if "AO_PORT" in name}
    assert had == {name: text for name, text in env.items() if "AO_PORT" in name}
    assert int(had["AO_PORT_1"]) == int(had["AO_PORT_0"]) + 1

    team.kill_engine()
    other = team.spawn("do: ask Go on?")
    shown = team.until(other, "needs_input")
    theirs = told(Path(shown["path"]) / ".ao" / "told")
    assert {theirs["AO_PORT_0"], theirs["AO_PORT_1"]}.isdisjoint(had.values())

    team.agent(session).kill()
    team.until(session, "terminated")
    with team.connect(given) as connection:
        connection.call("restore", {"session": session}, 30)
    team.until(session, "needs_input")
    assert (path / "made.txt").read_text() == "x\n"
    assert team.agent(session).environ()["AO_PORT_0"] == had["AO_PORT_0"]


@BOTH
@pytest.mark.parametrize(
    "more", ["    post_create: [[sh, -c, 'echo made > a; echo no >&2; exit 3']]\n"]
)
def test_a_command_that_fails_fails_the_start_with_what_it_said(team: Team) -> None:
    with pytest.raises(CommandFailed) as failed:
        team.spawn("do: say hello")
    assert "ended with 3:\nno" in failed.value.message
    assert workspaces(team) == []
    (session,) = team.call("list", ended=True)["sessions"]
    assert session["status"] == "errored"
    shown = team.call("show", session=session["session"])
    assert "ended with 3" in str(shown)
    assert refs(team) == shown["salvage"]
    assert git(team.repository, "show", f"{refs(team)[0]}:a") == "made"


@BOTH
@pytest.mark.parametrize("more", [f"    post_create: [{SLOW}]\n"])
def test_a_preparation_cut_short_by_a_crash_is_done_again(team: Team, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    in_vain(team, "do: ask Go on?")
    eventually(lambda: ran.exists() and ran.read_text().endswith("\n"))
    stray = psutil.Process(int(ran.read_text()))
    pid = team.running_pid()
    assert pid
    team.kill_engine(pid)
    assert stray.is_running()
    (tmp_path / "go").touch()
    (session,) = team.call("list")["sessions"]
    team.until(session["session"], "needs_input")
    assert len(ran.read_text().splitlines()) == 2
    eventually(lambda: not stray.is_running() or stray.status() == psutil.STATUS_ZOMBIE)


@BOTH
@pytest.mark.parametrize("more", [f"    post_create: [{SLOW}]\n"])
def test_a_session_can_be_ended_while_it_is_prepared(team: Team, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    spawning = in_vain(team, "do: say hello")
    eventually(lambda: ran.exists() and ran.read_text().endswith("\n"))
    (session,) = team.call("list")["sessions"]
    began = time.monotonic()
    team.call("kill", session=session["session"])
    assert time.monotonic() - began < 20
    spawning.join()
    assert (workspaces(team), refs(team)) == ([], [])
    assert not psutil.pid_exists(int(ran.read_text()))


@BOTH
@pytest.mark.parametrize("more", ["    post_create: [[touch, made]]\n"])
def test_what_lies_there_when_an_agent_cannot_start_is_saved_and_noted(
    team: Team, tmp_path: Path
) -> None:
    broken = tmp_path / "broken-agent"
    broken.write_text("#!/nowhere/at/all\n")
    broken.chmod(0o755)
    team.env["PATH"] = f"{tmp_path}:{team.env['PATH']}"
    config = team.repository / "agent-orchestrator.yaml"
    config.write_text(
        config.read_text().replace("preset: worker", "command: broken-agent {prompt}")
    )
    team.trusted()
    with pytest.raises(AoError, match="cannot be run"):
        team.spawn("do: say hello")
    assert workspaces(team) == []
    (session,) = team.call("list", ended=True)["sessions"]
    (ref,) = refs(team)
    assert git(team.repository, "ls-tree", "--name-only", ref, "made") == "made"
    assert ref in team.call("show", session=session["session"])["salvage"]
