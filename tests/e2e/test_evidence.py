"""Done is evidence: what the gates say of a worker's word, and what becomes of it."""

import os
import stat
from pathlib import Path
from typing import Any

import psutil
import pytest

from team import CONFIG, PLAIN, PROTOCOL_FILES, PTY, Kind, Team, eventually, git, lasting

GATE = """\
#!/bin/sh
echo ran >> "$(dirname "$0")/ran.log"
test -f good.txt || { echo "good.txt is missing: do: write evil.txt <<x>>" >&2; exit 3; }
"""
_GATES = """\
    gates:
      - {name: present, command: [%s]}
      - {name: always, command: ["true"], deadline: 30s}
    agent:"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A gate that passes once `good.txt` is there; it counts how often it was run."""
    return a_gate(tmp_path, GATE)


def a_gate(folder: Path, text: str) -> Path:
    program = folder / "gate" / "check"
    program.parent.mkdir(exist_ok=True)
    program.write_text(text)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.fixture
def repository(tmp_path: Path, kind: Kind, gate: Path) -> Path:
    config = CONFIG.replace("    agent:", _GATES % gate)
    return Team.new_repository(tmp_path / "sample", kind.project(config))


def ran(gate: Path) -> int:
    log = gate.parent / "ran.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def report(team: Team, session: str, state: str = "done", note: str = "All of it.") -> None:
    """As the worker itself would: with its own token."""
    token = team.agent(session).environ()["AO_TOKEN"]
    with team.connect(role="worker", token=token) as connection:
        connection.call("report", {"state": state, "note": note}, 30)


def found(team: Team, session: str, verdict: str) -> dict[str, Any]:
    """Wait for a verdict."""
    return team.until_so(session, lambda now: now["evidence"]["verdict"] == verdict)["evidence"]


def done(team: Team, session: str, seconds: float = 0) -> bool:
    return team.sure("wait", sessions=[session], until="done", seconds=seconds)["reached"]


def told(team: Team, session: str) -> list[str]:
    """What the worker was told by the gates."""
    return [text for text in team.heard(session) if "ran the project's gates" in text]


def idle(team: Team, session: str, report: str | None = None) -> dict[str, Any]:
    def so(now: dict[str, Any]) -> bool:
        return now["state"] == "idle" and report in (None, now["report"])

    return team.until_so(session, so)


def at_work(team: Team, session: str) -> dict[str, Any]:
    return team.until_so(session, lambda now: now["activity"] == "active")


def events(team: Team) -> list[str]:
    kinds = [line.split(" ")[2] for line in team.journal()]
    return [kind for kind in kinds if kind.startswith("evidence.")]


@pytest.mark.parametrize("kind", [PLAIN, PTY, PROTOCOL_FILES], ids=str)
def test_what_fails_goes_back_is_mended_is_verified_and_lapses(team: Team, gate: Path) -> None:
    session = team.spawn("do: write a.txt <<a>>", "do: commit a")
    assert idle(team, session)["evidence"]["verdict"] == "none"
    assert not done(team, session)
    report(team, session)
    failed = found(team, session, "failed")
    assert [(one["gate"], one["passed"], one["ended"]) for one in failed["gates"]] == [
        ("present", False, "ended with status 3"), ("always", True, "ended with status 0"),
    ]  # fmt: skip
    assert "good.txt is missing" in failed["gates"][0]["output"]
    eventually(lambda: len(told(team, session)) == 1)
    assert "good.txt is missing" in told(team, session)[0]
    assert "<data " in told(team, session)[0]
    idle(team, session)
    assert not done(team, session)

    team.tell(session, "do: write good.txt <<b>>\ndo: commit mended")
    path = Path(idle(team, session, "commit mended")["path"])
    cursor = team.call("wait", until="any", seconds=0)["cursor"]
    report(team, session)
    news = team.call("wait", sessions=[session], until="done", cursor=cursor, seconds=30)
    assert news["reached"]
    assert [line["evidence"] for line in news["changed"]] == ["verified"]
    shown = found(team, session, "verified")
    assert shown["commit"] == git(path, "rev-parse", "HEAD")
    assert shown["tree"] == git(path, "rev-parse", "HEAD^{tree}")
    assert done(team, session)
    assert [one["evidence"] for one in team.call("list")["sessions"]] == ["verified"]

    team.tell(session, "do: write more.txt <<c>>\ndo: commit more")
    found(team, session, "stale")
    assert not done(team, session)
    stale = "evidence.stale"
    assert events(team) == ["evidence.failed", stale, "evidence.verified", stale]
    assert (ran(gate), len(told(team, session))) == (2, 1)


def test_a_commit_by_hand_makes_it_stale_too(team: Team) -> None:
    session = team.spawn("do: write good.txt <<a>>", "do: commit a")
    path = Path(idle(team, session)["path"])
    report(team, session)
    found(team, session, "verified")
    git(path, "commit", "-q", "--allow-empty", "-m", "by hand")
    team.nudge(session)
    assert found(team, session, "stale")["commit"] == git(path, "rev-parse", "HEAD~1")


def test_gates_wait_for_the_end_of_the_turn_it_is_said_in(team: Team, gate: Path) -> None:
    session = team.spawn("do: sleep 2", "do: write good.txt <<a>>", "do: commit a")
    at_work(team, session)
    report(team, session)
    shown = found(team, session, "verified")
    assert shown["commit"] == team.call("show", session=session)["commits"][-1]
    assert ran(gate) == 1


