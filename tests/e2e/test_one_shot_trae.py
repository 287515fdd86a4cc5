"""Trae by turns: each message a task of its own, which tells what was said before."""

import sys
from pathlib import Path

import pytest

from team import Team

STAND_IN = Path(__file__).parents[1] / "one_shot_trae.py"
CONFIG = """\
projects:
  sample:
    path: .
    agent: trae
    agentConfig:
      binary: {binary}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    binary = tmp_path / "trae-cli"
    binary.write_text(f"#!{sys.executable}\n{STAND_IN.read_text()}")
    binary.chmod(0o755)
    return Team.new_repository(tmp_path / "sample", CONFIG.format(binary=binary))


def test_it_is_told_more_with_what_was_said_before(team: Team, tmp_path: Path) -> None:
    session = team.call("spawn", prompt="Fix it.", permissions="permissionless")["session"]
    team.until(session, "idle")
    assert team.tell(session, "And that.")["state"] == "accepted"
    shown = team.until_so(session, lambda now: now["state"] == "idle" and now["input_tokens"] == 20)
    assert (shown["runtime"], shown["output_tokens"]) == ("alive", 2)
    task = next(tmp_path.glob(f"home/*/prompts/{session}/trae/0002.task")).read_text()
    assert "user: Fix it." in task.partition("```")[2]
    assert task.endswith("And that.")


def test_a_turn_without_success_is_told_with_its_reason(team: Team) -> None:
    session = team.call("spawn", prompt="do: fail", permissions="permissionless")["session"]
    shown = team.until_so(session, lambda now: now["state"] == "stuck")
    assert "too many steps" in str(shown)
