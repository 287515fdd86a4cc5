"""Trae Agent: its command, its trajectories and tasks, and that it asks nobody."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import BadRequest
from ao_core.model.activity import ActivityState
from ao_core.model.session import PermissionMode
from ao_core.model.usage import Usage
from ao_core.plugin import Scope
from ao_core.slots.agent import AgentInfo, Launch, Look, Turn
from ao_core.slots.runtime import Command
from ao_core.testing.agent import AgentContract
from ao_plugins._by_turns.picture import WORKING
from ao_plugins._by_turns.plan import Plan, read
from ao_plugins._by_turns.seen import COMPOSER
from ao_plugins.agent._trae.task import made
from ao_plugins.agent.trae import Trae, TraeConfig

SAMPLES = Path(__file__).parent / "samples" / "trae"


def sample() -> dict[str, Any]:
    return json.loads((SAMPLES / "trajectory.json").read_text())


class TestTrae(AgentContract):
    def make(self, scope: Scope) -> Trae:
        return Trae(TraeConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        begun = at.astimezone().replace(tzinfo=None).isoformat()  # as it writes it
        found = sample()
        found.update(end_time="", start_time=begun, llm_interactions=[], agent_steps=[])
        self.keep(launch, found)

    def keep(self, launch: Launch, found: object, turn: int = 1, said: str = "Fix it.") -> None:
        own = launch.folder / "trae"
        own.mkdir(exist_ok=True)
        (own / f"{turn:04}.md").write_text(said)
        (own / f"{turn:04}.json").write_text(json.dumps(found))

    async def test_each_message_is_handed_to_what_becomes_its_command(
        self, started: Launch, scope: Scope, tmp_path: Path
    ) -> None:
        odd = TraeConfig(config_file=tmp_path / "trae_config.yaml", args=("--x={model}",))
        agent = Trae(odd, scope)
        launch = replace(started, model="m", permissions=PermissionMode.PERMISSIONLESS)
        await agent.prepare(launch)
        plan = planned(agent.launch(launch))
        assert plan.first == started.prompt_file
        words = plan.words("Fix it.", None, later=True)
        assert words[:7] == (
            *(sys.executable, "-I", "-X", "utf8", "-m", "ao_plugins.agent._trae.task"),
            str(started.folder / "trae"),
        )
        assert words[7:9] == (str(started.system_prompt), str(plan.message))
        assert json.loads(words[9]) == [
            *("trae-cli", "run", "--working-dir", str(started.workspace)),
            *("--console-type", "simple"),
            *("--config-file", str(tmp_path / "trae_config.yaml"), "--model", "m", "--x={model}"),
        ]

    async def test_it_is_brought_back_if_it_was_ever_told_anything(
        self, agent: Trae, started: Launch
    ) -> None:
        assert await agent.resume(started) is None
        plan = planned(agent.launch(started))
        plan.folder.mkdir()
        plan.message.write_text("Fix it.")
        command = await agent.resume(started)
        assert command is not None
        assert "--again" in command.argv
        assert planned(command) == plan

    async def test_it_has_to_be_wanted_that_it_asks_nobody(
        self, agent: Trae, started: Launch
    ) -> None:
        for mode in set(PermissionMode) - {PermissionMode.PERMISSIONLESS}:
            with pytest.raises(BadRequest, match="never asks"):
                await agent.prepare(replace(started, permissions=mode))

    async def test_it_is_typed_to_between_its_turns(self, agent: Trae) -> None:
        assert agent.composer() == COMPOSER
        assert agent.classify(f"Step 1\n{WORKING}") is ActivityState.ACTIVE
        assert agent.classify(f"Error: so\n{'─' * 9}\n idle · so\n>") is ActivityState.IDLE

    async def test_its_trajectories_are_read(
        self, agent: Trae, started: Launch, look: Look
    ) -> None:
        self.keep(started, sample())
        self.keep(started, sample(), 2, "And that.")
        turns = await agent.turns(started)
        assert [(turn.role, turn.text, turn.tools) for turn in turns] == [
            ("user", "Fix it.", ()),
            ("assistant", "I look.", ("bash git status",)),
            ("assistant", "It is done.", ()),
            ("user", "And that.", ()),
            ("assistant", "I look.", ("bash git status",)),
            ("assistant", "It is done.", ()),
        ]
        info = await agent.info(started)
        assert info is not None
        assert (info.native_id, info.usage) == (None, Usage(260, 50))
        found = await agent.native(look)
        assert found is not None
        assert (found.state, found.detail) == (ActivityState.READY, "It is done.")
        assert found.at == datetime(2026, 2, 5, 10, 0, 20).astimezone()
        (started.folder / "trae" / "0003.md").write_text("a turn that has only begun")
        assert await agent.native(look) is None

    async def test_its_failure_is_told(self, agent: Trae, started: Launch, look: Look) -> None:
        failed = {"success": False, "final_result": "Task execution exceeded maximum steps."}
        self.keep(started, sample() | failed)
        found = await agent.native(look)
        assert found is not None
        assert found.state is ActivityState.BLOCKED
        assert found.detail == "Task execution exceeded maximum steps."
        assert agent.classify("Error: Config file not found.\n") is ActivityState.BLOCKED
        assert agent.classify("the log says Error: no\n") is None

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"agent_steps": 5}', "{" * 5_000])
    async def test_what_is_half_written_is_passed_over(
        self, agent: Trae, started: Launch, look: Look, text: str
    ) -> None:
        self.keep(started, {})
        (started.folder / "trae" / "0001.json").write_text(text)
        assert await agent.native(look) is None
        assert [turn.role for turn in await agent.turns(started)] == ["user"]
        assert await agent.info(started) in (None, AgentInfo(usage=Usage()))


def planned(command: Command) -> Plan:
    return read(command.argv[-1].removeprefix("--plan="))


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Where a program in the place of `trae-cli` says what it was started with."""
    code = f"import json,sys; open({str(tmp_path / 'argv')!r},'w').write(json.dumps(sys.argv))"
    (tmp_path / "trae-cli").write_text(f"#!{sys.executable}\n{code}\n")
    (tmp_path / "trae-cli").chmod(0o755)
    (tmp_path / "system.md").write_text("Be kind.\n")
    return tmp_path


