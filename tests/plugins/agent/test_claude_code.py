"""Claude Code: its command, its hooks, its screens and its log."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from ao_core.model.activity import ActivityState
from ao_core.model.session import Drive, PermissionMode
from ao_core.model.usage import Usage
from ao_core.plugin import Scope
from ao_core.slots.agent import Agent, Launch, Look, Turn
from ao_core.spool import HookKind, Raw
from ao_core.testing.agent import AgentContract
from ao_plugins.agent.claude_code import ClaudeCode, ClaudeCodeConfig
from plugins.agent.recorded import SAMPLES, quoted, screen

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "5d8b9a02-0000-4000-8000-000000000000"
ACTIVE, IDLE, ASKS = ActivityState.ACTIVE, ActivityState.IDLE, ActivityState.WAITING_INPUT
_SAID = {
    ActivityState.ACTIVE: {"type": "user", "message": {"role": "user", "content": "Go on."}},
    ActivityState.READY: {
        "type": "assistant",
        "message": {
            "id": "m",
            "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "."}],
        },
    },
}


def log_of(launch: Launch) -> Path:
    """Where Claude Code keeps the conversation of a session of ours."""
    home = Path(launch.environment["HOME"]) / ".claude" / "projects" / "-w"
    home.mkdir(parents=True, exist_ok=True)
    return home / f"{launch.native_id}.jsonl"


def raw(hook: str, **told: Any) -> Raw:
    return Raw("1-x", hook, AT, told)


class TestClaudeCode(AgentContract):
    def made_ready(self, agent: Agent[Any], launch: Launch) -> Launch:
        launch = replace(launch, native_id=ID, face=("ao-mcp", "--worker"))
        cast("ClaudeCode", agent)._prepare(launch)  # pyright: ignore[reportPrivateUsage]
        return launch

    def make(self, scope: Scope) -> ClaudeCode:
        return ClaudeCode(ClaudeCodeConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        line = {**_SAID[state], "timestamp": at.isoformat(), "sessionId": ID}
        log_of(launch).write_text(json.dumps(line) + "\n")

    # -- how it is started -------------------------------------------------------------------------

    def test_its_command_line(self, agent: ClaudeCode, started: Launch) -> None:
        folder = started.folder
        launch = replace(started, native_id=None, model="opus", prompt="-p fix it")
        argv = agent.launch(launch).argv
        assert argv[:2] == ("claude", "--session-id")
        assert argv[3:] == (
            *("--permission-mode", "default", "--settings", f"{folder}/claude.json"),
            *("--append-system-prompt-file", f"{folder}/system.md"),
            *("--mcp-config", f"{folder}/claude-mcp.json", "--allowedTools", "mcp__ao"),
            *("--disallowedTools", "AskUserQuestion", "--model", "opus", "--", "-p fix it"),
        )

    def test_its_id_is_the_same_each_time_and_another_for_each_session(
        self, agent: ClaudeCode, started: Launch
    ) -> None:
        launch = replace(started, native_id=None)
        first = agent.launch(launch).argv[2]
        assert agent.launch(launch).argv[2] == first
        other = replace(launch, prompt_file=Path("/elsewhere/task.md"))
        assert agent.launch(other).argv[2] != first

    @pytest.mark.parametrize(
        ("mode", "said"),
        [
            (PermissionMode.DEFAULT, "--permission-mode default"),
            (PermissionMode.SUGGEST, "--permission-mode default"),
            (PermissionMode.AUTO_EDIT, "--permission-mode acceptEdits"),
            (PermissionMode.PERMISSIONLESS, "--dangerously-skip-permissions"),
        ],
    )
    def test_what_it_may_do_is_said_in_so_many_words(
        self, agent: ClaudeCode, started: Launch, mode: PermissionMode, said: str
    ) -> None:
        assert said in " ".join(agent.launch(replace(started, permissions=mode)).argv)

    def test_only_as_root_and_where_all_is_allowed_it_is_told_that_it_is_contained(
        self, agent: ClaudeCode, started: Launch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = replace(started, permissions=PermissionMode.PERMISSIONLESS)
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        assert agent.environment(free)["IS_SANDBOX"] == "1"
        assert "IS_SANDBOX" not in agent.environment(started)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert "IS_SANDBOX" not in agent.environment(free)

    async def test_it_is_resumed_where_it_ever_said_anything(
        self, agent: ClaudeCode, started: Launch
    ) -> None:
        assert await agent.resume(started) is None
        self.write_native(started, ActivityState.READY, AT)
        command = await agent.resume(started)
        assert command is not None
        assert command.argv[1:3] == ("--resume", ID)
        assert command.argv[-1] == "--"  # its task is not said twice

    async def test_what_it_is_set_up_with_is_in_files_of_ours_alone(
        self, agent: ClaudeCode, started: Launch, tmp_path: Path
    ) -> None:
        await agent.prepare(started)
        hooks = json.loads((started.folder / "claude.json").read_text())["hooks"]
        assert {*hooks} == {
            *("SessionStart", "UserPromptSubmit", "Notification", "Stop", "StopFailure"),
            "PermissionRequest",
        }
        server = json.loads((started.folder / "claude-mcp.json").read_text())["mcpServers"]["ao"]
        assert [server["command"], *server["args"]] == ["ao-mcp", "--worker"]
        assert not (tmp_path / ".claude").exists()
        assert list(started.workspace.iterdir()) == []

    # -- what its hooks say ------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "prompt",
        [
            "[abc] Go on. [/abc]",
            '\n<pasted_content id="b237">\n[abc] Go\non. [/abc]\n</pasted_content id="b237">',
        ],
    )
    def test_a_prompt_of_ours_is_known_by_its_token(self, agent: ClaudeCode, prompt: str) -> None:
        told = agent.heard(raw("UserPromptSubmit", prompt=prompt))
        assert told is not None
        assert (told.kind, told.token, told.at) == (HookKind.TURN_STARTED, "abc", AT)
        somebodys = agent.heard(raw("UserPromptSubmit", prompt="[/abc] is what I saw"))
        assert somebodys is not None
        assert somebodys.token is None

    @pytest.mark.parametrize(
        ("told", "kind", "text"),
        [
            (raw("SessionStart", session_id=ID), HookKind.SESSION_STARTED, ""),
            (raw("Stop", last_assistant_message="So."), HookKind.TURN_ENDED, "So."),
            (
                raw("StopFailure", error="billing_error", last_assistant_message="Too low"),
                HookKind.BLOCKED,
                "Too low",
            ),
            (raw("StopFailure", error="rate_limit"), HookKind.BLOCKED, "rate_limit"),
            (
                raw("Notification", notification_type="agent_needs_input", message="Choose"),
                HookKind.WAITING_INPUT,
                "Choose",
            ),
        ],
    )
    def test_its_hooks(self, agent: ClaudeCode, told: Raw, kind: HookKind, text: str) -> None:
        event = agent.heard(told)
        assert event is not None
        assert (event.kind, event.text, event.at) == (kind, text, AT)
        assert event.native_id == (ID if kind is HookKind.SESSION_STARTED else None)

    @pytest.mark.parametrize(
        "told",
        [
            raw("Notification", notification_type="idle_prompt", message="Waiting"),
            raw("Notification", notification_type="permission_prompt"),  # its own hook asks
            raw("Unknown"),
        ],
    )
    def test_what_means_nothing(self, agent: ClaudeCode, told: Raw) -> None:
        assert agent.heard(told) is None

    @pytest.mark.parametrize("odd", [{"prompt": 3}, {"prompt": {"a": 1}}, {"prompt": "x" * 10**6}])
    def test_odd_words_of_a_hook_are_cut_or_left_out(
        self, agent: ClaudeCode, odd: dict[str, Any]
    ) -> None:
        told = agent.heard(raw("UserPromptSubmit", **odd))
        assert told is not None
        assert len(told.text or "") <= 200
        started = agent.heard(raw("SessionStart", session_id="../../etc; rm"))
        assert started is not None
        assert started.native_id is None

    # -- what its screen shows ---------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("working", ACTIVE), ("working-first", ACTIVE), ("idle", IDLE), ("folded", IDLE),
            ("permission", ASKS), ("trust", ASKS), ("denied", IDLE), ("login", IDLE),
            ("rate-limit", IDLE), ("context", IDLE), ("credit", IDLE),
        ],
    )  # fmt: skip
    def test_its_screens(self, agent: ClaudeCode, name: str, state: ActivityState) -> None:
        assert agent.classify(screen("claude-code", name)) is state

    @pytest.mark.parametrize("under", ["idle", "working"])
    def test_what_it_quotes_is_no_dialog(self, agent: ClaudeCode, under: str) -> None:
        below = screen("claude-code", under)
        for name in ("permission", "trust", "working", "idle"):
            shown = quoted(screen("claude-code", name), below)
            assert agent.classify(shown) is agent.classify(below)

    def test_a_line_without_end_and_wide_letters_change_nothing(self, agent: ClaudeCode) -> None:
        shown = screen("claude-code", "working")
        long = shown.replace("❯ FAKETASK", "x" * 200_000 + "\n❯ FAKETASK")
        assert agent.classify(long) is ACTIVE
        assert agent.classify(shown.replace("write hello", "写一个 👩‍💻 こんにちは")) is ACTIVE

    # -- its log -----------------------------------------------------------------------------------

    def recorded(self, launch: Launch) -> None:
        text = (SAMPLES / "claude-code" / "conversation.jsonl").read_text()
        log_of(launch).write_text(text)

    async def test_its_turns_and_what_it_used(self, agent: ClaudeCode, started: Launch) -> None:
        self.recorded(started)
        turns = await agent.turns(started, 3)
        assert [turn.role for turn in turns] == ["assistant", "assistant", "assistant"]
        assert turns[-1].text.startswith("FAKE-DONE")
        assert turns[1].tools[0].startswith("Bash echo")
        assert all(isinstance(turn, Turn) and turn.at for turn in turns)
        info = await agent.info(started)
        assert info is not None
        assert (info.usage.input_tokens, info.usage.output_tokens) == (4800, 168)
        assert info.usage.cost_usd == pytest.approx(0.0225, abs=0.01)

    async def test_by_protocol_its_log_tells_the_tokens_and_each_turn_what_they_cost(
        self, agent: ClaudeCode, started: Launch
    ) -> None:
        self.recorded(started)
        assert not agent.counts
        info = await agent.info(replace(started, drive=Drive.PROTOCOL))
        assert info is not None
        assert info.usage == Usage(4800, 168)

    async def test_an_answer_in_several_lines_is_counted_once(
        self, agent: ClaudeCode, started: Launch
    ) -> None:
        used = {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 2}
        for ids in (["a", "a"], ["a", "a", "b"]):
            lines = [
                {"type": "assistant", "timestamp": AT.isoformat(),
                 "message": {"id": id, "usage": used, "content": "So."}}
                for id in ids
            ]  # fmt: skip
            log_of(started).write_text("".join(json.dumps(line) + "\n" for line in lines))
            info = await agent.info(started)
            count = len(set(ids))
            assert info is not None
            assert (info.usage.input_tokens, info.usage.output_tokens) == (15 * count, 2 * count)

    async def test_what_is_broken_off_at_the_keyboard_is_over(
        self, agent: ClaudeCode, look: Look
    ) -> None:
        said = "[Request interrupted by user for tool use]"
        line = {
            "type": "user", "timestamp": look.now.isoformat(),
            "message": {"role": "user", "content": [{"type": "text", "text": said}]},
        }  # fmt: skip
        log_of(look.launch).write_text(json.dumps(line) + "\n")
        found = await agent.activity(look)
        assert found is not None
        assert (found.state, found.over) == (ActivityState.READY, True)

    async def test_an_error_of_its_service_blocks_it(self, agent: ClaudeCode, look: Look) -> None:
        content = [{"type": "text", "text": "Invalid API key · Fix external API key"}]
        line = {
            "type": "assistant", "timestamp": look.now.isoformat(), "isApiErrorMessage": True,
            "message": {"id": "m", "stop_reason": "stop_sequence", "content": content},
        }  # fmt: skip
        log_of(look.launch).write_text(json.dumps(line) + "\n")
        found = await agent.activity(look)
        assert found is not None
        assert found.state is ActivityState.BLOCKED
        assert "API key" in str(found.detail)

    @pytest.mark.parametrize("torn", ['{"type": "assist', "[]", "\x00\xff", '{"type": "user"}'])
    async def test_a_torn_or_odd_line_is_passed_over(
        self, agent: ClaudeCode, look: Look, torn: str
    ) -> None:
        at = look.now - timedelta(seconds=5)
        self.write_native(look.launch, ActivityState.ACTIVE, at)
        with log_of(look.launch).open("a", encoding="utf-8") as file:
            file.write(f"{torn}\n{torn}")
        found = await agent.activity(look)
        assert found is not None
        assert found.at == at
