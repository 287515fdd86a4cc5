"""Codex: its command, what it is asked before, its hooks, its screens and its log."""

import json
import os
import re
import stat
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ao_core.engine.quota import exhausted
from ao_core.errors import NotInstalled, PluginError
from ao_core.model.activity import ActivityState
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Scope
from ao_core.slots.agent import Agent, Launch, Look
from ao_core.spool import HookKind, Raw
from ao_core.testing.agent import AgentContract
from ao_plugins.agent.codex import Codex, CodexConfig
from plugins.agent.codex_log import AT, ID, begun, line, write_log
from plugins.agent.recorded import screen

ACTIVE, IDLE, ASKS = ActivityState.ACTIVE, ActivityState.IDLE, ActivityState.WAITING_INPUT
BLOCKED = ActivityState.BLOCKED
_ENDS = {ACTIVE: "task_started", ActivityState.READY: "task_complete"}

_SERVER = """\
#!{python}
import json, sys, tomllib
given = [two for one, two in zip(sys.argv, sys.argv[1:]) if one == "-c"]
names = [event for one in given for event in tomllib.loads(one)["hooks"]]
listed = [
    {{"key": f"flags:{{name}}", "currentHash": f"sha256:{{name}}", "source": "sessionFlags"}}
    for name in names if name != "{lost}"
] + [{{"key": "somebody's", "currentHash": "sha256:0", "source": "user"}}]
answers = {{
    "initialize": {{}},
    "hooks/list": {{"data": [{{"hooks": listed}}]}},
    "config/read": {{"config": {{"developer_instructions": "Speak French."}}}},
}}
for line in sys.stdin:
    said = json.loads(line)
    if "{fault}" and said["method"] == "hooks/list":
        print(json.dumps({{"id": said["id"], "error": {{"code": 1, "message": "{fault}"}}}}))
        sys.exit()
    if "id" in said:
        print(json.dumps({{"method": "somethingElse", "params": {{}}}}))
        print(json.dumps({{"id": said["id"], "result": answers[said["method"]]}}), flush=True)
"""


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(stat.S_IRWXU)


def server(folder: Path, lost: str = "", fault: str = "") -> None:
    """A program that answers as the app server of Codex does."""
    program(folder / "codex", _SERVER.format(python=sys.executable, lost=lost, fault=fault))


def told_by(argv: tuple[str, ...]) -> Mapping[str, Any]:
    """What its `-c` say, each read as TOML, by the name before the first `=`."""
    given = [two for one, two in pairwise(argv) if one == "-c"]
    pairs = (one.partition("=") for one in given)
    return {name: tomllib.loads(f"it = {value}")["it"] for name, _, value in pairs}


def raw(hook: str, **told: Any) -> Raw:
    return Raw("1-x", hook, AT, told)


