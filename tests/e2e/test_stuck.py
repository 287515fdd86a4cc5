"""Who works and moves nothing is stuck; who computes in silence is not."""

import os
from pathlib import Path
from typing import Any

import pytest

from team import CONFIG, PLAIN, PROTOCOL, Kind, Team

IMPATIENT = """\
reactions:
  agent-stuck:
    threshold: 3s
"""


@pytest.fixture
def repository(tmp_path: Path, kind: Kind) -> Path:
    """One whose project has little patience."""
    return Team.new_repository(tmp_path / "sample", IMPATIENT + kind.project(CONFIG))


@pytest.mark.parametrize("kind", [PLAIN, PROTOCOL], ids=str)
def test_who_hangs_is_told_with_a_remedy_until_it_moves_and_who_computes_is_left_alone(
    team: Team, kind: Kind, tmp_path: Path
) -> None:
    trusted = {"permissions": "permissionless"}
    gate, over = tmp_path / "gate", tmp_path / "over"
    os.mkfifo(gate)
    hangs = team.spawn(f"do: run cat {gate}", "do: say over", **trusted)
    busy = f"import os; [0 for _ in iter(lambda: os.path.exists('{over}'), True)]"
    computes = team.spawn(f'do: run timeout 60 python3 -c "{busy}"', **trusted)

    def stuck(now: dict[str, Any]) -> bool:
        for session in (hangs, computes) if kind == PROTOCOL else ():
            team.nudge(session)  # without it, the engine's timer finds out
        return now["status"] == "stuck"

    shown = team.until_so(hangs, stuck, patience=60)
    assert (shown["reason"], shown["attention"]) == ("no_progress", "lead")
    assert shown["why"] == "no hook, no output and no processor time for 0.05 minutes"
    assert "`read`" in shown["hint"]
    gate.write_text("go on")
    over.touch()
    team.until(hangs, "idle", patience=60)
    team.until(computes, "idle", patience=60)
    found = [team.call("events", session=one, limit=1_000)["lines"] for one in (hangs, computes)]
    assert [sum("session.stuck" in line for line in lines) for lines in found] == [1, 0]
