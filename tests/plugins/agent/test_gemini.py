"""Gemini CLI: its home, its commands, its hooks, its screens and its log."""

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
from ao_plugins.agent.gemini import Gemini, GeminiConfig
from plugins.agent.recorded import SAMPLES, quoted, screen

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "80c4ec1a-0bad-56fa-8473-8f9fe8bd3071"
ACTIVE, IDLE, ASKS = ActivityState.ACTIVE, ActivityState.IDLE, ActivityState.WAITING_INPUT
BLOCKED = ActivityState.BLOCKED
LOG = SAMPLES / "gemini" / "conversation.jsonl"


def launch_in(folder: Path) -> Launch:
    (folder / "workspace").mkdir()
    prompts = folder / "prompts"
    prompts.mkdir()
    (prompts / "system.md").write_text("Be kind.\n")
    return Launch(
        session="app-1", project="app", workspace=folder / "workspace", spool=folder / "spool",
        prompt="Fix it.\n", prompt_file=prompts / "task.md", system_prompt=prompts / "system.md",
        native_id=ID, face=("ao-mcp", "--worker"),
        environment={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip


def home_of(launch: Launch) -> Path:
    return launch.folder / "gemini" / ".gemini"


def log_of(launch: Launch, name: str = "2026-11-21T22-16") -> Path:
    chats = home_of(launch) / "tmp" / "workspace" / "chats"
    chats.mkdir(parents=True, exist_ok=True)
    return chats / f"session-{name}-{ID[:8]}.jsonl"


def line(type: str, content: object, at: datetime = AT, **more: Any) -> str:
    told = {"id": "1", "timestamp": at.isoformat(), "type": type, "content": content} | more
    return json.dumps(told) + "\n"


def raw(hook: str, **told: Any) -> Raw:
    return Raw("1-x", hook, AT, told)


class TestGemini(AgentContract):
    @pytest.fixture
    def started(self, tmp_path: Path) -> Launch:
        return launch_in(tmp_path)

    def make(self, scope: Scope) -> Gemini:
        return Gemini(GeminiConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        log_of(launch).write_text(line("user", [{"text": "Go on."}], at))

    # -- how it is started -------------------------------------------------------------------------

    def test_its_command_line(self, agent: Gemini, started: Launch) -> None:
        launch = replace(started, native_id=None, model="gemini-x", prompt="-p fix it")
        argv = agent.launch(launch).argv
        assert argv[:3] == ("gemini", "--approval-mode=default", "--model=gemini-x")
        assert re.fullmatch(r"--session-id=[0-9a-f-]{36}", argv[3])
        assert argv[4:] == ("--prompt-interactive=-p fix it",)
        assert agent.launch(launch).argv == argv

    def test_by_protocol_it_has_neither_a_task_nor_an_id(
        self, agent: Gemini, started: Launch
    ) -> None:
        command = agent.converse(started)
        assert command is not None
        assert command.argv == ("gemini", "--approval-mode=default", "--acp")

    def test_a_task_is_never_a_command_of_its_own(self, agent: Gemini, started: Launch) -> None:
        argv = agent.launch(replace(started, prompt="/quit")).argv
        assert argv[-1] == "--prompt-interactive=Task: /quit"

    @pytest.mark.parametrize(
        ("mode", "flag", "spoken"),
        [
            (PermissionMode.DEFAULT, "default", "default"),
            (PermissionMode.SUGGEST, "default", "default"),
            (PermissionMode.AUTO_EDIT, "auto_edit", "autoEdit"),
            (PermissionMode.PERMISSIONLESS, "yolo", "yolo"),
        ],
    )
    def test_what_it_may_do_is_said_in_so_many_words(
        self, agent: Gemini, started: Launch, mode: PermissionMode, flag: str, spoken: str
    ) -> None:
        argv = agent.launch(replace(started, permissions=mode)).argv
        assert f"--approval-mode={flag}" in argv
        assert agent.mode(mode) == spoken

    async def test_it_is_resumed_where_it_ever_said_anything(
        self, agent: Gemini, started: Launch
    ) -> None:
        assert await agent.resume(started) is None
        log_of(started).write_text(json.dumps({"sessionId": ID, "kind": "main"}) + "\n")
        assert await agent.resume(started) is None
        with log_of(started).open("a", encoding="utf-8") as file:
            file.write(line("user", "Go."))
        command = await agent.resume(started)
        assert command is not None
        assert command.argv[-1] == f"--resume={ID}"

    # -- what its hooks say ------------------------------------------------------------------------

    def test_a_prompt_of_ours_is_known_by_its_token(self, agent: Gemini) -> None:
        told = agent.heard(raw("BeforeAgent", prompt="[abc] Go on. [/abc]"))
        assert told is not None
        assert (told.kind, told.token, told.at) == (HookKind.TURN_STARTED, "abc", AT)
        somebodys = agent.heard(raw("BeforeAgent", prompt="[/abc] is what I saw"))
        assert somebodys is not None
        assert somebodys.token is None

    @pytest.mark.parametrize(
        ("told", "kind", "text"),
        [
            (raw("SessionStart", session_id=ID), HookKind.SESSION_STARTED, ""),
            (raw("AfterAgent", prompt_response="So."), HookKind.TURN_ENDED, "So."),
            (raw("AfterAgent", prompt_response="[no response text]"), HookKind.TURN_ENDED, ""),
            (raw("AfterTool", tool_name="glob"), HookKind.PERMISSION_ENDED, ""),
        ],
    )
    def test_its_hooks(self, agent: Gemini, told: Raw, kind: HookKind, text: str) -> None:
        event = agent.heard(told)
        assert event is not None
        assert (event.kind, event.text, event.at) == (kind, text, AT)
        assert event.native_id == (ID if kind is HookKind.SESSION_STARTED else None)

    @pytest.mark.parametrize(
        ("details", "tool", "shown"),
        [
            ({"type": "exec", "command": "git commit"}, "run", "git commit"),
            ({"type": "edit", "filePath": "/w/b.txt", "newContent": "x"}, "edit", "/w/b.txt"),
            ({"type": "mcp", "toolName": "report", "serverName": "ao"}, "report", "ao"),
            ({"type": "info", "urls": ["https://x.invalid"]}, "fetch", "https://x.invalid"),
            ({}, None, "{}"),
        ],
    )
    def test_what_it_asks_for(
        self, agent: Gemini, details: dict[str, Any], tool: str | None, shown: str
    ) -> None:
        told = agent.heard(raw("Notification", notification_type="ToolPermission", details=details))
        assert told is not None
        assert (told.kind, told.tool) == (HookKind.PERMISSION_ASKED, tool)
        assert shown in (told.arguments or "")

    @pytest.mark.parametrize("told", [raw("Notification", notification_type="Other"), raw("Other")])
    def test_what_means_nothing(self, agent: Gemini, told: Raw) -> None:
        assert agent.heard(told) is None

    # -- what its screen shows ---------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("working", ACTIVE), ("working-narrow", ACTIVE), ("draft", ACTIVE),
            ("idle", IDLE), ("idle-narrow", IDLE), ("idle-after-tool", IDLE), ("yolo", IDLE),
            ("draft-lines", IDLE), ("interrupted", IDLE), ("denied", IDLE), ("quoting", IDLE),
            ("permission-run", ASKS), ("permission-run-narrow", ASKS), ("permission-edit", ASKS),
            ("trust", ASKS), ("trust-over-permission", ASKS), ("login", ASKS),
            ("quota", BLOCKED), ("error", BLOCKED),
        ],
    )  # fmt: skip
    def test_its_screens(self, agent: Gemini, name: str, state: ActivityState) -> None:
        shown, composer = screen("gemini", name), agent.composer()
        assert agent.classify(shown) is state
        dialog = state is ASKS or name == "quota"
        assert any(text in shown for text in composer.dialogs) is dialog
        assert (re.search(composer.ready, shown) is not None) is not dialog
        assert any(text in shown for text in composer.working) is (state is ACTIVE)

    @pytest.mark.parametrize("name", ["draft", "draft-lines"])
    def test_something_half_typed(self, agent: Gemini, name: str) -> None:
        assert re.search(agent.composer().draft, screen("gemini", name))
        for other in ("idle", "working", "yolo", "error", "idle-narrow", "quoting"):
            assert not re.search(agent.composer().draft, screen("gemini", other))

    def test_a_line_about_quota(self, agent: Gemini) -> None:
        assert agent.quota(screen("gemini", "quota")) == "Usage limit reached for scripted."
        assert agent.quota(screen("gemini", "error")) is None
        why = "✕ [API Error: You exceeded your current quota, please check your plan"
        failed = re.sub(r"✕ .*", why, screen("gemini", "error"))
        assert agent.quota(failed) == why[2:]
        assert agent.quota(quoted(screen("gemini", "quota"), screen("gemini", "idle"))) is None

    @pytest.mark.parametrize("under", ["idle", "working"])
    def test_what_it_quotes_is_no_dialog(self, agent: Gemini, under: str) -> None:
        below = screen("gemini", under)
        for name in ("permission-run", "trust", "quota", "error", "working", "idle"):
            shown = quoted(screen("gemini", name), below)
            assert agent.classify(shown) is agent.classify(below)

    def test_what_it_says_of_a_turn_is_none(self, agent: Gemini) -> None:
        said = "✦ ⠹ Thinking... (esc to cancel, 3s) now"
        shown = screen("gemini", "idle").replace("✦ now", said)
        assert said in shown
        assert agent.classify(shown) is IDLE

    def test_a_line_without_end_and_wide_letters_change_nothing(self, agent: Gemini) -> None:
        shown = screen("gemini", "working")
        assert agent.classify(shown.replace("SLOWLY", "x" * 200_000)) is ACTIVE
        assert agent.classify(shown.replace("It is so", "写一个 👩‍💻 こんにちは")) is ACTIVE

    # -- its log -----------------------------------------------------------------------------------

    def test_only_its_log_tells_what_it_used(self, agent: Gemini) -> None:
        assert [agent.tells(drive) for drive in Drive] == [{Part.TOKENS}] * 2
        assert not agent.counts

    async def test_its_turns_and_what_it_used(self, agent: Gemini, started: Launch) -> None:
        log_of(started).write_text(LOG.read_text())
        turns = await agent.turns(started)
        roles = [turn.role for turn in turns]
        assert roles[:4] == ["user", "assistant", "assistant", "user"]
        assert turns[0].text.startswith("Remember the word heliotrope.")
        assert turns[1].tools[0].startswith("run_shell_command echo hello")
        assert turns[2].text == "It is written."
        info = await agent.info(started)
        assert info is not None
        assert info.native_id == ID
        answers = LOG.read_text().count('"thoughts": 0, "tool": 0, "total": 15}, "model"')
        said = {json.loads(one)["id"] for one in LOG.read_text().splitlines()
                if json.loads(one).get("tokens")}  # fmt: skip
        assert len(said) < answers  # one that calls a tool is written twice
        assert (info.usage.input_tokens, info.usage.output_tokens) == (
            10 * len(said), 5 * len(said),
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("last", "state", "over"),
        [
            (line("user", [{"text": "Go on."}]), ACTIVE, False),
            (line("gemini", ""), ACTIVE, False),
            (line("gemini", "So.", toolCalls=[{"name": "glob", "args": {}}]), ACTIVE, False),
            (line("error", "[API Error: no]"), BLOCKED, False),
            (line("info", "Request cancelled."), ActivityState.READY, True),
        ],
    )
    async def test_what_its_log_says_last(
        self, agent: Gemini, look: Look, last: str, state: ActivityState, over: bool
    ) -> None:
        said = line("user", [{"text": "Begin."}]) + last
        log_of(look.launch).write_text(said)
        found = await agent.native(look)
        assert found is not None
        assert (found.state, found.over, found.at) == (state, over, AT)

    async def test_of_words_nobody_knows_whether_a_tool_follows(
        self, agent: Gemini, look: Look
    ) -> None:
        log_of(look.launch).write_text(line("user", "Go.") + line("gemini", "I will look."))
        assert await agent.native(look) is None

    async def test_a_message_that_is_written_again_is_one_turn(
        self, agent: Gemini, started: Launch
    ) -> None:
        call = {"name": "glob", "args": {"pattern": "*.py"}}
        said = line("gemini", "I look.", id="2")
        again = line("gemini", "I look.", id="2", toolCalls=[call])
        log_of(started).write_text(line("user", "Go.") + said + again)
        turns = await agent.turns(started)
        assert [(turn.role, turn.tools) for turn in turns] == [
            ("user", ()), ("assistant", ("glob *.py",)),
        ]  # fmt: skip

    async def test_what_it_tells_itself_is_no_turn(self, agent: Gemini, look: Look) -> None:
        cancelled = line("info", "Request cancelled.")
        context = line("user", [{"text": "<session_context>\nThis is"}], AT + timedelta(seconds=1))
        log_of(look.launch).write_text(line("user", "Go.") + cancelled + context)
        found = await agent.native(look)
        assert found is not None
        assert found.over
        assert len(await agent.turns(look.launch)) == 1

    @pytest.mark.parametrize("torn", ['{"type": "gem', "[]", "\x00\xff", '{"type": "user"}'])
    async def test_a_torn_or_odd_line_is_passed_over(
        self, agent: Gemini, look: Look, torn: str
    ) -> None:
        self.write_native(look.launch, ACTIVE, AT)
        with log_of(look.launch).open("a", encoding="utf-8") as file:
            file.write(f"{torn}\n{torn}")
        found = await agent.native(look)
        assert found is not None
        assert found.at == AT

    async def test_of_several_logs_the_first_is_the_conversation(
        self, agent: Gemini, started: Launch
    ) -> None:
        log_of(started, "2026-11-21T22-16-kept").write_text(line("user", "The task."))
        log_of(started, "2026-11-21T22-16").write_text(line("user", "Something else."))
        assert [turn.text for turn in await agent.turns(started)] == ["The task."]