class TestCodex(AgentContract):
    def make(self, scope: Scope) -> Codex:
        folder = scope.state.parent / "bin"
        program(folder / "codex-acp", "")
        return Codex(CodexConfig(protocol=str(folder / "codex-acp")), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        write_log(launch, begun(launch) + line(at, "event_msg", type=_ENDS[state]))

    def made_ready(self, agent: Agent[Any], launch: Launch) -> Launch:
        """There is a program to ask."""
        folder = launch.folder / "bin"
        server(folder)
        path = f"{folder}{os.pathsep}/usr/bin:/bin"
        return replace(launch, environment={**launch.environment, "PATH": path})

    @pytest.fixture
    def asked(self, started: Launch, tmp_path: Path) -> Launch:
        environment = {**started.environment, "CODEX_HOME": str(tmp_path / "home")}
        return replace(started, environment=environment, face=("ao-mcp", "--worker"))

    # -- how it is started -------------------------------------------------------------------------

    def test_its_command_line(self, agent: Codex, started: Launch) -> None:
        launch = replace(started, model="gpt-x", prompt="--yolo fix\0 it", face=("ao", "face"))
        server = (
            '{"command" = "ao", "args" = ["face"], '
            '"env_vars" = ["AO_TOKEN", "AO_SOCKET", "AO_SPOOL"], '
            '"required" = true, "startup_timeout_sec" = 60, '
            '"default_tools_approval_mode" = "approve"}'
        )
        assert agent.launch(launch).argv == (
            *("codex", "--no-daemon", "--no-alt-screen", "--ask-for-approval", "on-request"),
            *("-c", 'approvals_reviewer="user"', "--sandbox", "read-only"),
            *("-c", "check_for_update_on_startup=false", "-c", f"mcp_servers.ao={server}"),
            *("--model", "gpt-x", "--", "--yolo fix it"),
        )

    @pytest.mark.parametrize(
        ("mode", "flags", "spoken"),
        [
            ("default", ["--sandbox", "read-only"], "read-only"),
            ("suggest", ["--sandbox", "read-only"], "read-only"),
            ("auto-edit", ["--sandbox", "workspace-write"], "workspace-write"),
            (
                "permissionless",
                ["--dangerously-bypass-approvals-and-sandbox"],
                "agent-full-access",
            ),
        ],
    )
    def test_its_permission_modes(
        self, agent: Codex, started: Launch, mode: str, flags: list[str], spoken: str
    ) -> None:
        launch = replace(started, permissions=PermissionMode(mode))
        argv = agent.launch(launch).argv
        assert [one for one in argv if one in flags] == flags
        asks = mode != "permissionless"
        assert ("on-request" in argv, 'approvals_reviewer="user"' in argv) == (asks, asks)
        assert agent.mode(launch.permissions) == spoken

    async def test_it_gets_hooks_of_ours_that_it_trusts_and_nobody_elses(
        self, agent: Codex, asked: Launch
    ) -> None:
        await agent.prepare(asked)
        told = told_by(agent.launch(asked).argv)
        events = [name.partition(".")[2] for name in told if name.startswith("hooks.")]
        assert events == [
            *("SessionStart", "UserPromptSubmit", "Stop", "Interrupt", "PermissionRequest", "state")
        ]
        assert told["hooks.state"] == {
            f"flags:{name}": {"trusted_hash": f"sha256:{name}"} for name in events[:-1]
        }
        [hook] = told["hooks.PermissionRequest"][0]["hooks"]
        assert hook["command"].endswith("ao_plugins._permit codex")
        assert hook["timeout"] == 3_600

    async def test_its_standing_instructions_come_after_those_it_has(
        self, agent: Codex, asked: Launch
    ) -> None:
        said = 'A "quote", a \\, a \x7f, 宽 😀,\nand a line.\n'
        asked.system_prompt.write_text(said)
        await agent.prepare(asked)
        told = told_by(agent.launch(asked).argv)
        assert told["developer_instructions"] == f"Speak French.\n\n{said}"

    async def test_nothing_is_written_where_it_keeps_its_own_things(
        self, agent: Codex, asked: Launch, tmp_path: Path
    ) -> None:
        await agent.prepare(asked)
        assert not (tmp_path / "home").exists()
        assert list(asked.workspace.iterdir()) == []
        assert (asked.folder / "codex.json").stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize(
        ("lost", "fault", "why"),
        [("Stop", "", "4 of 5 hooks"), ("", "no such method", "no such method")],
    )
    async def test_it_is_not_started_where_it_would_not_tell_what_it_does(
        self, agent: Codex, asked: Launch, tmp_path: Path, lost: str, fault: str, why: str
    ) -> None:
        server(tmp_path / "bin", lost, fault)
        with pytest.raises(PluginError, match=why) as caught:
            await agent.prepare(asked)
        assert caught.value.hint

    async def test_a_program_that_ends_without_a_word_is_told_of(
        self, agent: Codex, asked: Launch, tmp_path: Path
    ) -> None:
        program(tmp_path / "bin" / "codex", "#!/bin/sh\nread line\n")
        with pytest.raises(PluginError, match="ended"):
            await agent.prepare(asked)

    def test_a_workspace_is_trusted_only_where_somebody_says_so(
        self, scope: Scope, started: Launch
    ) -> None:
        trusting = Codex(CodexConfig(trust_workspaces=True), scope).launch(started).argv
        here = {str(started.workspace): {"trust_level": "trusted"}}
        assert told_by(trusting)["projects"] == here
        assert "projects" not in told_by(Codex(CodexConfig(), scope).launch(started).argv)

    async def test_it_continues_the_conversation_that_it_has_a_log_of(
        self, agent: Codex, started: Launch
    ) -> None:
        launch = replace(started, native_id=ID, prompt="all of it again")
        assert await agent.resume(launch) is None
        write_log(launch, begun(launch))
        command = await agent.resume(launch)
        assert command is not None
        assert command.argv[:2] == ("codex", "resume")
        assert command.argv[-2:] == ("--", ID)

    # -- by protocol -------------------------------------------------------------------------------

    async def test_by_protocol_it_is_told_the_same_in_its_adapters_way(
        self, agent: Codex, asked: Launch
    ) -> None:
        launch = replace(asked, drive=Drive.PROTOCOL, model="gpt-x")
        await agent.prepare(launch)
        command = agent.converse(launch)
        assert command is not None
        told = json.loads(command.env["CODEX_CONFIG"])
        assert told.pop("developer_instructions") == "Speak French.\n\nBe kind.\n"
        assert told == {"check_for_update_on_startup": False, "model": "gpt-x"}
        assert command.env["CODEX_PATH"] == "codex"
        assert command.env["INITIAL_AGENT_MODE"] == "read-only"
        assert agent.preferred is Drive.TERMINAL

    def test_where_the_adapter_is_missing_it_says_how_to_have_it(
        self, scope: Scope, started: Launch
    ) -> None:
        with pytest.raises(NotInstalled) as caught:
            Codex(CodexConfig(), scope).converse(replace(started, environment={"PATH": "/usr/bin"}))
        assert "npm install -g @agentclientprotocol/codex-acp" in str(caught.value.hint)

    # -- its hooks ---------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("told", "kind", "more"),
        [
            (raw("SessionStart", session_id=ID), "session_started", {"native_id": ID}),
            (raw("UserPromptSubmit", prompt="[t1] so\n[/t1]"), "turn_started", {"token": "t1"}),
            (raw("UserPromptSubmit", prompt="so"), "turn_started", {"token": None, "text": "so"}),
            (raw("Stop", last_assistant_message="Done."), "turn_ended", {"text": "Done."}),
            (raw("Interrupt"), "turn_ended", {}),
        ],
    )
    def test_its_hooks_are_understood(
        self, agent: Codex, told: Raw, kind: str, more: Mapping[str, object]
    ) -> None:
        heard = agent.heard(told)
        assert heard is not None
        assert heard.kind is HookKind(kind)
        assert {name: getattr(heard, name) for name in more} == more

    def test_other_hooks_are_none_of_ours(self, agent: Codex) -> None:
        assert agent.heard(raw("PreToolUse", session_id=ID)) is None

    # -- its screens -------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            *((name, IDLE) for name in ("idle", "interrupted", "compacted", "quoted")),
            *((name, IDLE) for name in ("draft", "draft-quoting", "folded", "narrow-idle")),
            *((name, ACTIVE) for name in ("working", "working-steer", "narrow-working")),
            *((name, ASKS) for name in ("permission", "narrow-permission", "trust", "menu")),
            *((name, ASKS) for name in ("hooks-review", "asking", "narrow-asking")),
            *((name, BLOCKED) for name in ("quota", "credit", "context", "login")),
            *((name, BLOCKED) for name in ("unauthorized", "server-error")),
        ],
    )
    def test_its_screens_are_told_apart(
        self, agent: Codex, name: str, state: ActivityState
    ) -> None:
        assert agent.classify(screen("codex", name)) is state
        assert agent.classify(screen("codex", name) + "\n" * 30) is state

    @pytest.mark.parametrize(
        "name", ["permission", "trust", "working", "asking", "quota", "login", "hooks-review"]
    )
    def test_what_it_quotes_changes_nothing(self, agent: Codex, name: str) -> None:
        head, tail = screen("codex", "idle").split("• hello")
        shown = "\n".join(f"  {one}" for one in screen("codex", name).splitlines())
        assert agent.classify(f"{head}• It looked like this:\n{shown}{tail}") is IDLE

    def test_words_of_its_own_are_no_sign_of_work(self, agent: Codex) -> None:
        said = "• Working (3s • esc to interrupt)"
        assert agent.classify(screen("codex", "idle").replace("• hello", said)) is IDLE

    def test_a_frame_that_is_half_drawn_is_no_evidence(self, agent: Codex) -> None:
        half = screen("codex", "working").partition("  scripted default")[0]
        assert agent.classify(half) is None

    def test_wide_characters_and_long_lines_change_nothing(self, agent: Codex) -> None:
        idle = screen("codex", "idle")
        assert agent.classify(idle.replace("hello", "宽字符なが" * 30)) is IDLE
        assert agent.classify("x" * 200_000 + "\n" + idle) is IDLE

    @pytest.mark.parametrize(
        ("name", "ready", "draft"),
        [
            ("idle", True, False),
            ("draft", True, True),
            ("draft-quoting", True, True),
            ("folded", True, True),
            ("working", True, False),
            ("interrupted", True, False),
            ("trust", False, True),
            ("login", False, False),
        ],
    )
    def test_its_composer_is_seen_and_what_stands_in_it(
        self, agent: Codex, name: str, ready: bool, draft: bool
    ) -> None:
        composer, shown = agent.composer(), screen("codex", name)
        assert bool(re.search(composer.ready, shown)) is ready
        assert bool(re.search(composer.draft, shown)) is draft
        assert bool(re.search(composer.draft, shown + "\n" * 20)) is draft

    @pytest.mark.parametrize("name", ["permission", "narrow-permission", "trust", "hooks-review"])
    def test_its_dialogs_hold_the_keyboard(self, agent: Codex, name: str) -> None:
        assert any(text in screen("codex", name) for text in agent.composer().dialogs)
        assert not any(text in screen("codex", "working") for text in agent.composer().dialogs)

    def test_a_quota_is_quoted_whole(self, agent: Codex) -> None:
        said = agent.quota(screen("codex", "quota"))
        assert said is not None
        found = exhausted(said, AT)
        assert found is not None
        assert found.until is not None
        credit = agent.quota(screen("codex", "credit"))
        assert credit is not None
        assert exhausted(credit, AT) is not None
        assert agent.quota(screen("codex", "unauthorized")) is None
        assert agent.quota(screen("codex", "idle")) is None

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("login", "codex login"),
            ("context", "ran out of room"),
            ("unauthorized", "401"),
            ("quota", "usage limit"),
        ],
    )
    async def test_what_has_stopped_it_is_told(
        self, agent: Codex, look: Look, name: str, why: str
    ) -> None:
        found = await agent.activity(replace(look, screen=screen("codex", name)))
        assert found is not None
        assert found.state is BLOCKED
        assert why in (found.detail or "")
