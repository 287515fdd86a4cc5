"""Agent `copilot`: the contract, its command, its log, its screens, and what its hooks are told."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ao_core.model.activity import ActivityState, Source
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.model.usage import Usage
from ao_core.plugin import Scope
from ao_core.slots.agent import AgentInfo, Launch, Look
from ao_core.spool import HookKind, Raw
from ao_core.store.records import Delivery
from ao_core.testing.agent import AgentContract
from ao_plugins import _permit_dialects
from ao_plugins._found import remember
from ao_plugins.agent.copilot import Copilot, CopilotConfig
from recorded import SAMPLES, quoting, screen, widened

NATIVE = "11111111-1111-4111-8111-111111111113"
FACE = ("ao", "face")
LINES = (SAMPLES / "copilot" / "events.jsonl").read_text().splitlines()
EVENTS = [json.loads(line)["type"] for line in LINES]
ENDS = {
    ActivityState.ACTIVE: "assistant.turn_start",
    ActivityState.READY: "assistant.turn_end",
    ActivityState.BLOCKED: "session.error",
    ActivityState.WAITING_INPUT: "permission.requested",
}


def placed(launch: Launch, lines: list[str], native: str = NATIVE) -> Launch:
    home = launch.folder / "copilot-home"
    remember(launch.folder, {"home": str(home)})
    log = home / "session-state" / native / "events.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"{line}\n" for line in lines))
    return replace(launch, native_id=native)


def up_to(event: str, which: int = 0) -> list[str]:
    places = [place for place, kind in enumerate(EVENTS) if kind == event]
    return LINES[: places[which] + 1]


def a_line(kind: str, at: datetime, **data: object) -> str:
    return json.dumps({"type": kind, "timestamp": at.isoformat(), "data": data})


def told(hook: str, **payload: object) -> Raw:
    return Raw("1-a", hook, datetime(2026, 11, 21, tzinfo=UTC), payload)


class TestCopilot(AgentContract):
    def make(self, scope: Scope) -> Copilot:
        return Copilot(CopilotConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        own = self.own_id(launch)
        placed(launch, [a_line(ENDS[state], at)], own)

    @staticmethod
    def own_id(launch: Launch) -> str:
        agent = Copilot(CopilotConfig(), Scope(state=launch.folder, project="app"))
        word = next(word for word in agent.launch(launch).argv if word.startswith("--session-id="))
        return word.partition("=")[2]

    # -- what it is started with -----------------------------------------------------------------

    async def test_its_command_has_an_id_of_ours_and_the_task_as_one_word(
        self, agent: Copilot, started: Launch
    ) -> None:
        argv = agent.launch(started).argv
        assert argv == (
            "copilot",
            f"--session-id={self.own_id(started)}",
            "--interactive=Fix it.\n",
            f"--plugin-dir={started.folder / 'copilot-hooks'}",
            "--no-auto-update",
            "--disallow-temp-dir",
        )
        assert self.own_id(replace(started, generation=2)) == self.own_id(started)

    async def test_by_protocol_it_is_told_of_our_tools_all_the_same(
        self, agent: Copilot, started: Launch
    ) -> None:
        spoken = agent.converse(replace(started, face=FACE, model="m"))
        assert spoken is not None
        assert spoken.argv == (
            "copilot",
            "--acp",
            "--no-auto-update",
            "--disallow-temp-dir",
            f"--additional-mcp-config=@{started.folder / 'copilot-mcp.json'}",
            "--allow-tool=ao",
            "--no-ask-user",
            "--model=m",
        )
        assert not agent.counts

    @pytest.mark.parametrize(
        ("mode", "words", "all_of_it"),
        [
            (PermissionMode.DEFAULT, set[str](), "false"),
            (PermissionMode.SUGGEST, set[str](), "false"),
            (PermissionMode.AUTO_EDIT, {"--allow-tool=write"}, "false"),
            (PermissionMode.PERMISSIONLESS, {"--allow-all"}, None),
        ],
    )
    async def test_each_mode_has_words_of_its_own(
        self, agent: Copilot, started: Launch, mode: PermissionMode, words: set[str],
        all_of_it: str | None,
    ) -> None:  # fmt: skip
        launch = replace(started, permissions=mode)
        argv = agent.launch(launch).argv
        assert {word for word in argv if word.startswith("--allow")} == words
        assert agent.environment(launch).get("COPILOT_ALLOW_ALL") == all_of_it

    async def test_its_files_are_put_where_nobody_tracks_them(
        self, agent: Copilot, started: Launch
    ) -> None:
        await agent.prepare(replace(started, face=FACE))
        hooks = json.loads((started.folder / "copilot-hooks" / "hooks.json").read_text())
        assert set(hooks["hooks"]) == {
            "sessionStart", "userPromptSubmitted", "agentStop", "errorOccurred",
            "permissionRequest",
        }  # fmt: skip
        (asking,) = hooks["hooks"]["permissionRequest"]
        assert asking["bash"].endswith("ao_plugins._permit copilot")
        assert asking["timeoutSec"] == 3600
        servers = json.loads((started.folder / "copilot-mcp.json").read_text())["mcpServers"]
        assert servers["ao"] == {
            "type": "local", "command": "ao", "args": ["face"], "tools": ["*"],
        }  # fmt: skip
        assert list(started.workspace.iterdir()) == []

    async def test_its_instructions_are_added_to_the_users_own(
        self, agent: Copilot, started: Launch
    ) -> None:
        await agent.prepare(started)
        theirs = {**started.environment, "COPILOT_CUSTOM_INSTRUCTIONS_DIRS": "/theirs"}
        env = agent.environment(replace(started, environment=theirs))
        first, ours = env["COPILOT_CUSTOM_INSTRUCTIONS_DIRS"].split(",")
        assert first == "/theirs"
        assert ours == str(started.folder / "copilot")
        rules = started.folder / "copilot/.github/instructions/ao.instructions.md"
        assert rules.read_text() == '---\napplyTo: "**"\n---\nBe kind.\n'

    # -- its log -----------------------------------------------------------------------------------

    async def test_a_recorded_conversation_is_read(self, agent: Copilot, started: Launch) -> None:
        launch = placed(started, LINES)
        turns = await agent.turns(launch)
        assert [turn.role for turn in turns][:3] == ["user", "assistant", "assistant"]
        assert turns[0].text.startswith("RUN: echo hello")
        assert turns[1].tools[0].startswith("bash echo hello > hello.txt")
        assert turns[2].text == "All done."
        assert turns[2].at == datetime(2026, 11, 21, 22, 25, 27, 291_000, tzinfo=UTC)
        assert list(await agent.turns(launch, 0)) == []
        assert await agent.info(launch) == AgentInfo(NATIVE, None, Usage(30, 15, None))
        assert agent.tells(Drive.TERMINAL) == {Part.TOKENS}

    async def test_it_is_continued_once_something_was_said(
        self, agent: Copilot, started: Launch
    ) -> None:
        again = await agent.resume(placed(started, LINES))
        assert again is not None
        assert f"--resume={NATIVE}" in again.argv
        assert [word for word in again.argv if word.startswith("--interactive")] == []
        assert await agent.resume(placed(started, up_to("session.start"), "other")) is None

    @pytest.mark.parametrize(
        ("event", "which", "state"),
        [
            ("user.message", 0, ActivityState.ACTIVE),
            ("assistant.message", 0, ActivityState.ACTIVE),
            ("permission.requested", 0, ActivityState.WAITING_INPUT),
            ("permission.completed", 0, ActivityState.ACTIVE),
            ("assistant.turn_end", 0, ActivityState.ACTIVE),  # its tools have been run
            ("assistant.turn_end", 1, ActivityState.READY),
            ("user.message", 1, ActivityState.ACTIVE),
            ("session.error", 0, ActivityState.BLOCKED),
            ("abort", 0, ActivityState.READY),
        ],
    )
    async def test_each_recorded_event_tells_what_it_does(
        self, agent: Copilot, look: Look, event: str, which: int, state: ActivityState
    ) -> None:
        lines = up_to(event, which)
        found = await agent.native(replace(look, launch=placed(look.launch, lines)))
        assert found is not None
        assert (found.state, found.source) == (state, Source.NATIVE)
        if (event, which) not in (("assistant.message", 0), ("assistant.turn_end", 0)):
            assert found.at == datetime.fromisoformat(json.loads(lines[-1])["timestamp"])

    async def test_why_it_is_blocked_is_told(self, agent: Copilot, look: Look) -> None:
        launch = placed(look.launch, up_to("session.error"))
        found = await agent.activity(replace(look, launch=launch))
        assert found is not None
        assert found.state is ActivityState.BLOCKED
        assert (found.detail or "").startswith("400 there is no one tool")

    async def test_what_a_hook_has_answered_waits_for_nobody(
        self, agent: Copilot, look: Look
    ) -> None:
        asked = a_line("permission.requested", look.now, resolvedByHook=True)
        lines = [*up_to("assistant.turn_start"), asked]
        found = await agent.native(replace(look, launch=placed(look.launch, lines)))
        assert found is not None
        assert found.state is ActivityState.ACTIVE

    async def test_a_subagent_tells_of_what_it_used_and_of_nothing_else(
        self, agent: Copilot, started: Launch
    ) -> None:
        told = {"type": "assistant.message", "agentId": "a", "timestamp": "2026-11-21T22:00:00Z"}
        used = {**told, "type": "session.usage_record"}
        used |= {"data": {"usage": {"inputTokens": 7, "outputTokens": 3}}}
        lines = [json.dumps({**told, "data": {"content": "sub"}}), json.dumps(used)]
        launch = placed(started, lines)
        assert list(await agent.turns(launch)) == []
        info = await agent.info(launch)
        assert info is not None
        assert info.usage == Usage(7, 3, None)

    async def test_odd_lines_are_passed_over(self, agent: Copilot, started: Launch) -> None:
        odd = ["", "[]", "nonsense", '{"type": 5}', '{"type": "user.message", "timestamp": "x"}']
        long = a_line("user.message", datetime(2026, 11, 21, tzinfo=UTC), content="x" * 200_000)
        launch = placed(started, [*odd, long, LINES[2]])
        assert [len(turn.text) < 20_000 for turn in await agent.turns(launch)] == [True, True]

    # -- its screen --------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("trust", ActivityState.WAITING_INPUT),
            ("permission", ActivityState.WAITING_INPUT),
            ("narrow-permission", ActivityState.WAITING_INPUT),
            ("working", ActivityState.ACTIVE),
            ("idle", ActivityState.IDLE),
            ("draft", ActivityState.IDLE),
            ("denied", ActivityState.IDLE),
            ("interrupted", ActivityState.IDLE),
            ("error", ActivityState.IDLE),
        ],
    )
    async def test_recorded_screens_are_understood(
        self, agent: Copilot, name: str, state: ActivityState
    ) -> None:
        shown = screen("copilot", name)
        assert agent.classify(shown) is state
        assert [agent.classify(one) for one in widened(shown)] == [state] * 3

    @pytest.mark.parametrize("below", ["idle", "working", "permission", "trust"])
    async def test_what_it_quotes_changes_nothing(self, agent: Copilot, below: str) -> None:
        shown = screen("copilot", below)
        for quoted in ("permission", "trust", "working", "idle", "error"):
            both = quoting(screen("copilot", quoted), shown)
            assert agent.classify(both) is agent.classify(shown)

    @pytest.mark.parametrize("quoted", ["permission", "working", "idle"])
    async def test_what_stands_above_something_else_says_nothing(
        self, agent: Copilot, quoted: str
    ) -> None:
        below = "\n".join(f"line {number} of another program" for number in range(14))
        assert agent.classify(quoting(screen("copilot", quoted), below)) is None

    async def test_its_composer_knows_a_draft_a_dialog_and_itself(self, agent: Copilot) -> None:
        composer = agent.composer()
        assert re.search(composer.draft, screen("copilot", "draft"))
        for name in ("idle", "working", "interrupted", "permission"):
            assert not re.search(composer.draft, screen("copilot", name))
        assert re.search(composer.ready, screen("copilot", "idle"))
        assert not re.search(composer.ready, screen("copilot", "trust"))
        for name in ("permission", "narrow-permission", "trust"):
            assert any(text in screen("copilot", name) for text in composer.dialogs)
        assert any(text in screen("copilot", "working") for text in composer.working)
        assert any(text in screen("copilot", "draft") for text in composer.folded)
        assert composer.best is Delivery.ACCEPTED

    # -- its hooks ---------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("raw", "kind", "more"),
        [
            (told("sessionStart", sessionId="s"), HookKind.SESSION_STARTED, {"native_id": "s"}),
            (told("userPromptSubmitted", prompt="go [/ab1]"), HookKind.TURN_STARTED,
             {"token": "ab1", "text": "go [/ab1]"}),
            (told("agentStop", stopReason="end_turn"), HookKind.TURN_ENDED, {"token": None}),
            (told("errorOccurred", errorContext="model_call", recoverable=True,
                  error={"message": "no credit"}), HookKind.BLOCKED, {"text": "no credit"}),
        ],
    )  # fmt: skip
    async def test_what_its_hooks_are_told_is_understood(
        self, agent: Copilot, raw: Raw, kind: HookKind, more: dict[str, object]
    ) -> None:
        event = agent.heard(raw)
        assert event is not None
        assert event.kind is kind
        assert {name: getattr(event, name) for name in more} == more

    @pytest.mark.parametrize(
        "raw", [told("errorOccurred", errorContext="tool_execution"), told("preToolUse")]
    )
    async def test_what_is_nobodys_business_is_nothing(self, agent: Copilot, raw: Raw) -> None:
        assert agent.heard(raw) is None


def test_its_questions_and_our_answers_are_put_in_its_words() -> None:
    dialect = _permit_dialects.DIALECTS["copilot"]
    about: dict[str, Any] = {"command": "git push"}
    asked = dialect.read({"toolName": "bash", "toolInput": about})
    assert (asked.tool, asked.arguments, asked.ours) == ("bash", about, False)
    assert dialect.read({"toolName": "ao/report", "toolInput": {}}).ours
    assert not dialect.read({"toolName": "chaos/report", "toolInput": {}}).ours
    assert dialect.answer(True, "") == {"behavior": "allow"}
    no = dialect.answer(False, "not now")
    assert no == {"behavior": "deny", "message": "not now"}


def test_our_own_tools_are_allowed_though_no_engine_answers(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-m", "ao_plugins._permit", "copilot"]
    for tool, answer in (("ao/report", {"behavior": "allow"}), ("bash", None)):
        asked = json.dumps({"toolName": tool, "toolInput": {}})
        done = subprocess.run(
            argv, input=asked, env={"AO_SPOOL": str(tmp_path)}, capture_output=True, text=True,
            timeout=30, check=True,
        )  # fmt: skip
        assert (json.loads(done.stdout) if done.stdout else None) == answer
    assert len(list(tmp_path.iterdir())) == 1  # the other one is told of
