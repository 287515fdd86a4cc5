"""The command line against a real engine, real git and real tmux."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ao_core import platform
from ao_mcp.start import find_engine
from faces.terminal import AO, Terminal
from receiver import Answer, Receiver
from team import Team, eventually

GATED = """\
projects:
  sample:
    path: .
    agent: command
    agentConfig: {preset: worker}
    allow_commands: [make]
"""


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    one = Team(tmp_path / "home", Team.new_repository(tmp_path / "sample"), tmp_path / "run")
    yield one
    one.end()


def ao(
    team: Team, *arguments: str, cwd: Path | None = None, status: int | None = 0
) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    done = subprocess.run(
        [*AO, *arguments], env=team.env, cwd=cwd or team.repository, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert status in (None, done.returncode), done
    return done


def told(team: Team, *arguments: str, status: int = 0) -> dict[str, Any]:
    """What a command says to programs."""
    done = ao(team, *arguments, "--json", status=status)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def runs(team: Team) -> bool:
    return find_engine(team.home, team.env) is not None


def test_an_issue_becomes_merged_work_from_the_command_line(team: Team) -> None:
    body = "do: write hello.txt hi\ndo: commit hello"
    issue = told(team, "create-issue", "Say hello", "--body", body)["issue"]
    assert "Say hello" in ao(team, "list-issues").stdout
    session = told(team, "spawn", issue)["session"]
    team.until(session, "pr_open")
    assert session in ao(team, "list").stdout
    assert "status:" in ao(team, "show", session).stdout
    assert "commit hello" in ao(team, "read", session).stdout
    merged = ao(team, "merge", session)
    assert merged.stdout.startswith(f"{session} was merged into main as ")
    assert (team.repository / "hello.txt").read_text().strip() == "hi"
    killed = ao(team, "kill", session)
    assert killed.stdout.startswith(f"{session} has ended.")


def test_stop_ends_the_agents_and_the_engine_before_it_returns(team: Team) -> None:
    session = team.spawn("do: ask Which?")
    team.until(session, "needs_input")
    pid = team.engine_pid
    assert f"Ended {session}." in ao(team, "stop").stdout
    assert not platform.process_exists(pid)
    assert not (team.home / "running.json").exists()


def test_what_a_stop_ended_comes_back_when_asked_for(team: Team) -> None:
    first, second = team.spawn("do: ask A?"), team.spawn("do: ask B?")
    for session in (first, second):
        team.until(session, "needs_input")
    assert sorted(told(team, "stop")["sessions"]) == [first, second]
    assert told(team, "stop")["sessions"] == []  # an empty stop forgets nobody
    assert "--restore" in ao(team, "start").stderr
    started = told(team, "start", "--restore")
    assert (sorted(started["restored"]), started["failed"]) == ([first, second], {})
    live = told(team, "list")["sessions"]
    assert sorted(one["session"] for one in live) == [first, second]
    assert ao(team, "start").stderr == ""


def test_start_asks_at_a_terminal_whether_to_restore(team: Team) -> None:
    session = team.spawn("do: ask A?")
    team.until(session, "needs_input")
    ao(team, "stop")
    with Terminal("start", env=team.env, cwd=team.repository) as terminal:
        terminal.until("Bring them back?")
        terminal.press("y\n")
        terminal.until(f"{session} is back.")
        assert terminal.ended() == 0


def test_stopping_one_project_leaves_the_engine(team: Team) -> None:
    session = team.spawn("do: ask A?")
    team.until(session, "needs_input")
    stopped = told(team, "stop", "sample")
    assert stopped == {"sessions": [session], "stubborn": [], "engine": False}
    assert runs(team)


def test_stop_without_anything_to_stop_starts_nothing(team: Team) -> None:
    assert ao(team, "stop").stdout == "Nothing runs in this home.\n"
    assert not team.home.exists()


def test_a_restart_is_another_process_and_ends_no_agent(team: Team) -> None:
    session = team.spawn("do: ask A?")
    team.until(session, "needs_input")
    before = team.engine_pid
    after = told(team, "restart")["pid"]
    assert after != before
    assert not platform.process_exists(before)
    assert team.until(session, "needs_input")["runtime"] == "alive"


def test_an_engine_in_the_foreground_logs_to_stderr_and_ends_with_ctrl_c(team: Team) -> None:
    with Terminal("start", "--foreground", env=team.env) as terminal:
        terminal.until("is ready")
        second = ao(team, "start", "--foreground", status=1)
        assert "is held by process" in second.stderr
        assert "hint: " in second.stderr
        terminal.press("\x03")
        assert terminal.ended() == 0
    assert not runs(team)


def test_status_starts_no_engine(team: Team) -> None:
    assert "not running" in ao(team, "status").stdout
    assert told(team, "status") == {"engine": None, "projects": [], "sessions": []}
    assert not team.home.exists()


def test_status_shows_the_team_and_its_engine(team: Team) -> None:
    session = team.spawn("do: ask Which colour?")
    team.until(session, "needs_input")
    shown = ao(team, "status").stdout
    assert "lead: Which colour?" in shown
    assert f"process {team.engine_pid}" in shown
    state = told(team, "status")
    assert state["engine"]["version"] == "0.1.0"
    assert [one["session"] for one in state["sessions"]] == [session]


@pytest.mark.parametrize("leave", ["q", "\x03"])
def test_a_watched_status_follows_and_leaves_a_clean_terminal(team: Team, leave: str) -> None:
    told(team, "start")
    with Terminal("status", "--watch", env=team.env, cwd=team.repository) as terminal:
        assert "\x1b[?1049h" in terminal.until("No workers.")
        session = team.spawn("do: ask Which colour?")
        terminal.until("Which colour?")
        assert terminal.settings != terminal.before
        terminal.press(leave)
        assert terminal.ended() == 0
        assert terminal.settings == terminal.before
        last = terminal.seen
    assert "\x1b[?1049l" in last
    assert "\x1b[?25h" in last
    assert team.until(session, "needs_input")["runtime"] == "alive"


def test_a_watched_status_that_is_ended_leaves_a_clean_terminal_too(team: Team) -> None:
    told(team, "start")
    with Terminal("status", "--watch", env=team.env) as terminal:
        terminal.until("No workers.")
        terminal.process.terminate()
        assert terminal.ended() == 128 + 15
        assert terminal.settings == terminal.before
        assert "\x1b[?1049l" in terminal.seen


def test_a_watched_status_ends_with_its_engine(team: Team) -> None:
    told(team, "start")
    with Terminal("status", "--watch", env=team.env) as terminal:
        terminal.until("No workers.")
        told(team, "stop")
        terminal.until("error: ")
        assert terminal.ended() == 1


def test_status_is_watched_by_programs_line_by_line(team: Team) -> None:
    told(team, "start")
    watching = subprocess.Popen(
        [*AO, "status", "--watch", "--json"], env=team.env, stdout=subprocess.PIPE, text=True
    )
    with watching:
        assert watching.stdout
        assert json.loads(watching.stdout.readline())["sessions"] == []
        team.spawn("do: ask A?")
        assert json.loads(watching.stdout.readline())["events"]
        watching.terminate()


def test_attach_becomes_the_workers_terminal(team: Team) -> None:
    session = team.spawn("do: ask Which colour?")
    team.until(session, "needs_input")
    argv = told(team, "attach", session)["command"]
    with Terminal("attach", session, env=team.env | {"TMUX": "/elsewhere,1,0"}) as terminal:
        terminal.until("Which colour?")
        socket = argv[argv.index("-S") + 1]
        subprocess.run(["tmux", "-S", socket, "detach-client", "-s", session], check=True)
        assert terminal.ended() == 0
    assert team.call("show", session=session)["runtime"] == "alive"


def test_attach_says_why_it_cannot(team: Team) -> None:
    session = team.spawn("do: ask A?")
    team.until(session, "needs_input")
    assert "no terminal" in ao(team, "attach", session, status=1).stderr
    team.call("kill", session=session)
    ended = ao(team, "attach", session, status=1).stderr
    assert f"error: {session} has no terminal: it is " in ended
    assert f"`ao restore {session}`" in ended


def test_logs_are_the_end_of_the_journal(team: Team) -> None:
    session, other = team.spawn("do: ask A?"), team.spawn("do: ask B?")
    for one in (session, other):
        team.until(one, "needs_input")
    every = told(team, "logs", "-n", "1000")
    assert len(every["lines"]) == every["cursor"]
    assert ao(team, "logs", "-n", "2").stdout.splitlines() == every["lines"][-2:]
    mine = told(team, "logs", session)["lines"]
    assert mine
    assert set(mine) < set(every["lines"])
    assert "engine.started" in every["lines"][0]
    assert not any("engine.started" in line for line in mine)
    assert told(team, "logs", "-n", "0")["lines"] == []


def test_followed_logs_show_what_happens_next(team: Team) -> None:
    told(team, "start")
    following = subprocess.Popen(
        [*AO, "logs", "--follow", "-n", "1", "--json"], env=team.env, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    with following:
        assert following.stdout
        assert "engine.started" in json.loads(following.stdout.readline())["line"]
        session = team.spawn("do: ask A?")
        team.until(session, "needs_input")
        seen = [json.loads(following.stdout.readline())["line"] for _ in range(4)]
        assert [int(line.split()[0]) for line in seen] == [2, 3, 4, 5]
        following.send_signal(2)
        assert following.wait(10) == 0


def test_the_engines_own_log_can_be_read_without_an_engine(team: Team) -> None:
    assert "There is no" in ao(team, "logs", "--engine", status=1).stderr
    told(team, "start")
    told(team, "stop")
    (team.home / "engine.log").write_text("one\ntwo \x1b[31mred\nthree\n")
    assert ao(team, "logs", "--engine", "-n", "2").stdout == "two red\nthree\n"
    assert ao(team, "logs", "sam-1", "--engine", status=2).stdout == ""
    assert not runs(team)


def test_trust_is_given_once_somebody_has_read(team: Team) -> None:
    (team.repository / "agent-orchestrator.yaml").write_text(GATED)
    refused = ao(team, "trust", status=1)
    assert "allow_commands" in refused.stdout
    assert "--yes" in refused.stderr
    assert told(team, "trust", status=1)["error"]["code"] == "not_trusted"
    with Terminal("trust", env=team.env, cwd=team.repository) as terminal:
        terminal.until("Trust it, as it is now?")
        terminal.press("n\n")
        terminal.until("It is not trusted.")
        assert terminal.ended() == 1
    assert ao(team, "list-issues", status=1).stderr.startswith("error: ")
    with Terminal("trust", env=team.env, cwd=team.repository) as terminal:
        terminal.until("Trust it, as it is now?")
        terminal.press("y\n")
        terminal.until("Trusted, as it is now")
        assert terminal.ended() == 0
    assert told(team, "trust")["trusted"]
    ao(team, "list-issues")
    (team.repository / "agent-orchestrator.yaml").write_text(GATED.replace("make", "npm"))
    assert not told(team, "trust", status=1).get("trusted")
    assert told(team, "trust", "--yes")["trusted"]


def test_a_session_that_is_not_there_is_told_apart_from_a_bad_name(team: Team) -> None:
    assert told(team, "show", "sam-77", status=1)["error"]["code"] == "not_found"
    assert told(team, "show", "../x", status=1)["error"]["code"] == "invalid_id"
    assert told(team, "logs", "sam-77", status=1)["error"]["code"] == "not_found"
    assert told(team, "attach", "sam-77", status=1)["error"]["code"] == "not_found"


def test_work_outside_a_repository_is_refused_with_the_remedy(team: Team, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = ao(team, "spawn", "--prompt", "x", cwd=empty, status=1)
    assert "git repository" in refused.stderr
    assert "hint: " in refused.stderr


def test_a_machine_without_tmux_is_told_so(team: Team, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "env", "sh"):
        found = next(p for p in os.defpath.split(":") if p and Path(p, name).exists())
        (tools / name).symlink_to(Path(found, name))
    # the engine looks where the login shell does
    (Path(team.env["HOME"]) / ".profile").write_text(f"PATH={tools}; export PATH\n")
    team.env["PATH"] = str(tools)
    refused = ao(team, "spawn", "--prompt", "x", status=1).stderr
    assert "tmux" in refused
    assert "hint: Install tmux" in refused
    doctor = told(team, "doctor", status=1)
    runtime = [one for one in doctor["checks"] if one["state"] == "fail"]
    assert [(one["name"], "tmux" in one["found"]) for one in runtime] == [("runtime", True)]
    assert team.call("list")["sessions"] == []


@pytest.mark.parametrize("place", ["/proc/ao-home", "file/home"])
def test_a_home_that_cannot_be_written_is_told_at_once(
    team: Team, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    team.env["AO_HOME"] = str(tmp_path / place)
    error = told(team, "list", status=1)["error"]
    assert error["code"] == "config_invalid"
    assert "AO_HOME" in error["hint"]
    checks = told(team, "doctor", status=1)["checks"]
    assert [one["name"] for one in checks if one["state"] == "fail"] == ["home"]


def test_doctor_tells_a_dead_engine_from_a_running_one(team: Team) -> None:
    def engine() -> tuple[str, str]:
        checks = told(team, "doctor")["checks"]
        return next((one["state"], one["found"]) for one in checks if one["name"] == "engine")

    assert engine() == ("ok", "does not run; the first call starts it")
    assert not team.home.exists()
    pid = told(team, "start")["pid"]
    assert engine() == ("ok", f"runs: version 0.1.0, process {pid}")
    team.kill_engine()
    eventually(lambda: not runs(team))
    assert engine() == ("warn", f"process {pid} ended without saying so")
    told(team, "restart")
    assert engine()[0] == "ok"


def test_doctor_tells_what_the_home_takes_up_and_what_saved_work_is_kept(team: Team) -> None:
    session = team.spawn("do: write draft.txt x", "do: ask A?")
    team.until(session, "needs_input")
    assert told(team, "kill", session)["salvage"]
    found = told(team, "doctor")
    assert found["disk"]["whole"] is True
    assert found["disk"]["kinds"]["store"] > 0
    (said,) = [one["found"] for one in found["checks"] if one["name"] == "disk"]
    assert said.endswith("; snapshots of work kept in git: 1")


def test_doctor_lists_every_problem_of_a_configuration(team: Team) -> None:
    text = "projects:\n  sample:\n    pth: .\n    defaultBranhc: main\n"
    (team.repository / "agent-orchestrator.yaml").write_text(text)
    done = ao(team, "doctor", status=1)
    assert "agent-orchestrator.yaml:3: " in done.stdout
    assert "agent-orchestrator.yaml:4: " in done.stdout
    assert "did you mean 'path'" in done.stdout


def test_doctor_knows_whether_the_configuration_is_trusted(team: Team) -> None:
    def trust() -> str:
        checks = told(team, "doctor", status=blocked)["checks"]
        return next(one["state"] for one in checks if one["name"] == "trust")

    blocked = 0
    assert trust() == "note"
    told(team, "start")
    assert trust() == "ok"
    (team.repository / "agent-orchestrator.yaml").write_text(GATED)
    blocked = 1
    assert trust() == "fail"
    told(team, "trust", "--yes")
    blocked = 0
    assert trust() == "ok"


def test_doctor_tells_which_notifier_fails_since_when_and_why(team: Team) -> None:
    def notifying() -> list[dict[str, Any]]:
        return [one for one in told(team, "doctor")["checks"] if one["name"] == "notifying"]

    with Receiver() as people:
        people.answers += [Answer(401)] * 9
        config = team.repository / "agent-orchestrator.yaml"
        hook = f"notifiers: {{hook: {{plugin: webhook, url: '{people.url}'}}}}\n"
        config.write_text(f"{hook}defaults: {{notifiers: [hook]}}\n{config.read_text()}")
        team.trusted()
        session = team.spawn("do: say hello")
        team.until(session, "idle")
        assert notifying() == []
        team.agent(session).kill()
        eventually(lambda: any("notification.failed" in line for line in team.journal()))
        (found,) = notifying()
    assert found["state"] == "warn"
    assert found["found"].startswith("hook of sample has failed since 2")
    assert "401 Unauthorized" in found["found"]
    assert "ao notify" in found["remedy"]


def test_doctor_works_where_hardly_anything_does(team: Team, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *AO, "doctor", "--json"], cwd=gone, capture_output=True,
        env=team.env | {"PATH": "/nonexistent"}, check=True,
    )  # fmt: skip
    states = {one["name"]: one["state"] for one in json.loads(done.stdout)["checks"]}
    assert (states["git"], states["config"], states["mcp"]) == ("ok", "ok", "warn")


def test_plugins_are_listed_with_what_they_lack(team: Team) -> None:
    listed = {(one["slot"], one["name"]): one for one in told(team, "plugins")["plugins"]}
    assert listed["runtime", "tmux"]["available"] is True
    assert listed["workspace", "worktree"]["source"] == "built-in"
    assert "tmux" in ao(team, "plugins").stdout
    assert not team.home.exists()


def test_init_writes_a_configuration_that_is_valid_and_overwrites_none(team: Team) -> None:
    file = team.repository / "agent-orchestrator.yaml"
    before = file.read_text()
    assert "--force" in ao(team, "init", status=1).stderr
    proposed = ao(team, "init", "--print").stdout
    assert file.read_text() == before
    (team.repository / "deep").mkdir()
    assert "Next:" in ao(team, "init", "--force", cwd=team.repository / "deep").stdout
    assert file.read_text() == proposed
    assert file.stat().st_mode & 0o777 == 0o644
    checks = told(team, "doctor")["checks"]
    assert [one["state"] for one in checks if one["name"] == "config"] == ["ok"]


def test_init_outside_a_repository_writes_nothing(team: Team, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "git init" in ao(team, "init", cwd=empty, status=1).stderr
    assert list(empty.iterdir()) == []
