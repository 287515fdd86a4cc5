"""Amazon Q: its commands, its screens, and its history."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ao_core.model.activity import ActivityState
from ao_core.model.session import PermissionMode
from ao_core.plugin import Scope
from ao_core.slots.agent import Launch, Look
from ao_core.spool import HookKind, Raw
from ao_core.testing.agent import AgentContract
from ao_plugins._found import remember
from ao_plugins.agent.amazon_q import AmazonQ, AmazonQConfig
from team import git

SAMPLES = Path(__file__).parent / "samples" / "amazon-q"


def screen(name: str) -> str:
    return (SAMPLES / f"{name}.txt").read_text()


def conversation() -> dict[str, Any]:
    return json.loads((SAMPLES / "conversation.json").read_text())


class TestAmazonQ(AgentContract):
    def make(self, scope: Scope) -> AmazonQ:
        return AmazonQ(AmazonQConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        found = conversation()
        found["history"].pop()
        metadata = found["history"][-1]["request_metadata"]
        metadata["stream_end_timestamp_ms"] = int(at.timestamp() * 1000)
        self.keep(launch, json.dumps(found))

    def keep(self, launch: Launch, value: str) -> None:
        data = launch.folder / "data.sqlite3"
        with closing(sqlite3.connect(data)) as database, database:
            database.execute("create table if not exists conversations (key primary key, value)")
            row = (str(launch.workspace), value)
            database.execute("insert or replace into conversations values (?, ?)", row)
        remember(launch.folder, {"data": str(data)})

    async def test_it_starts_a_chat_as_our_agent(self, agent: AmazonQ, started: Launch) -> None:
        launch = replace(started, permissions=PermissionMode.PERMISSIONLESS, model="m")
        assert agent.launch(launch).argv == (
            *("q", "chat", "--agent", "ao-worker", "--trust-all-tools", "--model", "m", "--"),
            "Fix it.\n",
        )
        assert agent.launch(started).argv[4:] == ("--", "Fix it.\n")

    async def test_it_continues_the_conversation_of_its_folder(
        self, agent: AmazonQ, started: Launch, look: Look
    ) -> None:
        self.write_native(started, ActivityState.ACTIVE, look.now)
        command = await agent.resume(started)
        assert command is not None
        assert command.argv == ("q", "chat", "--agent", "ao-worker", "--resume")
        elsewhere = replace(started, workspace=started.workspace / "more")
        assert await agent.resume(elsewhere) is None

    async def test_its_agent_trusts_nothing_but_our_tools(
        self, agent: AmazonQ, started: Launch
    ) -> None:
        git(started.workspace, "init", "-q")
        await agent.prepare(replace(started, face=("ao",)))
        path = started.workspace / ".amazonq" / "cli-agents" / "ao-worker.json"
        assert json.loads(path.read_text())["allowedTools"] == ["@ao"]
        await agent.prepare(replace(started, permissions=PermissionMode.AUTO_EDIT))
        found = json.loads(path.read_text())
        assert found["allowedTools"] == ["@ao", "fs_write"]
        assert (found["mcpServers"], found["useLegacyMcpJson"]) == ({}, True)
        assert git(started.workspace, "status", "--porcelain") == ""

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("waiting", ActivityState.WAITING_INPUT),
            ("idle", ActivityState.IDLE),
            ("draft", ActivityState.IDLE),
            ("trusting", ActivityState.IDLE),
            ("working", ActivityState.ACTIVE),
            ("streaming", None),
            ("trouble", ActivityState.BLOCKED),
            ("limit", ActivityState.IDLE),
        ],
    )
    async def test_its_screens_show_what_it_does(
        self, agent: AmazonQ, name: str, state: ActivityState | None
    ) -> None:
        assert agent.classify(screen(name)) is state

    async def test_asking_comes_before_trouble_and_rest_before_work(self, agent: AmazonQ) -> None:
        trouble = screen("trouble").replace("[ao-worker] >\n", "", 2)
        assert agent.classify(trouble + screen("waiting")) is ActivityState.WAITING_INPUT
        assert agent.classify(screen("working") + screen("idle")) is ActivityState.IDLE
        assert agent.classify(screen("waiting") + screen("idle")) is ActivityState.IDLE

    async def test_what_it_quotes_is_not_what_it_does(self, agent: AmazonQ) -> None:
        for name in ("waiting", "trouble", "working"):
            quoted = "\n".join(f"> {line}" for line in screen(name).splitlines())
            assert agent.classify(f"{quoted}\n\n{screen('idle')}") is ActivityState.IDLE

    async def test_its_used_up_requests_are_told(self, agent: AmazonQ) -> None:
        said = "Monthly request limit reached - The limits reset on 12/01."
        assert agent.quota(screen("limit")) == said
        assert agent.quota(screen("idle")) is None

    async def test_nothing_is_typed_over_its_question_or_a_draft(self, agent: AmazonQ) -> None:
        import re

        draft = agent.composer().draft
        assert re.search(draft, screen("waiting"))
        assert re.search(draft, screen("draft"))
        assert not re.search(draft, screen("idle"))
        assert not re.search(draft, screen("waiting") + screen("idle"))

    async def test_its_history_is_read(self, agent: AmazonQ, started: Launch, look: Look) -> None:
        self.keep(started, json.dumps(conversation()))
        turns = await agent.turns(started)
        assert [(turn.role, turn.text, turn.tools) for turn in turns] == [
            ("user", "Fix it.", ()),
            ("assistant", "I look.", ("execute_bash git status",)),
            ("assistant", "It is done.", ()),
        ]
        assert turns[0].at == datetime(2026, 4, 1, 8, tzinfo=UTC)
        found = await agent.native(look)
        assert found is not None
        ended = datetime.fromtimestamp(1775030405, UTC)
        assert (found.state, found.at) == (ActivityState.READY, ended)
        info = await agent.info(started)
        assert info is not None
        assert (info.native_id, info.summary) == (
            *("c0ffee00-0000-4000-8000-000000000001", "The work so far."),
        )

    @pytest.mark.parametrize("value", ["", "{}", "[]", '{"history": [5]}', "{" * 5_000])
    async def test_a_history_of_no_known_shape_is_none(
        self, agent: AmazonQ, started: Launch, look: Look, value: str
    ) -> None:
        self.keep(started, value)
        assert await agent.native(look) is None
        assert list(await agent.turns(started)) == []

    async def test_a_new_message_is_seen(self, agent: AmazonQ, started: Launch, look: Look) -> None:
        self.write_native(started, ActivityState.ACTIVE, look.now)
        assert len(await agent.turns(started)) == 2
        self.keep(started, json.dumps(conversation()))
        assert len(await agent.turns(started)) == 3

    async def test_its_hooks_tell_of_turns(self, agent: AmazonQ) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        found = agent.heard(Raw("1", "userPromptSubmit", at, {"prompt": "[t1] hi [/t1]"}))
        assert found is not None
        assert (found.kind, found.token) == (HookKind.TURN_STARTED, "t1")
        spawned = agent.heard(Raw("2", "agentSpawn", at, {}))
        assert spawned is not None
        assert spawned.kind is HookKind.SESSION_STARTED