def told(desk: Path, said: str) -> str:
    """The task that it is given for a message."""
    (desk / "message.md").write_text(said)
    argv = [str(desk / name) for name in ("own", "system.md", "message.md")]
    run = [str(desk / "trae-cli"), "run"]
    program = (sys.executable, "-I", "-X", "utf8", "-m", "ao_plugins.agent._trae.task")
    subprocess.run([*program, *argv, json.dumps(run)], check=True)
    given: list[str] = json.loads((desk / "argv").read_text())
    task, trajectory = Path(given[-3]), Path(given[-1])
    assert given[1:] == [*run[1:], "--file", str(task), "--trajectory-file", str(trajectory)]
    trajectory.write_text(json.dumps(sample()))
    return task.read_text()


def test_a_later_task_tells_what_was_said_before(desk: Path) -> None:
    assert told(desk, "Fix it.") == "Be kind.\n\n\nFix it."
    assert told(desk, "And ```that```, 漢字.").endswith("now\n\nAnd ```that```, 漢字.")
    third = told(desk, "Again.")
    before = third.partition("\n````\n")[2].partition("\n````\n")[0]
    assert before.startswith("user: Fix it.\n\nassistant: I look.\n(used: bash git status)\n\n")
    assert "user: And ```that```, 漢字.\n\nassistant: I look." in before
    assert third.endswith("\n````\n\n# What you are told now\n\nAgain.")


def test_of_a_long_conversation_the_end_is_told() -> None:
    long = [Turn("user", f"{count} " + "x" * 1_000) for count in range(200)]
    task = made("Be kind.", long, "Go on.")
    assert len(task) < 62_000
    assert "user: 199 " in task
    assert "user: 1 " not in task
