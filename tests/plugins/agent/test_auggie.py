"""Auggie: its commands, its screens, its sessions, and its hooks."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ao_core.model.activity import ActivityState
from ao_core.model.session import Drive, PermissionMode
from ao_core.model.usage import Usage
from ao_core.plugin import Scope
from ao_core.slots.agent import Launch, Look
from ao_core.spool import HookKind, Raw
from ao_core.testing.agent import AgentContract
from ao_core.testing.clock import FakeClock
from ao_plugins._found import remember
from ao_plugins.agent.auggie import Auggie, AuggieConfig

SAMPLES = Path(__file__).parent / "samples" / "auggie"
ID = "5e550000-0000-4000-8000-000000000001"
WAITING, IDLE = ActivityState.WAITING_INPUT, ActivityState.IDLE
EDITS = ("str-replace-editor", "apply_patch", "save-file", "remove-files", "edit", "write")


def screen(name: str) -> str:
    return (SAMPLES / f"{name}.txt").read_text()


def told(hook: str, **payload: object) -> Raw:
    return Raw("1", hook, datetime(2026, 1, 1, tzinfo=UTC), payload)


def asked_about(argv: tuple[str, ...]) -> list[str]:
    rules = [argv[at + 1] for at, word in enumerate(argv) if word == "--permission"]
    assert all(rule.endswith(":ask-user") for rule in rules)
    return [rule.partition(":")[0] for rule in rules]


class TestAuggie(AgentContract):
    def make(self, scope: Scope) -> Auggie:
        return Auggie(AuggieConfig(), scope)

    @pytest.fixture
    def look(self, started: Launch, clock: FakeClock) -> Look:  # its session is found by its id
        launch = replace(started, native_id=ID)
        return Look(launch, True, clock.now(), clock.now() - timedelta(hours=1))

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        found = json.loads((SAMPLES / "session.json").read_text())
        found["chatHistory"].pop()
        found["chatHistory"][0]["finishedAt"] = at.isoformat()
        self.session(launch).write_text(json.dumps(found))

    def session(self, launch: Launch) -> Path:
        home = launch.folder / "augment"
        (home / "sessions").mkdir(parents=True, exist_ok=True)
        remember(launch.folder, {"home": str(home)})
        return home / "sessions" / f"{ID}.json"

    async def test_it_asks_about_everything_that_does_something(
        self, agent: Auggie, started: Launch
    ) -> None:
        for mode in (PermissionMode.DEFAULT, PermissionMode.SUGGEST):
            launch = replace(started, permissions=mode)
            commands = (agent.launch(launch), agent.converse(launch))
            for found in (asked_about(one.argv) for one in commands if one):
                assert set(EDITS) < set(found)
                assert "launch-process" in found
        editing = asked_about(agent.launch(self.of(started, PermissionMode.AUTO_EDIT)).argv)
        assert not set(EDITS) & set(editing)
        assert "launch-process" in editing
        assert asked_about(agent.launch(self.of(started, PermissionMode.PERMISSIONLESS)).argv) == []

    def of(self, launch: Launch, mode: PermissionMode) -> Launch:
        return replace(launch, permissions=mode)

    async def test_it_is_given_its_task_by_file(
        self, agent: Auggie, started: Launch, scope: Scope
    ) -> None:
        launch = replace(
            self.of(started, PermissionMode.PERMISSIONLESS), model="m", face=("ao", "worker")
        )
        assert agent.launch(launch).argv == (
            *("auggie", "--rules", str(launch.system_prompt), "--model", "m"),
            *("--plugin-dir", str(launch.folder / "auggie")),
            *("--mcp-config", str(launch.folder / "auggie-mcp.json")),
            *("--instruction-file", str(launch.prompt_file)),
        )
        spoken = agent.converse(launch)
        assert spoken is not None
        assert spoken.argv[-3:] == ("--model", "m", "--acp")
        assert "--allow-indexing" not in spoken.argv
        indexing = Auggie(AuggieConfig(allow_indexing=True), scope).converse(launch)
        assert indexing is not None
        assert "--allow-indexing" in indexing.argv
        assert agent.preferred is Drive.PROTOCOL

    async def test_it_continues_its_own_session(
        self, agent: Auggie, started: Launch, look: Look
    ) -> None:
        self.write_native(started, ActivityState.ACTIVE, look.now)
        assert await agent.resume(started) is None
        command = await agent.resume(look.launch)
        assert command is not None
        assert command.argv[-2:] == ("--resume", ID)
        assert await agent.resume(replace(started, native_id="../../x")) is None

    async def test_its_hooks_and_tools_are_files_of_ours(
        self, agent: Auggie, started: Launch
    ) -> None:
        environment = {**started.environment, "AO_TOKEN": "t", "AO_SOCKET": "/s", "SECRET": "x"}
        await agent.prepare(replace(started, face=("ao", "worker"), environment=environment))
        folder = started.folder / "auggie"
        market = json.loads((folder / ".augment-plugin" / "marketplace.json").read_text())
        assert market["plugins"][0]["source"] == "./ao"
        hooks = json.loads((folder / "ao" / "hooks" / "hooks.json").read_text())["hooks"]
        assert list(hooks) == ["SessionStart", "PromptSubmit", "Stop"]
        tools = json.loads((started.folder / "auggie-mcp.json").read_text())["mcpServers"]["ao"]
        assert tools == {
            "command": "ao",
            "args": ["worker"],
            "env": {"AO_TOKEN": "t", "AO_SOCKET": "/s"},
        }
        assert (started.folder / "auggie-mcp.json").stat().st_mode & 0o777 == 0o600
        assert list(started.workspace.iterdir()) == []

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("login", WAITING),
            ("idle", IDLE),
            ("working", ActivityState.ACTIVE),
            ("approval", WAITING),
            ("indexing", WAITING),
        ],
    )
    async def test_its_screens_show_what_it_does(
        self, agent: Auggie, name: str, state: ActivityState
    ) -> None:
        assert agent.classify(screen(name)) is state
        assert agent.classify("界" * 150 + "\n" + screen(name) + "\n" * 30) is state

    async def test_what_it_quotes_is_not_what_it_does(self, agent: Auggie) -> None:
        for name in ("login", "approval", "indexing"):
            assert agent.classify(screen(name) + "\n" + screen("idle")) is IDLE
        assert agent.classify("It says (esc to interrupt)\n" + screen("idle")) is IDLE

    async def test_its_session_is_read(self, agent: Auggie, started: Launch, look: Look) -> None:
        shutil.copy(SAMPLES / "session.json", self.session(started))
        turns = await agent.turns(look.launch)
        assert [(turn.role, turn.text, turn.tools) for turn in turns] == [
            ("user", "Fix it.", ()),
            ("assistant", "I look.", ('launch-process {"command": "git status"}',)),
            ("assistant", "It is done.", ()),
        ]
        info = await agent.info(look.launch)
        assert info is not None
        assert (info.native_id, info.summary) == (ID, "Fix it")
        assert info.usage == Usage(160, 25, 0.25)
        found = await agent.native(look)
        assert found is not None
        ended = datetime(2026, 11, 20, 10, 0, 8, tzinfo=UTC)
        assert (found.state, found.at) == (ActivityState.READY, ended)

    async def test_credits_are_no_dollars(self, agent: Auggie, started: Launch, look: Look) -> None:
        billed = {"transaction_id": "x", "usage_unit": 1, "credits_consumed": 3, "cost_usd": "9"}
        said = {"response_nodes": [{"type": 9, "billing_metadata": billed}]}
        self.session(started).write_text(json.dumps({"chatHistory": [{"exchange": said}]}))
        info = await agent.info(look.launch)
        assert info is not None
        assert info.usage == Usage()

    async def test_its_hooks_tell_of_turns_and_prove_messages(self, agent: Auggie) -> None:
        begun = agent.heard(told("PromptSubmit", user_prompt="[t1] hi [/t1]", conversation_id=ID))
        assert begun is not None
        assert (begun.kind, begun.token, begun.native_id) == (HookKind.TURN_STARTED, "t1", ID)
        for cause, kind in [
            ("end_turn", HookKind.TURN_ENDED),
            ("interrupted", HookKind.TURN_ENDED),
            ("error", HookKind.BLOCKED),
            ("max_iterations", HookKind.BLOCKED),
        ]:
            ended = agent.heard(told("Stop", agent_stop_cause=cause))
            assert ended is not None
            assert ended.kind is kind
        assert agent.heard(told("PreToolUse")) is None
