"""The Cursor CLI: its commands, its screens, its log, and whose word it takes for what."""

import json
import os
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from ao_core.errors import BadRequest
from ao_core.model.activity import ActivityState
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Scope
from ao_core.slots.agent import Launch, Look
from ao_core.store.records import Delivery
from ao_core.testing.agent import AgentContract
from ao_plugins._found import remember
from ao_plugins.agent.cursor import Cursor, CursorConfig
from team import git

SAMPLES = Path(__file__).parent / "samples" / "cursor"
WAITING, IDLE, ACTIVE = ActivityState.WAITING_INPUT, ActivityState.IDLE, ActivityState.ACTIVE
ASKED = {
    "role": "user",
    "message": {"content": [{"type": "text", "text": "<user_query>\nFix it.\n</user_query>"}]},
}
USES = {"type": "tool_use", "name": "Shell", "input": {"command": "git status"}}
SAID = {"role": "assistant", "message": {"content": [{"type": "text", "text": "I look."}, USES]}}
OVER = {"type": "turn_ended"}


def screen(name: str) -> str:
    return (SAMPLES / f"{name}.txt").read_text()


class TestCursor(AgentContract):
    def make(self, scope: Scope) -> Cursor:
        return Cursor(CursorConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        self.chat(launch, "c-1", [ASKED, SAID], at)

    def chat(self, launch: Launch, id: str, lines: list[object], at: datetime) -> None:
        home = launch.folder / ".cursor"
        slug = re.sub(r"[^A-Za-z0-9]", "-", str(launch.workspace)).strip("-")
        log = home / "projects" / slug / "agent-transcripts" / id / f"{id}.jsonl"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("junk\n" + "".join(json.dumps(line) + "\n" for line in lines))
        os.utime(log, (at.timestamp(), at.timestamp()))
        remember(launch.folder, {"home": str(home)})

    async def test_by_protocol_it_says_nothing_of_permissions(
        self, agent: Cursor, started: Launch, scope: Scope
    ) -> None:
        for permissions in PermissionMode:
            command = agent.converse(replace(started, permissions=permissions, model="gpt-5"))
            assert command is not None
            assert command.argv == ("cursor-agent", "--model", "gpt-5", "acp")
        trusting = Cursor(CursorConfig(trust_workspaces=True), scope).converse(started)
        assert trusting is not None
        assert trusting.argv == ("cursor-agent", "--trust", "acp")
        assert agent.preferred is Drive.PROTOCOL
        assert agent.mode(PermissionMode.SUGGEST) == "ask"
        assert agent.mode(PermissionMode.PERMISSIONLESS) is None

    @pytest.mark.parametrize(
        ("mode", "flags"),
        [
            (PermissionMode.DEFAULT, ()),
            (PermissionMode.AUTO_EDIT, ()),
            (PermissionMode.SUGGEST, ("--mode=ask",)),
            (PermissionMode.PERMISSIONLESS, ("--force",)),
        ],
    )
    async def test_in_its_terminal_it_is_given_its_task(
        self, agent: Cursor, started: Launch, mode: PermissionMode, flags: tuple[str, ...]
    ) -> None:
        argv = agent.launch(replace(started, permissions=mode)).argv
        assert argv == ("cursor-agent", *flags, "--", "Fix it.\n")

    async def test_it_continues_the_last_chat_of_its_folder(
        self, agent: Cursor, started: Launch, look: Look
    ) -> None:
        self.chat(started, "old", [ASKED], look.started_at)
        self.chat(started, "new", [ASKED], look.now)
        command = await agent.resume(started)
        assert command is not None
        assert command.argv == ("cursor-agent", "--resume", "new")

    @pytest.mark.parametrize("where", ["CURSOR_CONFIG_DIR", "XDG_CONFIG_HOME", "HOME"])
    async def test_it_is_not_started_where_it_would_ask_nobody(
        self, agent: Cursor, started: Launch, tmp_path: Path, where: str
    ) -> None:
        git(started.workspace, "init", "-q")
        inside = {"HOME": ".cursor", "XDG_CONFIG_HOME": "cursor"}.get(where, "")
        folder = tmp_path / "own" / inside
        folder.mkdir(parents=True)
        environment = {**started.environment, where: str(tmp_path / "own")}
        launch = replace(started, environment=environment)
        config = folder / "cli-config.json"
        config.write_text('{"approvalMode": "allowlist"}')
        await agent.prepare(launch)
        for mode in ("unrestricted", "auto-review"):
            config.write_text(json.dumps({"approvalMode": mode}))
            with pytest.raises(BadRequest, match="unasked"):
                await agent.prepare(launch)
        await agent.prepare(replace(launch, permissions=PermissionMode.PERMISSIONLESS))

    async def test_its_instructions_are_a_rule_that_git_does_not_show(
        self, agent: Cursor, started: Launch
    ) -> None:
        git(started.workspace, "init", "-q")
        await agent.prepare(started)
        rule = (started.workspace / ".cursor" / "rules" / "ao-worker.mdc").read_text()
        assert "alwaysApply: true" in rule
        assert rule.endswith("Be kind.\n")
        assert git(started.workspace, "status", "--porcelain") == ""

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("fresh", IDLE),
            ("idle", IDLE),
            ("composing", ACTIVE),
            ("working", ACTIVE),
            ("command", WAITING),
            ("tool", WAITING),
            ("write", WAITING),
            ("trust", WAITING),
        ],
    )
    async def test_its_screens_show_what_it_does(
        self, agent: Cursor, name: str, state: ActivityState
    ) -> None:
        assert agent.classify(screen(name)) is state
        assert agent.classify("界" * 150 + "\n" + screen(name) + "\n" * 30) is state

    async def test_what_it_quotes_is_not_what_it_does(self, agent: Cursor) -> None:
        for name in ("command", "tool", "write", "trust", "working"):
            assert agent.classify(screen(name) + "\n" + screen("idle")) is IDLE
        assert agent.classify("Run this command?\nor not\n") is None

    async def test_its_log_tells_what_was_said(
        self, agent: Cursor, started: Launch, look: Look
    ) -> None:
        long = {"role": "assistant", "message": {"content": [{"text": "x" * 200_000}]}}
        self.chat(started, "c-1", [ASKED, SAID, long, OVER], look.now)
        turns = await agent.turns(started)
        assert [(turn.role, turn.text[:7], turn.tools) for turn in turns] == [
            ("user", "Fix it.", ()),
            ("assistant", "I look.", ("Shell git status",)),
            ("assistant", "xxxxxxx", ()),
        ]
        found = await agent.native(look)
        assert found is not None
        assert (found.state, found.at) == (ActivityState.READY, look.now)
        info = await agent.info(started)
        assert info is not None
        assert info.native_id == "c-1"

    async def test_it_proves_no_message(self, agent: Cursor) -> None:
        assert agent.composer().best is Delivery.SUBMITTED
