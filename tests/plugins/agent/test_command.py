"""Agent `command`: the contract, templates, patterns and what its configuration refuses."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ao_core.config.load import load
from ao_core.errors import BadRequest
from ao_core.model.activity import ActivityState
from ao_core.model.session import Drive, PermissionMode
from ao_core.model.usage import Usage
from ao_core.plugin import Scope
from ao_core.slots.agent import Launch, Look, Resumable
from ao_core.store.records import Delivery
from ao_core.testing.agent import AgentContract
from ao_plugins._by_turns.picture import WORKING
from ao_plugins._by_turns.plan import Plan, read
from ao_plugins._by_turns.seen import COMPOSER
from ao_plugins._command import CommandConfig
from ao_plugins.agent.command import CommandLine
from page import blocks, section

LOG = "logs/agent.jsonl"


def config(**values: Any) -> CommandConfig:
    return CommandConfig.model_validate({"command": "tool {prompt}"} | values)


def write_log(path: Path, state: str, at: datetime) -> None:
    path.parent.mkdir(exist_ok=True)
    line = {"role": "assistant", "text": "so", "state": state, "at": at.isoformat()}
    path.write_text(json.dumps(line) + "\n")


class TestTemplate(AgentContract):
    def make(self, scope: Scope) -> CommandLine:
        settings = config(
            command="tool --model {model} --task {prompt}",
            resume="tool --continue {native_id}",
            protocol="tool acp --model {model}",
            modes={"default": "ask", "permissionless": "bypass"},
            env={"TOOL_HOME": "/nowhere"},
            credentials=["TOOL_KEY"],
            log=LOG,
            screens={"idle": ["^> $"]},
        )
        return CommandLine(settings, scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        write_log(launch.workspace / LOG, state, at)

    def argv(self, scope: Scope, launch: Launch, command: object) -> tuple[str, ...]:
        return CommandLine(config(command=command), scope).launch(launch).argv

    async def test_everything_known_of_the_launch_can_be_put_in(
        self, scope: Scope, started: Launch
    ) -> None:
        launch = replace(started, model="m/1", issue="#7", permissions=PermissionMode.SUGGEST)
        command = "t {session} {workspace} {issue} {model} {permissions} {system_prompt} x={prompt}"
        assert self.argv(scope, launch, command) == (
            "t",
            "app-1",
            str(launch.workspace),
            "#7",
            "m/1",
            "suggest",
            str(launch.system_prompt),
            "x=Fix it.\n",
        )

    async def test_what_is_not_set_goes_with_its_flag(self, scope: Scope, started: Launch) -> None:
        command = "t -v --model {model} --issue={issue} -- {prompt}"
        assert self.argv(scope, started, command) == ("t", "-v", "--", "Fix it.\n")
        assert self.argv(scope, started, "t a {model} -x=1 {issue} -- {model} {prompt}") == (
            *("t", "a", "-x=1", "--", "Fix it.\n"),
        )

    async def test_what_is_put_in_is_not_expanded_again(
        self, scope: Scope, started: Launch
    ) -> None:
        launch = replace(started, prompt="{session} {nonsense}")
        assert self.argv(scope, launch, ["t", "{prompt}"]) == ("t", "{session} {nonsense}")

    async def test_braces_that_name_nothing_are_left_alone(
        self, scope: Scope, started: Launch
    ) -> None:
        assert self.argv(scope, started, ["t", '{"a": 1}', "{}", "{prompt}"])[1:3] == (
            *('{"a": 1}', "{}"),
        )

    async def test_quotes_are_read_and_no_shell_is(self, scope: Scope, started: Launch) -> None:
        argv = self.argv(scope, started, "t 'a b' \"$HOME\" ; {prompt}")
        assert argv == ("t", "a b", "$HOME", ";", "Fix it.\n")

    async def test_a_model_that_is_no_name_is_refused(
        self, agent: CommandLine, started: Launch
    ) -> None:
        for model in ("--yolo", "a b", "a\nb", ""):
            with pytest.raises(BadRequest):
                agent.launch(replace(started, model=model))

    async def test_it_continues_the_conversation_it_knows(
        self, agent: CommandLine, started: Launch, look: Look
    ) -> None:
        assert isinstance(agent, Resumable)
        launch = replace(started, native_id="n-1")
        assert await agent.resume(launch) is None
        write_log(started.workspace / LOG, "ready", look.now)
        command = await agent.resume(launch)
        assert command is not None
        assert command.argv == ("tool", "--continue", "n-1")
        assert await agent.resume(replace(launch, native_id=None)) is None

    async def test_it_speaks_the_protocol_where_a_command_for_it_is_configured(
        self, agent: CommandLine, scope: Scope, started: Launch
    ) -> None:
        command = agent.converse(replace(started, model="m/1"))
        assert command is not None
        assert command.argv == ("tool", "acp", "--model", "m/1")
        assert command.env["TOOL_HOME"] == "/nowhere"
        assert agent.preferred is Drive.TERMINAL
        assert CommandLine(config(), scope).converse(started) is None

    async def test_its_modes_are_named_as_configured(
        self, agent: CommandLine, scope: Scope
    ) -> None:
        assert agent.mode(PermissionMode.DEFAULT) == "ask"
        assert agent.mode(PermissionMode.PERMISSIONLESS) == "bypass"
        assert agent.mode(PermissionMode.SUGGEST) is None
        assert CommandLine(config(), scope).mode(PermissionMode.DEFAULT) is None

    async def test_its_log_tells_who_it_is_and_what_was_said(
        self, agent: CommandLine, started: Launch
    ) -> None:
        lines = [
            {"role": "session", "text": "n-1"},
            {"role": "user", "text": "a\x1b[2Jb", "at": "2026-01-01T00:00:00Z"},
            {"role": "tool", "text": "hidden"},
            {"role": "assistant", "text": 5},
        ]
        (started.workspace / "logs").mkdir()
        (started.workspace / LOG).write_text("junk\n" + "\n".join(map(json.dumps, lines)) + "\n")
        turns = await agent.turns(started)
        assert [(turn.role, turn.text) for turn in turns] == [("user", "ab"), ("assistant", "")]
        assert await agent.turns(started, 1) == turns[-1:]
        info = await agent.info(started)
        assert info is not None
        assert info.native_id == "n-1"

    @pytest.mark.parametrize(
        ("screen", "state"),
        [
            ("busy\nready\nask\nstuck", "waiting_input"),
            ("busy\nready\nstuck", "blocked"),
            ("busy\nready", "active"),
            ("ready\n\n\n", "idle"),
            ("busy\n" + "other\n" * 15 + "ready", "idle"),
            ("x" * 301 + "busy", None),
        ],
    )
    async def test_the_last_lines_show_what_it_does(
        self, scope: Scope, screen: str, state: str | None
    ) -> None:
        screens = {"active": ["busy"], "idle": ["^ready"], "waiting_input": ["ask"]}
        agent = CommandLine(config(screens=screens | {"blocked": ["stuck"]}), scope)
        assert agent.classify(screen) == state

    async def test_the_words_of_a_used_up_quota_on_its_screen_are_told(
        self, scope: Scope, started: Launch, tmp_path: Path
    ) -> None:
        agent = CommandLine(config(screens={"quota": ["hit your .*limit"]}), scope)
        said = "You've hit your usage limit, try again in 3 hours."
        screen = f"busy\n{said}\n> "
        assert (agent.quota("busy"), agent.quota(screen)) == (None, said)
        launch = replace(started, workspace=tmp_path)
        at = datetime.now(UTC)
        found = await agent.activity(Look(launch, True, at, at, screen))
        assert found is not None
        assert (found.state, found.detail) == (ActivityState.BLOCKED, said)

    async def test_what_it_used_is_what_the_last_such_line_of_its_log_says(
        self, scope: Scope, started: Launch
    ) -> None:
        agent = CommandLine(config(log=LOG, usage=True), scope)
        log = started.workspace / LOG
        log.parent.mkdir(exist_ok=True)
        for told, used in [
            ({}, Usage()),
            ({"cost_usd": "0.5", "input_tokens": 7}, Usage(7, None, 0.5)),
            ({"cost_usd": "nan", "output_tokens": "-1"}, Usage()),
        ]:
            log.write_text(json.dumps({"role": "usage"} | told) + "\n")
            info = await agent.info(started)
            assert info is not None
            assert info.usage == used

    async def test_it_tells_what_it_used_where_the_configuration_says_so(
        self, scope: Scope
    ) -> None:
        silent, telling = CommandLine(config(), scope), CommandLine(config(usage=True), scope)
        assert silent.tells(Drive.TERMINAL) == frozenset()
        assert telling.tells(Drive.TERMINAL) == silent.tells(Drive.PROTOCOL) != frozenset()

    async def test_its_keyboard_is_as_configured(self, scope: Scope) -> None:
        keys = {"submit": ["C-m"], "clear": ["C-c"], "allow": ["y"], "deny": ["n"]}
        agent = CommandLine(config(**keys, receipt="accepted", dialogs=["Sure?"]), scope)
        composer = agent.composer()
        assert (composer.submit, composer.clear) == (("C-m",), ("C-c",))
        assert (composer.allow, composer.deny) == (("y",), ("n",))
        assert (composer.best, composer.dialogs) == (Delivery.ACCEPTED, ("Sure?",))


class TestWorkerPreset(AgentContract):
    def make(self, scope: Scope) -> CommandLine:
        return CommandLine(CommandConfig(preset="worker"), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        write_log(launch.workspace / ".ao" / "worker.jsonl", state, at)

    async def test_it_starts_the_worker_that_ships(
        self, agent: CommandLine, started: Launch
    ) -> None:
        argv = agent.launch(started).argv
        assert argv[:4] == (sys.executable, "-I", "-m", "ao_plugins.agent._worker")
        assert argv[-2:] == ("--prompt-file", str(started.prompt_file))
        assert agent.prompt_in_command
        assert agent.composer().best is Delivery.ACCEPTED

    async def test_by_protocol_it_gets_the_same_flags_and_its_own_modes(
        self, scope: Scope, started: Launch
    ) -> None:
        agent = CommandLine(CommandConfig(preset="worker", args=("--chatty",)), scope)
        command = agent.converse(replace(started, permissions=PermissionMode.PERMISSIONLESS))
        assert command is not None
        flags = ("--session", "app-1", "--permissions", "permissionless", "--acp", "--chatty")
        assert command.argv[4:] == flags
        assert agent.mode(PermissionMode.PERMISSIONLESS) == "permissionless"
        assert (
            CommandLine(CommandConfig(preset="worker", protocol=None), scope).converse(started)
            is None
        )

    async def test_its_task_can_be_sent_afterwards(self, scope: Scope, started: Launch) -> None:
        agent = CommandLine(CommandConfig(preset="worker", prompt="after"), scope)
        assert not agent.prompt_in_command
        assert str(started.prompt_file) not in agent.launch(started).argv

    async def test_settings_of_ones_own_come_before_the_presets(self, scope: Scope) -> None:
        agent = CommandLine(CommandConfig(preset="worker", args=("--fold",), allow=("y",)), scope)
        assert agent.composer().allow == ("y",)
        assert agent.config.args == ("--fold",)


class TestOneShot(AgentContract):
    def make(self, scope: Scope) -> CommandLine:
        resume = "tool go {native_id} {prompt}"
        return CommandLine(config(one_shot=True, resume=resume, log=LOG), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        write_log(launch.workspace / LOG, state, at)

    def plan(self, agent: CommandLine, launch: Launch) -> Plan:
        return read(agent.launch(launch).argv[-1].removeprefix("--plan="))

    async def test_it_is_run_by_turns(self, agent: CommandLine, started: Launch) -> None:
        plan = self.plan(agent, replace(started, prompt="--yolo"))
        assert plan.first == started.prompt_file
        assert plan.words("-x", None, later=False) == ("tool", " -x")
        assert plan.words("-x", "n-1", later=True) == ("tool", " -x")
        write_log(started.workspace / LOG, "ready", datetime.now(UTC))
        assert plan.words("-x", "n-1", later=True) == ("tool", "go", "n-1", " -x")
        assert plan.words("-x", None, later=True) == ("tool", " -x")
        known = self.plan(agent, replace(started, native_id="n-0"))
        assert known.words("x", None, later=True) == ("tool", "go", "n-0", "x")
        assert agent.composer() == COMPOSER

    async def test_every_message_gets_what_the_first_got(
        self, scope: Scope, started: Launch
    ) -> None:
        command = "t {session} --issue {issue} -m {model} {permissions} {prompt_file} {{}}"
        agent = CommandLine(config(command=command, one_shot=True, args=["{workspace}"]), scope)
        plan = self.plan(agent, replace(started, model="m"))
        for later in (False, True):
            assert plan.words("{model}", None, later=later) == (
                *("t", "app-1", "-m", "m", "default", str(plan.message), "{{}}"),
                str(started.workspace),
            )

    async def test_it_is_brought_back_if_it_was_ever_told_anything(
        self, agent: CommandLine, started: Launch
    ) -> None:
        assert await agent.resume(started) is None
        plan = self.plan(agent, started)
        plan.folder.mkdir()
        plan.message.write_text("Fix it.")
        command = await agent.resume(started)
        assert command is not None
        assert "--again" in command.argv

    async def test_its_screen_shows_whether_it_works_and_what_went_wrong(
        self, scope: Scope
    ) -> None:
        screens = {"blocked": ["^no credit"], "active": ["^thinking"]}
        agent = CommandLine(config(one_shot=True, screens=screens), scope)
        rest = f"{'─' * 9}\n idle · so\n>"
        for screen, state in {
            f"thinking\n{rest}": ActivityState.IDLE,
            f"no credit\n{rest}": ActivityState.BLOCKED,
            f"anything\n{WORKING}": ActivityState.ACTIVE,
            f"no credit\n{WORKING}": ActivityState.BLOCKED,
        }.items():
            assert agent.classify(screen) is state

    async def test_it_has_no_commands(self, scope: Scope) -> None:
        assert CommandLine(config(one_shot=True, commands=["/x"]), scope).commands == ()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"one_shot": True, "command": "tool", "prompt": "after"}, "cannot be"),
        ({"oneShot": True, "resume": "tool --continue"}, "`resume` as well"),
        ({"command": ""}, "no program"),
        ({"command": []}, "no program"),
        ({"command": "tool 'open {prompt}"}, "quotation"),
        ({"command": "tool {promt} {prompt}"}, "no {promt}"),
        ({"command": "tool {native_id} {prompt}"}, "no {native_id}"),
        ({"command": "tool"}, "prompt: after"),
        ({"prompt": "after"}, "prompt: after"),
        ({"command": "./tool {prompt}"}, "absolute"),
        ({"command": "{prompt} a"}, "name on PATH"),
        ({"command": ["tool", "a\0b", "{prompt}"]}, "zero byte"),
        ({"resume": "tool {conversation}"}, "no {conversation}"),
        ({"protocol": ""}, "no program"),
        ({"protocol": []}, "no program"),
        ({"protocol": "tool acp {prompt}"}, "protocol: there is no {prompt}"),
        ({"protocol": "tool acp {prompt_file}"}, "protocol: there is no {prompt_file}"),
        ({"protocol": "tool {native_id}"}, "protocol: there is no {native_id}"),
        ({"command": "tool", "args": ["{prompt}"], "protocol": "tool acp"}, "protocol: there is"),
        ({"protocol": "./tool acp"}, "protocol: the program"),
        ({"modes": {"yolo": "x"}}, "permissionless"),
        ({"modes": {"default": ""}}, "none is empty"),
        ({"modes": {"default": "a\nb"}}, "a line of text"),
        ({"env": {"A B": "c"}}, "variable"),
        ({"env": {"AO_TOKEN": "c"}}, "variable"),
        ({"credentials": ["$KEY"]}, "variable"),
        ({"log": "../elsewhere"}, "inside the workspace"),
        ({"log": "/etc/passwd"}, "inside the workspace"),
        ({"screens": {"idle": ["("]}}, "no regular expression"),
        ({"screens": {"idle": ["x" * 201]}}, "longer than"),
        ({"screens": {"idle": ["x"] * 21}}, "at most 20"),
        ({"submit": []}, "at least 1"),
        ({"dialogs": [""]}, "none is empty"),
        ({"receipt": "queued"}, "submitted"),
        ({"preset": "robot"}, "worker"),
        ({"commnad": "x"}, "not permitted"),
    ],
)
def test_what_could_not_work_is_refused_at_once(values: Mapping[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint.replace("{", r"\{")):
        config(**values)


async def test_unconfigured_it_lacks_nothing_but_a_command() -> None:
    bare = CommandConfig.model_construct()
    assert (await CommandLine.detect(bare, {"PATH": ""})).found


async def test_the_program_is_looked_for_on_the_path_given(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("")
    tool.chmod(0o755)
    found = await CommandLine.detect(config(), {"PATH": str(tmp_path)})
    assert (found.found, found.detail) == (True, str(tool))
    for elsewhere in ({}, {"PATH": ""}, {"PATH": str(tmp_path / "none")}):
        missing = await CommandLine.detect(config(command="tool {prompt}"), elsewhere)
        assert not missing.found
        assert missing.hint


def test_a_variable_put_into_the_settings_is_not_shown() -> None:
    assert "hunter2" not in repr(config(env={"TOOL_KEY": "hunter2"}))


def test_the_one_shot_example_in_the_documents_can_be_run_by_turns(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "agents.md").read_text()
    [example] = blocks(section(page, "One-shot agents"))
    for name in ("one_shot", "oneShot"):
        path = tmp_path / "agent-orchestrator.yaml"
        path.write_text(example.text.replace("one_shot", name))
        chosen = load(path, environment={"HOME": "/nobody"}).settings.defaults.agent_config
        assert chosen is not None
        assert CommandConfig.model_validate(chosen.settings).one_shot


def test_the_example_in_the_documents_can_be_driven_by_protocol(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text()
    [example] = blocks(section(page, "An agent without a plugin"))
    path = tmp_path / "agent-orchestrator.yaml"
    path.write_text(example.text)
    chosen = load(path, environment={"HOME": "/nobody"}).settings.defaults
    assert chosen.agent_config is not None
    found = CommandConfig.model_validate(chosen.agent_config.settings)
    assert found.protocol == ("mytool", "--model", "{model}", "acp")
    assert found.modes == {PermissionMode.DEFAULT: "ask", PermissionMode.PERMISSIONLESS: "bypass"}
