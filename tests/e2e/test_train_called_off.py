"""Nobody who ends a worker, or pauses all of them, waits for a train's gates."""

import shlex
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ao_core.errors import WrongState
from team import CONFIG, Kind, Team, eventually, git

GATE = """\
#!/bin/sh
echo $$ > %s
exec sleep 300
"""
_GATES = """\
    gates:
      - {name: slow, command: [%s]}
    agent:"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    script = tmp_path / "slow"
    script.write_text(GATE % shlex.quote(str(tmp_path / "gate.pid")))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


@pytest.fixture
def repository(tmp_path: Path, kind: Kind, gate: Path) -> Path:
    config = CONFIG.replace("    agent:", _GATES % gate)
    return Team.new_repository(tmp_path / "sample", kind.project(config))


@pytest.mark.parametrize(
    ("method", "why"), [("kill", "is being ended"), ("pause", "all workers are paused")]
)
def test_a_train_is_called_off_while_its_gates_run(
    team: Team, gate: Path, method: str, why: str
) -> None:
    one, two = (team.spawn(f"do: write {n}.txt x", f"do: commit {n}") for n in "ab")
    for session in (one, two):
        team.until_so(session, lambda now: (now["status"], now["state"]) == ("pr_open", "idle"))
    before, pid = git(team.repository, "rev-parse", "main"), gate.parent / "gate.pid"
    with ThreadPoolExecutor(1) as pool:
        merging = pool.submit(lambda: team.call("merge", sessions=[one, two]))
        eventually(lambda: pid.exists() and pid.read_text().endswith("\n"))
        team.call(method, **({"session": two} if method == "kill" else {"all": True}))
        with pytest.raises(WrongState, match=f"called off while gates ran: .*{why}"):
            merging.result(timeout=20)
    assert git(team.repository, "rev-parse", "main") == before
    eventually(lambda: not psutil.pid_exists(int(pid.read_text())))
    (scratch,) = team.home.rglob("scratch")
    assert not list(scratch.iterdir())
