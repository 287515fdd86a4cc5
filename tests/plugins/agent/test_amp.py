"""Amp: its commands, its screens, its plugin, and who decides on its tools."""

import io
import json
import os
import stat
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ao_core import spool
from ao_core.model.activity import ActivityState
from ao_core.model.session import PermissionMode
from ao_core.plugin import Scope
from ao_core.process import run
from ao_core.slots.agent import Agent, Launch, Look
from ao_core.spool import HookKind, Raw
from ao_core.testing.agent import AgentContract
from ao_plugins.agent._amp import plugin
from ao_plugins.agent.amp import Amp, AmpConfig
from team import git

SAMPLES = Path(__file__).parent / "samples" / "amp"


def screen(name: str) -> str:
    return (SAMPLES / f"{name}.txt").read_text()


def told(hook: str, **payload: object) -> Raw:
    return Raw("1", hook, datetime(2026, 1, 1, tzinfo=UTC), payload)


class TestAmp(AgentContract):
    def make(self, scope: Scope) -> Amp:
        return Amp(AmpConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        """It keeps no log here."""

    async def test_it_is_active_when_its_own_log_moves(self, agent: Agent[Any], look: Look) -> None:
        assert await agent.native(look) is None

    async def prepared(self, agent: Amp, launch: Launch) -> dict[str, Any]:
        if not (launch.workspace / ".git").exists():
            git(launch.workspace, "init", "-q")
        await agent.prepare(launch)
        return json.loads((launch.folder / "amp.json").read_text())

    async def test_its_first_prompt_is_read_from_a_file(self, agent: Amp, started: Launch) -> None:
        launch = replace(started, face=("ao", "worker"), model="high")
        await self.prepared(agent, launch)
        sh, flag, line, prompt, *argv = agent.launch(launch).argv
        assert argv == [
            *("amp", "--settings-file", str(started.folder / "amp.json")),
            *("--mcp-config", str(started.folder / "amp-mcp.json"), "--mode", "high"),
        ]
        done = await run([sh, flag, line, prompt, "cat"])
        assert done.text == "Be kind.\n\n\nFix it.\n"

    async def test_it_continues_its_thread(self, agent: Amp, started: Launch) -> None:
        command = await agent.resume(replace(started, native_id="T-0a1b"))
        assert command is not None
        assert command.argv[-3:] == ("threads", "continue", "T-0a1b")
        assert await agent.resume(replace(started, native_id="--yolo")) is None

    async def test_the_engine_decides_on_its_tools(self, agent: Amp, started: Launch) -> None:
        for mode in (PermissionMode.DEFAULT, PermissionMode.SUGGEST):
            found = await self.prepared(agent, replace(started, permissions=mode))
            *allowed, last = found["amp.permissions"]
            assert (last["tool"], last["action"]) == ("*", "delegate")
            assert os.access(last["to"], os.X_OK)
            assert {"Bash", "edit_file"}.isdisjoint(one["tool"] for one in allowed)
            assert found["amp.dangerouslyAllowAll"] is False
        editing = replace(started, permissions=PermissionMode.AUTO_EDIT)
        rules = (await self.prepared(agent, editing))["amp.permissions"]
        assert {"tool": "edit_file", "action": "allow"} in rules
        assert rules[-1]["action"] == "delegate"
        free = await self.prepared(
            agent, replace(started, permissions=PermissionMode.PERMISSIONLESS)
        )
        assert free["amp.dangerouslyAllowAll"] is True

    async def test_the_users_settings_stay_but_not_what_they_allow(
        self, agent: Amp, started: Launch, tmp_path: Path
    ) -> None:
        own = tmp_path / "settings.json"
        refused = {"tool": "Bash", "action": "reject", "matches": {"cmd": "rm *"}}
        users = {
            "amp.proxy": "http://127.0.0.1:1",
            "amp.dangerouslyAllowAll": True,
            "amp.permissions": [refused, {"tool": "*", "action": "allow"}, "junk"],
        }
        own.write_text("// mine\n" + json.dumps(users))
        environment = {**started.environment, "AMP_SETTINGS_FILE": str(own)}
        found = await self.prepared(agent, replace(started, environment=environment))
        assert found["amp.proxy"] == "http://127.0.0.1:1"
        assert found["amp.dangerouslyAllowAll"] is False
        assert found["amp.permissions"][0] == refused
        assert {"tool": "*", "action": "allow"} not in found["amp.permissions"]
        free = replace(started, environment=environment, permissions=PermissionMode.PERMISSIONLESS)
        assert (await self.prepared(agent, free))["amp.permissions"] == [refused]

    async def test_without_an_engine_it_asks_whoever_sits_before_it(
        self, agent: Amp, started: Launch
    ) -> None:
        found = await self.prepared(agent, started)
        program = found["amp.permissions"][-1]["to"]
        environment = {"AGENT_TOOL_NAME": "Bash", "AO_SPOOL": str(started.spool)}
        done = await run([program], env=environment, stdin=b'{"cmd": "git commit"}')
        assert done.status == 1
        (left,) = spool.pending(started.spool)
        event = spool.read(left)
        assert (event.kind, event.tool) == (HookKind.PERMISSION_ASKED, "Bash")
        assert event.arguments == '{"cmd": "git commit"}'

    @pytest.mark.parametrize(("allowed", "code"), [(True, 0), (False, 2)])
    def test_its_answer_is_an_exit_status(
        self, monkeypatch: pytest.MonkeyPatch, allowed: bool, code: int
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("{}"))

        def answered(*_: object) -> tuple[bool, str]:
            return allowed, "not today"

        monkeypatch.setattr(plugin, "ask", answered)
        assert plugin.main() == code

    def test_nobody_is_asked_for_one_that_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parents = iter([7, 7, 1])

        def answered(_: object, over: threading.Event) -> None:
            assert over.wait(5)

        monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
        monkeypatch.setattr("os.getppid", lambda: next(parents))
        monkeypatch.setattr(plugin, "_LOOK", 0.01)
        monkeypatch.setattr(plugin, "ask", answered)
        assert plugin.main() == 1

    async def test_its_plugin_is_a_file_that_git_does_not_show(
        self, agent: Amp, started: Launch
    ) -> None:
        await self.prepared(agent, started)
        assert (started.workspace / ".amp" / "plugins" / "ao-worker.ts").is_file()
        assert git(started.workspace, "status", "--porcelain") == ""
        assert stat.S_IMODE((started.folder / "amp.json").stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("login", ActivityState.WAITING_INPUT),
            ("approval", ActivityState.WAITING_INPUT),
            ("approving", ActivityState.WAITING_INPUT),
            ("working", ActivityState.ACTIVE),
        ],
    )
    async def test_its_screens_show_what_it_does(
        self, agent: Amp, name: str, state: ActivityState
    ) -> None:
        assert agent.classify(screen(name)) is state
        assert agent.classify("界" * 150 + "\n" + screen(name) + "\n" * 30) is state
        assert agent.classify(screen(name) + "and more\n" * 6) is None

    async def test_its_plugin_tells_of_turns_and_proves_messages(self, agent: Amp) -> None:
        thread = {"id": "T-1"}
        begun = agent.heard(told("agent-start", thread=thread, message="[t1] hi [/t1]"))
        assert begun is not None
        assert (begun.kind, begun.token, begun.native_id) == (HookKind.TURN_STARTED, "t1", "T-1")
        ended = agent.heard(told("agent-end", thread=thread, status="done", said="ok"))
        assert ended is not None
        assert (ended.kind, ended.text) == (HookKind.TURN_ENDED, "ok")
        failed = agent.heard(told("agent-end", thread=thread, status="error", said=""))
        assert failed is not None
        assert failed.kind is HookKind.BLOCKED
        assert agent.heard(told("tool-call", thread=thread)) is None
