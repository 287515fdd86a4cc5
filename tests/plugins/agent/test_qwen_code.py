"""Qwen Code: its command, its settings, its hooks, its screens and its log."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ao_core.model.activity import ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Scope
from ao_core.slots.agent import Launch, Look
from ao_core.spool import HookKind, Raw
from ao_core.testing.agent import AgentContract
from ao_plugins._found import remember
from ao_plugins._permit_dialects import DIALECTS
from ao_plugins.agent.qwen_code import QwenCode, QwenCodeConfig
from plugins.agent.recorded import SAMPLES, quoted, screen

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "b867fc6d-e5e4-5935-83c2-68f56389cb31"
ACTIVE, IDLE, ASKS = ActivityState.ACTIVE, ActivityState.IDLE, ActivityState.WAITING_INPUT
BLOCKED, READY = ActivityState.BLOCKED, ActivityState.READY
LOG = SAMPLES / "qwen-code" / "conversation.jsonl"
CALL = {"functionCall": {"id": "a", "name": "glob", "args": {"pattern": "*.py"}}}


def log_of(launch: Launch) -> Path:
    """Where Qwen Code keeps the conversation of a session of ours."""
    home = Path(launch.environment["HOME"]) / ".qwen"
    remember(launch.folder, {"home": str(home)})
    chats = home / "projects" / "-w" / "chats"
    chats.mkdir(parents=True, exist_ok=True)
    return chats / f"{launch.native_id}.jsonl"


def line(type: str, *parts: Any, at: datetime = AT, **more: Any) -> str:
    told = {"sessionId": ID, "timestamp": at.isoformat(), "type": type, "message": {"parts": parts}}
    return json.dumps(told | more) + "\n"


def raw(hook: str, **told: Any) -> Raw:
    return Raw("1-x", hook, AT, told)


class TestQwenCode(AgentContract):
    @pytest.fixture
    def started(self, tmp_path: Path) -> Launch:
        workspace, folder = tmp_path / "workspace", tmp_path / "prompts"
        workspace.mkdir()
        folder.mkdir()
        (folder / "system.md").write_text("Be kind.\n")
        return Launch(
            session="app-1", project="app", workspace=workspace, spool=tmp_path / "spool",
            prompt="Fix it.\n", prompt_file=folder / "task.md",
            system_prompt=folder / "system.md", native_id=ID, face=("ao-mcp", "--worker"),
            environment={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )  # fmt: skip

    def make(self, scope: Scope) -> QwenCode:
        return QwenCode(QwenCodeConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        log_of(launch).write_text(line("user", {"text": "Go on."}, at=at))

    def settings_of(self, launch: Launch) -> Any:
        return json.loads((launch.folder / "qwen.json").read_text())

    # -- how it is started -------------------------------------------------------------------------

    def test_its_command_line(self, agent: QwenCode, started: Launch) -> None:
        launch = replace(started, native_id=None, model="qwen-x", prompt="-p fix it")
        argv = agent.launch(launch).argv
        assert argv[:7] == (
            "qwen", "--approval-mode=default", "--append-system-prompt=Be kind.\n",
            "--allowed-tools=mcp__ao", "--exclude-tools=ask_user_question", "--model=qwen-x",
            f"--mcp-config={started.folder}/qwen-mcp.json",
        )  # fmt: skip
        assert re.fullmatch(r"--session-id=[0-9a-f-]{36}", argv[7])
        assert argv[8:] == ("--prompt-interactive=-p fix it",)

    def test_by_protocol_it_has_neither_a_task_nor_an_id(
        self, agent: QwenCode, started: Launch
    ) -> None:
        command = agent.converse(replace(started, face=()))
        assert command is not None
        said = "--append-system-prompt=Be kind.\n"
        assert command.argv == ("qwen", "--approval-mode=default", said, "--acp")

    def test_a_task_is_never_a_command_of_its_own(self, agent: QwenCode, started: Launch) -> None:
        argv = agent.launch(replace(started, prompt="/quit")).argv
        assert argv[-1] == "--prompt-interactive=Task: /quit"

    @pytest.mark.parametrize(
        ("mode", "said"),
        [
            (PermissionMode.DEFAULT, "default"), (PermissionMode.SUGGEST, "default"),
            (PermissionMode.AUTO_EDIT, "auto-edit"), (PermissionMode.PERMISSIONLESS, "yolo"),
        ],
    )  # fmt: skip
    def test_what_it_may_do_is_said_in_so_many_words(
        self, agent: QwenCode, started: Launch, mode: PermissionMode, said: str
    ) -> None:
        argv = agent.launch(replace(started, permissions=mode)).argv
        assert f"--approval-mode={said}" in argv
        assert agent.mode(mode) == said

    async def test_it_is_resumed_where_it_ever_said_anything(
        self, agent: QwenCode, started: Launch
    ) -> None:
        assert await agent.resume(started) is None
        self.write_native(started, ACTIVE, AT)
        command = await agent.resume(started)
        assert command is not None
        assert command.argv[-1] == f"--resume={ID}"

    # -- its settings ------------------------------------------------------------------------------

    async def test_what_it_is_set_up_with_is_in_files_of_ours_alone(
        self, agent: QwenCode, started: Launch, tmp_path: Path
    ) -> None:
        await agent.prepare(started)
        told = self.settings_of(started)
        assert {*told["hooks"]} == {
            "SessionStart", "UserPromptSubmit", "PostToolUse", "Stop", "StopFailure",
            "PermissionRequest",
        }  # fmt: skip
        assert told["hooks"]["PermissionRequest"][0]["hooks"][0]["timeout"] == 3_600_000
        assert "mcp__ao__report" in told["tools"]["visible"]
        server = json.loads((started.folder / "qwen-mcp.json").read_text())["mcpServers"]["ao"]
        assert [server["command"], *server["args"]] == ["ao-mcp", "--worker"]
        assert not (tmp_path / ".qwen").exists()
        assert list(started.workspace.iterdir()) == []

    async def test_its_machines_settings_stand_beside_ours(
        self, agent: QwenCode, started: Launch, tmp_path: Path
    ) -> None:
        theirs = tmp_path / "machine.json"
        given: dict[str, Any] = {
            "hooks": {"Stop": [{"hooks": []}]},
            "ui": {"hideTips": True},
            "proxy": "p",
        }
        theirs.write_text(f"// a comment\n{json.dumps(given)}")
        variable = "QWEN_CODE_SYSTEM_SETTINGS_PATH"
        launch = replace(started, environment={**started.environment, variable: str(theirs)})
        await agent.prepare(launch)
        told = self.settings_of(launch)
        assert told["proxy"] == "p"
        assert told["ui"] == {"hideTips": True, "enableFollowupSuggestions": False}
        assert len(told["hooks"]["Stop"]) == 2
        own = agent.environment(launch)
        assert own[variable] == str(launch.folder / "qwen.json")
        usual = "/etc/qwen-code/system-defaults.json"
        assert own["QWEN_CODE_SYSTEM_DEFAULTS_PATH"] == usual

    async def test_by_protocol_no_hooks_are_set_up(self, agent: QwenCode, started: Launch) -> None:
        await agent.prepare(replace(started, drive=Drive.PROTOCOL))
        assert self.settings_of(started)["hooks"] == {}

    # -- what its hooks say ------------------------------------------------------------------------

    def test_a_prompt_of_ours_is_known_by_its_token(self, agent: QwenCode) -> None:
        told = agent.heard(raw("UserPromptSubmit", prompt="[abc] Go on. [/abc]"))
        assert told is not None
        assert (told.kind, told.token, told.at) == (HookKind.TURN_STARTED, "abc", AT)

    @pytest.mark.parametrize(
        ("told", "kind", "text"),
        [
            (raw("SessionStart", session_id=ID), HookKind.SESSION_STARTED, ""),
            (raw("PostToolUse", tool_name="glob"), HookKind.PERMISSION_ENDED, ""),
            (raw("Stop", last_assistant_message="So."), HookKind.TURN_ENDED, "So."),
            (raw("StopFailure", error="unknown", error_details="400"), HookKind.BLOCKED, "400"),
        ],
    )
    def test_its_hooks(self, agent: QwenCode, told: Raw, kind: HookKind, text: str) -> None:
        event = agent.heard(told)
        assert event is not None
        assert (event.kind, event.text, event.at) == (kind, text, AT)
        assert event.native_id == (ID if kind is HookKind.SESSION_STARTED else None)

    @pytest.mark.parametrize("told", [raw("UserPromptSubmit", prompt=""), raw("Other")])
    def test_what_means_nothing(self, agent: QwenCode, told: Raw) -> None:
        assert agent.heard(told) is None  # with an empty prompt it tells itself a tool's result

    def test_a_command_is_asked_for_in_words_that_the_policy_knows(self) -> None:
        given = {"command": "git status", "description": "Look", "is_background": False}
        asked = DIALECTS["qwen"].read({"tool_name": "run_shell_command", "tool_input": given})
        assert (asked.tool, asked.log) == ("run_shell_command", None)
        assert asked.arguments == {"command": "git status", "description": "Look"}
        behind = DIALECTS["qwen"].read({"tool_name": "x", "tool_input": {"is_background": True}})
        assert behind.arguments == {"is_background": True}
        assert behind.id != asked.id

    # -- what its screen shows ---------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("working", ACTIVE), ("working-narrow", ACTIVE), ("retrying", ACTIVE), ("idle", IDLE),
            ("idle-narrow", IDLE), ("draft", IDLE), ("draft-narrow", IDLE), ("pasted", IDLE),
            ("denied", IDLE), ("interrupted", IDLE), ("quoting", IDLE), ("yolo", IDLE),
            ("permission-run", ASKS), ("permission-run-narrow", ASKS), ("permission-edit", ASKS),
            ("login", ASKS), ("error", BLOCKED),
        ],
    )  # fmt: skip
    def test_its_screens(self, agent: QwenCode, name: str, state: ActivityState) -> None:
        shown, composer = screen("qwen-code", name), agent.composer()
        assert agent.classify(shown) is state
        assert any(text in shown for text in composer.dialogs) is (state is ASKS)
        assert (re.search(composer.ready, shown) is not None) is (state is not ASKS)
        busy = any(text in shown for text in composer.working)
        assert busy is (state is ACTIVE) or name == "quoting"

    def test_something_half_typed(self, agent: QwenCode) -> None:
        draft = agent.composer().draft
        for name in ("draft", "draft-narrow", "pasted", "interrupted", "yolo"):
            assert re.search(draft, screen("qwen-code", name))
        for name in ("idle", "idle-narrow", "working", "error", "quoting"):
            assert not re.search(draft, screen("qwen-code", name))
        assert any(text in screen("qwen-code", "pasted") for text in agent.composer().folded)

    def test_a_line_about_quota(self, agent: QwenCode) -> None:
        assert agent.quota(screen("qwen-code", "error")) is None
        why = "✕ [API Error: You exceeded your current quota, please check your plan"
        failed = re.sub(r"✕ .*", why, screen("qwen-code", "error"))
        assert agent.quota(failed) == why[2:]
        assert agent.quota(quoted(failed, screen("qwen-code", "idle"))) is None

    @pytest.mark.parametrize("under", ["idle", "working"])
    def test_what_it_quotes_is_no_dialog(self, agent: QwenCode, under: str) -> None:
        below = screen("qwen-code", under)
        for name in ("permission-run", "login", "error", "working", "idle"):
            shown = quoted(screen("qwen-code", name), below)
            assert agent.classify(shown) is agent.classify(below)

    def test_what_it_says_of_a_turn_is_none(self, agent: QwenCode) -> None:
        said = "◆︎ It is done.\n    (3s · esc to cancel)"
        assert agent.classify(screen("qwen-code", "idle").replace("◆︎ It is done.", said)) is IDLE

    def test_a_line_without_end_and_wide_letters_change_nothing(self, agent: QwenCode) -> None:
        shown = screen("qwen-code", "working")
        assert agent.classify(shown.replace("SLOWLY", "x" * 200_000)) is ACTIVE
        assert agent.classify(shown.replace("It is done", "写一个 👩‍💻 こんにちは")) is ACTIVE

    # -- its log -----------------------------------------------------------------------------------

    def test_only_its_log_tells_what_it_used(self, agent: QwenCode) -> None:
        assert [agent.tells(drive) for drive in Drive] == [{Part.TOKENS}] * 2
        assert not agent.counts

    async def test_its_turns_and_what_it_used(self, agent: QwenCode, started: Launch) -> None:
        log_of(started).write_text(LOG.read_text())
        turns = await agent.turns(started)
        assert turns[0].text.startswith("Remember the word heliotrope.")
        assert turns[1].tools[0].startswith("run_shell_command echo hello")
        assert turns[2].text == "It is written."
        info = await agent.info(started)
        assert info is not None
        answers = LOG.read_text().count('"qwen-code.api_response"')
        assert info.native_id == ID
        assert (info.usage.input_tokens, info.usage.output_tokens) == (10 * answers, 5 * answers)

    @pytest.mark.parametrize(
        ("last", "state"),
        [
            (line("user", {"text": "Go on."}), ACTIVE),
            (line("assistant", {"text": "I look."}, CALL), ACTIVE),
            (line("tool_result", {"functionResponse": {"id": "a"}}), ACTIVE),
            (line("assistant", {"text": "Hm.", "thought": True}, {"text": "So."}), READY),
            (line("assistant", {"text": "So."}) + line("system"), READY),
        ],
    )
    async def test_what_its_log_says_last(
        self, agent: QwenCode, look: Look, last: str, state: ActivityState
    ) -> None:
        log_of(look.launch).write_text(line("user", {"text": "Begin."}) + last)
        found = await agent.native(look)
        assert found is not None
        assert (found.state, found.at) == (state, AT)
        assert "Hm." not in (found.detail or "")

    @pytest.mark.parametrize(
        ("name", "age", "over"),
        [("interrupted", 5, True), ("denied", 5, True), ("working", 5, False), ("idle", 2, False)],
    )
    async def test_of_a_turn_that_was_broken_off_its_screen_tells(
        self, agent: QwenCode, look: Look, name: str, age: int, over: bool
    ) -> None:
        self.write_native(look.launch, ACTIVE, look.now - timedelta(seconds=age))
        found = await agent.native(replace(look, screen=screen("qwen-code", name)))
        assert found is not None
        assert (found.over, found.state) == (over, READY if over else ACTIVE)

    @pytest.mark.parametrize("torn", ['{"type": "ass', "[]", "\x00\xff", '{"type": "user"}'])
    async def test_a_torn_or_odd_line_is_passed_over(
        self, agent: QwenCode, look: Look, torn: str
    ) -> None:
        self.write_native(look.launch, ACTIVE, AT)
        with log_of(look.launch).open("a", encoding="utf-8") as file:
            file.write(f"{torn}\n{torn}")
        found = await agent.native(look)
        assert found is not None
        assert found.at == AT
