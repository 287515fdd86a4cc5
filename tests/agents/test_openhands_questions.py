"""What OpenHands asks for is done only if it was allowed, whatever is highlighted in its dialog;
also where it is killed while it asks and comes back: by itself it would do it then.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from agents.known import known
from agents.stage import Stage, staged
from team import eventually

FOLDER = Path(os.environ.get("AO_AGENTS") or os.devnull).resolve()
WAYS = {name: real for name, real in known().items() if real.agent == "openhands"}
PATIENCE = 90.0
TASK = "RUN: touch one > a\nSAY: It is written."
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        any(real.installed(FOLDER) is None for real in WAYS.values()),
        reason="AO_AGENTS names no OpenHands",
    ),
]


def asking(stage: Stage) -> dict[str, Any]:
    session = stage.team.call("spawn", prompt=TASK)["session"]
    return stage.team.until_so(session, lambda now: now["permissions_pending"], PATIENCE)


def test_a_denial_is_one_whatever_is_highlighted(tmp_path: Path) -> None:
    with staged(WAYS["openhands-terminal"], tmp_path / "s", FOLDER) as stage:
        team, shown = stage.team, asking(stage)
        session = shown["session"]
        team.tmux("send-keys", "-t", f"={session}:", "Down", "Down")
        eventually(lambda: "  > Always" in team.screen(session), PATIENCE)
        (asked,) = shown["permissions_pending"]
        team.call("answer", session=session, decision="deny", request=asked["request"])
        team.until(session, "idle", PATIENCE)
        assert not (Path(shown["path"]) / "one").exists()


@pytest.mark.parametrize("name", WAYS)
def test_what_nobody_allowed_is_not_done_when_it_comes_back(name: str, tmp_path: Path) -> None:
    with staged(WAYS[name], tmp_path / "s", FOLDER) as stage:
        team, shown = stage.team, asking(stage)
        session = shown["session"]
        team.agent(session).kill()
        team.until_so(session, lambda now: now["state"] == "terminated", PATIENCE)
        team.call("restore", session=session)
        team.tell(session, "SAY: Noted.")
        eventually(lambda: stage.model.heard("SAY: Noted.") == 1, PATIENCE)
        team.until(session, "idle", PATIENCE)
        assert any("rejected" in said for said in stage.model.results())
        assert not (Path(shown["path"]) / "one").exists()