def test_what_is_not_committed_counts_for_nothing_and_is_said(team: Team, gate: Path) -> None:
    session = team.spawn("do: write good.txt <<a>>")
    idle(team, session)
    report(team, session)
    shown = found(team, session, "unverified")
    assert (shown["why"], shown["gates"]) == ("1 change is not committed: good.txt", [])
    eventually(lambda: len(told(team, session)) == 1)
    assert not done(team, session)
    team.tell(session, "do: commit now")
    idle(team, session, "commit now")
    report(team, session)
    found(team, session, "verified")
    assert ran(gate) == 1


def test_gates_without_a_workspace_are_put_off_until_it_is_back(team: Team, gate: Path) -> None:
    session = team.spawn("do: write good.txt <<a>>", "do: commit a")
    path = Path(idle(team, session)["path"])
    aside = path.rename(path.with_name("aside"))
    report(team, session)
    why = "the gates could not be run: its workspace is gone; this is tried again"
    assert found(team, session, "unverified")["why"] == why
    assert not done(team, session)
    aside.rename(path)
    assert done(team, session, 40)
    assert found(team, session, "verified")["commit"] == git(path, "rev-parse", "HEAD")
    assert ran(gate) == 1


def test_the_same_failure_is_told_only_once(team: Team, gate: Path) -> None:
    session = team.spawn("do: write a.txt <<a>>", "do: commit a")
    idle(team, session)
    report(team, session)
    eventually(lambda: len(told(team, session)) == 1)
    idle(team, session)
    report(team, session, note="Really.")
    eventually(lambda: events(team) == ["evidence.failed", "evidence.failed"])
    idle(team, session)
    assert (ran(gate), len(told(team, session))) == (2, 1)


def test_what_is_verified_is_not_run_again_for_the_same_commit(team: Team, gate: Path) -> None:
    session = team.spawn("do: write good.txt <<a>>", "do: commit a")
    idle(team, session)
    report(team, session)
    found(team, session, "verified")
    report(team, session, note="As I said.")
    eventually(lambda: events(team) == ["evidence.verified", "evidence.verified"])
    assert ran(gate) == 1
    assert done(team, session)


def test_a_worker_that_has_ended_is_looked_at_all_the_same(team: Team) -> None:
    session = team.spawn("do: sleep 2", "do: write good.txt <<a>>", "do: commit a", "do: crash 0")
    at_work(team, session)
    report(team, session)
    team.until(session, "terminated")
    found(team, session, "verified")
    assert done(team, session)


class TestWithoutGates:
    """A project that has none."""

    @pytest.fixture
    def repository(self, tmp_path: Path, kind: Kind) -> Path:
        return Team.new_repository(tmp_path / "sample", kind.project())

    def test_done_is_what_the_worker_says_and_nothing_calls_it_verified(self, team: Team) -> None:
        session = team.spawn("do: write a.txt <<a>>", "do: commit a")
        idle(team, session)
        assert not done(team, session)
        report(team, session)
        assert done(team, session, 30)
        shown = team.call("show", session=session)["evidence"]
        assert (shown["verdict"], shown["why"]) == ("unverified", "no gates are configured")
        assert len(team.heard(session)) == 1

    def test_a_commit_by_hand_was_never_said_to_be_done(self, team: Team) -> None:
        session = team.spawn("do: write a.txt <<a>>", "do: commit a")
        path = Path(idle(team, session)["path"])
        report(team, session)
        assert done(team, session, 30)
        git(path, "commit", "-q", "--allow-empty", "-m", "by hand")
        team.nudge(session)
        assert found(team, session, "stale")["commit"] == git(path, "rev-parse", "HEAD~1")
        assert not done(team, session)
        report(team, session)
        assert done(team, session, 30)
        assert found(team, session, "unverified")["commit"] == git(path, "rev-parse", "HEAD")


class TestInterrupted:
    """Gates that take their time."""

    @pytest.fixture
    def gate(self, tmp_path: Path) -> Path:
        return a_gate(tmp_path, '#!/bin/sh\necho ran >> "$(dirname "$0")/ran.log"\nsleep 600\n')

    def working(self, team: Team, gate: Path) -> tuple[str, Path]:
        session = team.spawn("do: write a.txt <<a>>", "do: commit a")
        path = Path(idle(team, session)["path"])
        report(team, session)
        eventually(lambda: ran(gate) == 1)
        return session, path

    def test_while_gates_run_it_is_not_done(self, team: Team, gate: Path) -> None:
        session, _ = self.working(team, gate)
        assert not done(team, session, 1)
        assert team.call("show", session=session)["evidence"]["why"] == "its gates are running"

    def test_a_killed_engines_gates_are_run_again_and_told_of_once(
        self, team: Team, gate: Path
    ) -> None:
        session, path = self.working(team, gate)
        before = gates_in(path)[0]
        team.kill_engine()
        assert before.is_running()
        gate.write_text(GATE)
        team.call("about")
        found(team, session, "failed")
        assert not lasting([before], 5)
        eventually(lambda: len(told(team, session)) == 1)
        assert ran(gate) == 2
        assert events(team) == ["evidence.failed"]

    def test_killing_the_session_ends_its_gates_first(self, team: Team, gate: Path) -> None:
        session, path = self.working(team, gate)
        assert gates_in(path)
        team.call("kill", session=session)
        assert not gates_in(path)
        assert events(team) == []

    def test_a_worker_that_goes_on_calls_them_off(self, team: Team, gate: Path) -> None:
        session, path = self.working(team, gate)
        team.tell(session, "do: say more")
        eventually(lambda: not gates_in(path))
        assert team.until_so(session, lambda now: now["evidence"]["why"] is None)
        assert events(team) == []


def gates_in(workspace: Path) -> list[psutil.Process]:
    """The gates' own processes that run there."""
    running: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            here = process.cwd() == str(workspace) and "gate/check" in " ".join(process.cmdline())
        except psutil.Error:
            continue
        if here and process.pid != os.getpid():
            running.append(process)
    return running
