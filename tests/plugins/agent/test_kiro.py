"""Kiro: its commands, its screens, its log, and the agent it is started as."""

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ao_core.errors import BadRequest
from ao_core.model.activity import ActivityState
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Scope
from ao_core.slots.agent import Launch, Look
from ao_core.spool import HookKind, Raw
from ao_core.store.records import Delivery
from ao_core.testing.agent import AgentContract
from ao_plugins._found import remember
from ao_plugins.agent.kiro import Kiro, KiroConfig
from team import git

SAMPLES = Path(__file__).parent / "samples" / "kiro"
ID = "0a1b2c3d-0000-4000-8000-000000000001"
WAITING, IDLE, ACTIVE, BLOCKED = (
    ActivityState.WAITING_INPUT, ActivityState.IDLE, ActivityState.ACTIVE, ActivityState.BLOCKED,
)  # fmt: skip


def screen(name: str) -> str:
    return (SAMPLES / f"{name}.txt").read_text()


def told(hook: str, **payload: object) -> Raw:
    return Raw("1", hook, datetime(2026, 1, 1, tzinfo=UTC), payload)


def repository(path: Path) -> None:
    git(path, "init", "-q")


class TestKiro(AgentContract):
    def make(self, scope: Scope) -> Kiro:
        return Kiro(KiroConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        log = self.session(launch)
        data = {"content": [{"kind": "text", "data": "so"}], "meta": {"timestamp": at.timestamp()}}
        log.write_text(json.dumps({"kind": "Prompt", "data": data}) + "\n")

    def session(self, launch: Launch, id: str = ID) -> Path:
        home = launch.folder / "kiro"
        sessions = home / "sessions" / "cli"
        sessions.mkdir(parents=True, exist_ok=True)
        remember(launch.folder, {"home": str(home)})
        (sessions / f"{id}.json").write_text(json.dumps({"cwd": str(launch.workspace)}))
        return sessions / f"{id}.jsonl"

    async def test_it_starts_a_chat_as_our_agent(self, agent: Kiro, started: Launch) -> None:
        assert agent.launch(replace(started, model="auto")).argv == (
            *("kiro-cli", "chat", "--agent", "ao-worker", "--model", "auto", "--", "Fix it.\n"),
        )
        assert agent.converse(started) is not None
        spoken = agent.converse(replace(started, permissions=PermissionMode.PERMISSIONLESS))
        assert spoken is not None
        assert spoken.argv == (
            *("kiro-cli", "acp", "--agent", "ao-spoken-worker", "--trust-all-tools"),
        )
        assert agent.preferred is Drive.PROTOCOL

    async def test_only_the_permissionless_trusts_all_tools(
        self, agent: Kiro, started: Launch
    ) -> None:
        for mode in PermissionMode:
            argv = agent.launch(replace(started, permissions=mode)).argv
            assert ("--trust-all-tools" in argv) is (mode is PermissionMode.PERMISSIONLESS)

    async def test_it_continues_the_last_session_of_its_folder(
        self, agent: Kiro, started: Launch, look: Look
    ) -> None:
        self.write_native(started, ACTIVE, look.now)
        other = self.session(started, "another")
        other.touch()
        other.with_suffix(".json").write_text(json.dumps({"cwd": "/elsewhere"}))
        command = await agent.resume(started)
        assert command is not None
        assert command.argv[-2:] == ("--resume-id", ID)
        assert await agent.resume(replace(started, native_id="gone")) is None

    @pytest.mark.parametrize(
        ("mode", "trusted"),
        [
            (PermissionMode.DEFAULT, ["@ao"]),
            (PermissionMode.SUGGEST, ["@ao"]),
            (PermissionMode.AUTO_EDIT, ["@ao", "write"]),
        ],
    )
    async def test_its_agents_are_files_that_git_does_not_show(
        self, agent: Kiro, started: Launch, mode: PermissionMode, trusted: list[str]
    ) -> None:
        repository(started.workspace)
        await agent.prepare(replace(started, face=("ao", "worker"), permissions=mode))
        folder = started.workspace / ".kiro" / "agents"
        typed = json.loads((folder / "ao-worker.json").read_text())
        spoken = json.loads((folder / "ao-spoken-worker.json").read_text())
        assert typed["allowedTools"] == spoken["allowedTools"] == trusted
        assert typed["prompt"] == started.system_prompt.as_uri()
        assert typed["mcpServers"] == {"ao": {"command": "ao", "args": ["worker"]}}
        assert list(typed["hooks"]) == ["agentSpawn", "userPromptSubmit", "stop"]
        assert "hooks" not in spoken
        assert "mcpServers" not in spoken
        assert git(started.workspace, "status", "--porcelain") == ""

    async def test_a_file_that_git_tracks_is_not_written(
        self, agent: Kiro, started: Launch
    ) -> None:
        repository(started.workspace)
        own = started.workspace / ".kiro" / "agents" / "ao-worker.json"
        own.parent.mkdir(parents=True)
        own.write_text("theirs")
        git(started.workspace, "add", ".")
        with pytest.raises(BadRequest, match="of its own"):
            await agent.prepare(started)
        assert own.read_text() == "theirs"

    async def test_a_link_leads_it_nowhere(
        self, agent: Kiro, started: Launch, tmp_path: Path
    ) -> None:
        repository(started.workspace)
        (tmp_path / "outside").mkdir()
        (started.workspace / ".kiro").symlink_to(tmp_path / "outside")
        with pytest.raises(BadRequest, match="out of the workspace"):
            await agent.prepare(started)
        assert list((tmp_path / "outside").iterdir()) == []

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("idle", IDLE),
            ("done", IDLE),
            ("working", ACTIVE),
            ("trust-all", WAITING),
            ("approval", WAITING),
            ("trouble", BLOCKED),
            ("lines-waiting", WAITING),
            ("lines-answered", IDLE),
            ("lines-trouble", BLOCKED),
        ],
    )
    async def test_its_screens_show_what_it_does(
        self, agent: Kiro, name: str, state: ActivityState
    ) -> None:
        assert agent.classify(screen(name)) is state
        assert agent.classify("界" * 150 + "\n" + screen(name) + "\n" * 30) is state

    async def test_what_it_quotes_is_not_what_it_does(self, agent: Kiro) -> None:
        for quoted in ("trust-all", "approval", "working", "trouble", "lines-waiting"):
            said = "\n".join(f"  > {line}" for line in screen(quoted).splitlines())
            assert agent.classify(f"{said}\n{screen('done')}") is IDLE
            assert agent.classify(screen(quoted) + "more\n" * 8 + screen("done")) is IDLE

    async def test_its_question_is_known_in_a_narrow_pane(self, agent: Kiro) -> None:
        whole = screen("lines-waiting").splitlines()
        narrow = [line[at : at + 30] for line in whole for at in range(0, len(line) or 1, 30)]
        assert agent.classify("\n".join(narrow)) is WAITING

    async def test_its_log_is_read_from_where_it_keeps_it(
        self, agent: Kiro, started: Launch, look: Look
    ) -> None:
        log = self.session(started)
        shutil.copy(SAMPLES / "session.jsonl", log)
        with log.open("a") as file:
            file.write("junk\n" + json.dumps({"kind": "Other", "data": "x" * 200_000}) + "\n")
        at = look.now.timestamp()
        os.utime(log, (at, at))
        turns = await agent.turns(started)
        assert [(turn.role, turn.text, turn.tools) for turn in turns] == [
            ("user", "Fix it.", ()),
            ("assistant", "I look.", ("shell git status",)),
            ("assistant", "It is done.", ()),
        ]
        assert turns[0].at == datetime(2026, 8, 1, 10, tzinfo=UTC)
        found = await agent.native(look)
        assert found is not None
        assert (found.state, found.at) == (ActivityState.READY, look.now)
        info = await agent.info(started)
        assert info is not None
        assert (info.native_id, info.usage.tokens) == (ID, None)

    async def test_its_hooks_tell_of_turns_and_prove_messages(self, agent: Kiro) -> None:
        begun = agent.heard(told("userPromptSubmit", prompt="[t1] hello [/t1]"))
        assert begun is not None
        assert (begun.kind, begun.token) == (HookKind.TURN_STARTED, "t1")
        ended = agent.heard(told("stop"))
        assert ended is not None
        assert ended.kind is HookKind.TURN_ENDED
        assert agent.heard(told("preToolUse")) is None
        assert agent.composer().best is Delivery.ACCEPTED


async def test_an_older_one_is_not_taken(tmp_path: Path) -> None:
    program = tmp_path / "kiro-cli"
    program.write_text("#!/bin/sh\necho kiro-cli 1.24.0\n")
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    found = await Kiro.detect(KiroConfig(), environment)
    assert (found.found, "2.0.0" in found.detail) == (False, True)
    program.write_text("#!/bin/sh\necho kiro-cli 2.13.0\n")
    assert (await Kiro.detect(KiroConfig(), environment)).found
