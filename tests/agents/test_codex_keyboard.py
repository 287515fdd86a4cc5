"""Codex in a real terminal: its own dialogs, who breaks off what, and what is told by protocol."""

import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.codex import CONFIG
from agents.known import Real, known
from agents.stage import Stage, staged
from team import eventually

FOLDER = Path(os.environ.get("AO_AGENTS") or os.devnull).resolve()
REAL = known()["codex-terminal"]
PATIENCE = 90.0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(REAL.installed(FOLDER) is None, reason="AO_AGENTS names no Codex"),
]


@pytest.fixture
def real() -> Real:
    return REAL


@pytest.fixture
def stage(tmp_path: Path, real: Real) -> Generator[Stage]:
    with staged(real, tmp_path / "s", FOLDER) as one:
        yield one


def asked(stage: Stage, session: str, but: str = "") -> dict[str, Any]:
    """The request that it waits with, once it is another one."""

    def is_another(shown: dict[str, Any]) -> bool:
        return any(one["request"] != but for one in shown["permissions_pending"])

    (one,) = stage.team.until_so(session, is_another, PATIENCE)["permissions_pending"]
    return one


def test_what_a_person_breaks_off_at_the_keyboard_is_asked_no_more(stage: Stage) -> None:
    team = stage.team
    session = team.call("spawn", prompt="RUN: touch one > a")["session"]
    request = asked(stage, session)["request"]
    eventually(lambda: "waits for a permission" in team.screen(session), PATIENCE)
    team.tmux("send-keys", "-t", f"={session}:", "Escape")
    team.until_so(session, lambda now: not now["permissions_pending"], PATIENCE)
    shown = team.until(session, "idle", PATIENCE)
    assert not (Path(shown["path"]) / "one").exists()
    assert len([one for one in team.journal() if request in one and "expired" in one]) == 1
    assert team.tell(session, "SAY: Noted.")["state"] == "accepted"


def test_one_answer_is_for_one_request(stage: Stage) -> None:
    team = stage.team
    session = team.call("spawn", prompt="RUN: touch one > a\nRUN: touch two > b")["session"]
    first = asked(stage, session)["request"]
    team.call("answer", session=session, request=first, decision="allow")
    second = asked(stage, session, but=first)["request"]
    team.call("answer", session=session, request=second, decision="deny")
    shown = team.until(session, "idle", PATIENCE)
    made = [(Path(shown["path"]) / name).exists() for name in ("one", "two")]
    assert made == [True, False]


def test_an_engine_that_was_away_is_asked_again_and_answers(stage: Stage) -> None:
    team = stage.team
    session = team.call("spawn", prompt="RUN: touch one > a")["session"]
    first = asked(stage, session)
    team.kill_engine()
    assert asked(stage, session)["request"] == first["request"]
    team.call("answer", session=session, decision="allow")
    shown = team.until(session, "idle", PATIENCE)
    assert (Path(shown["path"]) / "one").exists()


class TestUntrusted:
    @pytest.fixture
    def real(self) -> Real:
        def prepare(home: Path, url: str, repository: Path) -> Any:
            given = REAL.prepare(home, url, repository)
            config = home / ".codex" / "config.toml"
            config.write_text(CONFIG.format(url=url))
            return given

        return replace(REAL, prepare=prepare)

    def test_a_folder_that_nobody_trusts_is_asked_for_and_nothing_is_typed(
        self, stage: Stage
    ) -> None:
        team = stage.team
        session = team.call("spawn", prompt="RUN: touch one > a")["session"]
        team.until(session, "needs_input", PATIENCE)
        message = team.call("send", session=session, message="SAY: yes")
        shown = team.until_so(session, lambda now: now["messages"][0].get("reason"), PATIENCE)
        assert shown["messages"][0]["state"] == "queued", message
        assert "Trust this folder?" in team.screen(session)
        assert stage.model.asked == []


class TestByProtocol:
    @pytest.fixture
    def real(self) -> Real:
        return known()["codex-protocol"]

    def test_it_runs_the_codex_that_was_found_as_it_was_told(self, stage: Stage) -> None:
        team = stage.team
        session = team.call("spawn", prompt="SAY: so")["session"]
        team.until(session, "idle", PATIENCE)
        told = team.agent(session).environ()
        assert told["CODEX_PATH"] == "codex"
        assert "developer_instructions" in told["CODEX_CONFIG"]
