"""Aider: its command, its screens, its questions, its transcript and its log."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ao_core.activity import record
from ao_core.errors import BadRequest
from ao_core.model.activity import ActivityState, Source
from ao_core.model.session import PermissionMode
from ao_core.plugin import Scope
from ao_core.slots.agent import Asked, Launch, Look
from ao_core.testing.agent import AgentContract
from ao_core.testing.repository import sample
from ao_plugins.agent.aider import Aider, AiderConfig
from plugins.agent.recorded import SAMPLES, screen

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
S = ActivityState
COMMIT = 'echo hello > hello2.txt && git add hello2.txt && git commit -q -m "say hello"'
NARROW = "echo a long command that is broken by a narrow\nterminal || true"
SCREENS = {
    "fresh": S.IDLE, "idle": S.IDLE, "interrupted": S.IDLE, "wide": S.IDLE, "draft": S.IDLE,
    "permission": S.WAITING_INPUT, "narrow-permission": S.WAITING_INPUT, "file": S.WAITING_INPUT,
    "output": S.WAITING_INPUT, "working": S.ACTIVE, "quota-retrying": S.ACTIVE, "auth": S.BLOCKED,
}  # fmt: skip


def shown(name: str) -> str:
    return screen("aider", name)


def own(launch: Launch) -> Path:
    folder = launch.folder / "aider"
    folder.mkdir(exist_ok=True)
    return folder


def logged(launch: Launch, *events: str, at: datetime = AT) -> None:
    lines = [{"event": one, "time": int(at.timestamp())} for one in events]
    with (own(launch) / "log.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


class TestAider(AgentContract):
    def make(self, scope: Scope) -> Aider:
        return Aider(AiderConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        speaks = ("message_send_starting",) if state is S.ACTIVE else ("message_send",)
        logged(launch, *speaks, at=at)

    def recorded(self, launch: Launch) -> None:
        for name in ("chat.md", "log.jsonl"):
            (own(launch) / name).write_text((SAMPLES / "aider" / name).read_text())

    # -- how it is started -------------------------------------------------------------------------

    def test_its_command_line(self, agent: Aider, started: Launch) -> None:
        folder = started.folder
        argv = agent.launch(replace(started, model="o/m", prompt="-p fix it")).argv
        assert argv[0] == "aider"
        assert argv[-10:] == (
            *("--analytics-log", f"{folder}/aider/log.jsonl"),
            *("--chat-history-file", f"{folder}/aider/chat.md"),
            *("--input-history-file", f"{folder}/aider/input"),
            *("--read", f"{folder}/system.md", "--model", "o/m"),
        )
        for flag in ("--no-gitignore", "--no-check-update", "--no-analytics", "--no-detect-urls"):
            assert flag in argv
        assert not agent.prompt_in_command  # it would end after its first turn

    def test_it_says_yes_only_where_it_may_do_anything(self, agent: Aider, started: Launch) -> None:
        for mode in PermissionMode:
            launch = replace(started, permissions=mode)
            free = mode is PermissionMode.PERMISSIONLESS
            assert ("--yes-always" in agent.launch(launch).argv) is free
            assert agent.environment(launch) == {"AIDER_YES_ALWAYS": "false"}

    @pytest.mark.parametrize("place", ["home", "workspace"])
    async def test_it_is_not_started_where_its_own_file_says_yes_to_everything(
        self, agent: Aider, started: Launch, tmp_path: Path, place: str
    ) -> None:
        folder = tmp_path if place == "home" else started.workspace
        (folder / ".aider.conf.yml").write_text("yes-always: true\n")
        with pytest.raises(BadRequest, match="yes to everything"):
            await agent.prepare(started)
        await agent.prepare(replace(started, permissions=PermissionMode.PERMISSIONLESS))
        (folder / ".aider.conf.yml").write_text("model: x\nyes-always: false\n")
        await agent.prepare(started)

    async def test_its_cache_is_kept_out_of_sight(
        self, agent: Aider, started: Launch, tmp_path: Path
    ) -> None:
        folder = tmp_path / "repository"
        made = await sample(folder)
        await agent.prepare(replace(started, workspace=folder))
        (folder / ".aider.tags.cache.v4").mkdir()
        (folder / ".aider.tags.cache.v4" / "x").touch()
        (folder / "hello.txt").touch()
        assert await made.git("status", "--porcelain") == "?? hello.txt"

    async def test_it_is_resumed_with_its_transcript(self, agent: Aider, started: Launch) -> None:
        assert await agent.resume(started) is None
        self.recorded(started)
        command = await agent.resume(started)
        assert command is not None
        assert command.argv[-1] == "--restore-chat-history"

    # -- what its screen shows ---------------------------------------------------------------------

    @pytest.mark.parametrize("name", SCREENS)
    def test_its_screens(self, agent: Aider, name: str) -> None:
        assert agent.classify(shown(name)) is SCREENS[name]

    @pytest.mark.parametrize("name", SCREENS)
    def test_only_its_empty_prompt_is_typed_to(self, agent: Aider, name: str) -> None:
        ready = bool(re.search(agent.composer().ready, shown(name)))
        assert ready is (name in ("fresh", "idle", "interrupted", "wide", "auth"))

    @pytest.mark.parametrize("under", ["idle", "working"])
    def test_what_it_quotes_changes_nothing(self, agent: Aider, under: str) -> None:
        for name in SCREENS:
            assert agent.classify(f"{shown(name)}\n{shown(under)}") is SCREENS[under]

    def test_a_line_without_end_and_wide_letters_change_nothing(self, agent: Aider) -> None:
        assert agent.classify("x" * 200_000 + "\n" + shown("permission")) is S.WAITING_INPUT
        wide = shown("permission").replace("echo hello", "echo 写一个👩‍💻こんにちは")
        assert agent.classify(wide) is S.WAITING_INPUT

    async def test_an_error_blocks_it_and_is_told(self, agent: Aider, look: Look) -> None:
        logged(look.launch, "message_send_starting", "message_send_exception", at=look.now)
        found = await agent.activity(replace(look, screen=shown("auth")))
        assert found is not None
        assert found.state is S.BLOCKED
        assert str(found.detail).startswith("The API provider is not able to authenticate")
        assert agent.quota(shown("auth")) is None
        limited = shown("auth").replace("is not able to authenticate you.", "has rate limited you.")
        assert agent.quota(limited.replace("Check your", "Check your quotas")) is not None

    # -- what it asks ------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("name", "asked"),
        [
            ("permission", Asked("Run shell command?", COMMIT)),
            ("narrow-permission", Asked("Run shell command?", NARROW)),
            ("file", Asked("Add file to the chat?", "README.md")),
            ("idle", None),
            ("working", None),
        ],
    )
    async def test_its_questions(
        self, agent: Aider, look: Look, name: str, asked: Asked | None
    ) -> None:
        self.recorded(look.launch)
        assert await agent.asks(replace(look, screen=shown(name))) == asked
        assert await agent.asks(look) is None

    async def test_a_question_while_its_model_speaks_is_quoted(
        self, agent: Aider, look: Look
    ) -> None:
        look = replace(look, screen=shown("permission"))
        logged(look.launch, "message_send_starting", at=look.now)
        chat = own(look.launch) / "chat.md"
        chat.write_text("\n#### What does aider ask?  \n")
        found = await agent.activity(look)
        assert found is not None
        assert (found.state, await agent.asks(look)) == (S.ACTIVE, None)
        chat.write_text(chat.read_text() + "\nThis.\n\n> README.md  \n")  # one broken off ends so
        found = await agent.activity(look)
        assert found is not None
        assert found.state is S.WAITING_INPUT
        assert await agent.asks(look) is not None

    # -- its log and its transcript ----------------------------------------------------------------

    async def test_before_its_task_is_typed_it_has_ended_no_turn(
        self, agent: Aider, look: Look
    ) -> None:
        look = replace(look, screen=shown("fresh"))
        logged(look.launch, "launched", "cli session", at=look.now)
        assert await agent.activity(look) is None
        logged(look.launch, "message_send_starting", "message_send", at=look.now)
        found = await agent.activity(look)
        assert found is not None
        assert found.state is S.IDLE

    async def test_a_long_answer_is_work_for_as_long_as_the_screen_moves(
        self, agent: Aider, look: Look
    ) -> None:
        logged(look.launch, "message_send_starting", at=look.now - timedelta(minutes=3))
        (own(look.launch) / "chat.md").write_text("\n#### Tell me all.  \n")
        found = await agent.activity(replace(look, screen="words\nand more words"))
        assert found is not None
        assert (found.state, found.at) == (S.ACTIVE, look.now)

    async def test_its_log_is_believed_until_its_screen_was_seen(
        self, agent: Aider, look: Look
    ) -> None:
        logged(look.launch, "message_send_starting", at=look.now - timedelta(seconds=5))
        record(look.launch.workspace, S.IDLE, Source.SCREEN, look.now - timedelta(seconds=1))
        found = await agent.activity(look)  # it was broken off, which its log does not tell
        assert found is not None
        assert found.state is S.IDLE

    async def test_its_turns_and_what_it_used(self, agent: Aider, started: Launch) -> None:
        self.recorded(started)
        turns = await agent.turns(started)
        assert [turn.role for turn in turns] == [
            *("user", "assistant", "user", "assistant", "user", "user", "assistant"),
        ]
        assert "Remember the word heliotrope." in turns[0].text
        assert turns[1].text.startswith("It is written.")
        assert turns[1].tools[-1] == f"Running {COMMIT}"
        assert turns[3].text == "Noted 写一个 👩‍💻."
        assert len(await agent.turns(started, 2)) == 2
        info = await agent.info(started)
        assert info is not None
        used = info.usage
        assert (used.input_tokens, used.output_tokens) == (2611 + 2685 + 2771, 31 + 12 + 14)
        assert used.cost_usd == pytest.approx(0.008181)

    async def test_a_price_that_it_does_not_know_is_unknown(
        self, agent: Aider, started: Launch
    ) -> None:
        told = {"prompt_tokens": 5, "completion_tokens": 1, "cost": 0}
        line = {"event": "message_send", "properties": told, "time": int(AT.timestamp())}
        (own(started) / "log.jsonl").write_text(json.dumps(line) + "\n")
        info = await agent.info(started)
        assert info is not None
        assert (info.usage.input_tokens, info.usage.cost_usd) == (5, None)

    async def test_what_it_was_told_is_known_by_its_token(
        self, agent: Aider, started: Launch
    ) -> None:
        assert await agent.taken(started) == frozenset()
        self.recorded(started)
        assert await agent.taken(started) == {"a1", "a2", "a3", "a4"}

    @pytest.mark.parametrize("odd", ['{"event": "message_s', "[]", "\x00", '{"time": "x"}'])
    async def test_a_torn_or_odd_line_is_passed_over(
        self, agent: Aider, look: Look, odd: str
    ) -> None:
        at = (look.now - timedelta(seconds=5)).replace(microsecond=0)
        logged(look.launch, "message_send_starting", at=at)
        with (own(look.launch) / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"{odd}\n{odd}")
        found: Any = await agent.activity(look)
        assert (found.state, found.at) == (S.ACTIVE, at)
