"""What every agent plugin must do; nothing is started for it."""

import re
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ao_core.activity import record
from ao_core.errors import BadRequest
from ao_core.model.activity import ActivityState, Source
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Scope
from ao_core.slots.agent import Agent, Conversable, Launch, Look, Resumable
from ao_core.slots.runtime import Command
from ao_core.testing.clock import FakeClock
from ao_core.testing.somebody import a_repository, contents, somebodys_home

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_APPROVES = re.compile(
    r"skip-permissions|bypass|yolo|dangerous|full-auto|(trust|allow)-all|permissionless"
    r"|auto-?approve(?!.?(false|0|off|no))",
    re.IGNORECASE,
)
_FLAGS = ("--yolo", "-p", "--dangerously-skip-permissions", "--resume=x", "-")


class AgentContract(ABC):
    """Inherit, say how the plugin is made, and how its own log is written."""

    @abstractmethod
    def make(self, scope: Scope) -> Agent[Any]:
        """A plugin that has not been entered."""

    @abstractmethod
    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        """Make the agent's own log end with something that shows this state."""

    def made_ready(self, agent: Agent[Any], launch: Launch) -> Launch:
        """The launch, once whatever has to be there has been put there."""
        return launch

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def scope(self, tmp_path: Path, clock: FakeClock) -> Scope:
        return Scope(state=tmp_path / "state", project="app", clock=clock)

    @pytest.fixture
    def agent(self, scope: Scope) -> Agent[Any]:
        return self.make(scope)

    @pytest.fixture
    def started(self, tmp_path: Path, agent: Agent[Any]) -> Launch:
        workspace, spool = tmp_path / "workspace", tmp_path / "spool"
        workspace.mkdir()
        spool.mkdir()
        prompt, system = tmp_path / "task.md", tmp_path / "system.md"
        prompt.write_text("Fix it.\n")
        system.write_text("Be kind.\n")
        launch = Launch(
            session="app-1",
            project="app",
            workspace=workspace,
            spool=spool,
            prompt="Fix it.\n",
            prompt_file=prompt,
            system_prompt=system,
            environment={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )
        return self.made_ready(agent, launch)

    @pytest.fixture
    def look(self, started: Launch, clock: FakeClock) -> Look:
        return Look(started, True, clock.now(), clock.now() - timedelta(hours=1))

    def logged(self, look: Look, state: ActivityState, age: float) -> None:
        at = look.now - timedelta(seconds=age)
        record(look.launch.workspace, state, Source.HOOK, at)

    # -- activity: the seven ---------------------------------------------------------------------

    async def test_it_has_exited_when_its_process_is_gone(
        self, agent: Agent[Any], look: Look
    ) -> None:
        self.write_native(look.launch, ActivityState.ACTIVE, look.now)
        self.logged(look, ActivityState.ACTIVE, 0)
        ended = look.now - timedelta(seconds=5)
        found = await agent.activity(replace(look, alive=False, ended_at=ended))
        assert found is not None
        assert (found.state, found.at) == (ActivityState.EXITED, ended)

    async def test_it_waits_for_input_when_the_log_says_so(
        self, agent: Agent[Any], look: Look
    ) -> None:
        self.logged(look, ActivityState.WAITING_INPUT, 60)
        found = await agent.activity(look)
        assert found is not None
        assert found.state is ActivityState.WAITING_INPUT

    async def test_it_is_blocked_when_the_log_says_so(self, agent: Agent[Any], look: Look) -> None:
        self.logged(look, ActivityState.BLOCKED, 60)
        found = await agent.activity(look)
        assert found is not None
        assert found.state is ActivityState.BLOCKED

    async def test_it_is_active_when_its_own_log_moves(self, agent: Agent[Any], look: Look) -> None:
        self.write_native(look.launch, ActivityState.ACTIVE, look.now - timedelta(seconds=5))
        found = await agent.activity(look)
        assert found is not None
        assert (found.state, found.source) == (ActivityState.ACTIVE, Source.NATIVE)

    async def test_it_is_active_by_a_fresh_entry_where_it_has_no_log_of_its_own(
        self, agent: Agent[Any], look: Look
    ) -> None:
        self.logged(look, ActivityState.ACTIVE, 5)
        found = await agent.activity(look)
        assert found is not None
        assert found.state is ActivityState.ACTIVE

    async def test_it_is_idle_by_an_old_entry_where_it_has_no_log_of_its_own(
        self, agent: Agent[Any], look: Look
    ) -> None:
        self.logged(look, ActivityState.ACTIVE, 301)
        found = await agent.activity(look)
        assert found is not None
        assert found.state is ActivityState.IDLE

    async def test_nothing_is_known_where_there_is_no_source(
        self, agent: Agent[Any], look: Look
    ) -> None:
        assert await agent.activity(look) is None
        assert await agent.activity(replace(look, alive=None)) is None

    # -- the command -----------------------------------------------------------------------------

    async def test_its_command_is_a_program_and_its_arguments(
        self, agent: Agent[Any], started: Launch
    ) -> None:
        command = agent.launch(started)
        assert command.argv
        assert all("\0" not in word for word in command.argv)
        assert agent.process_name

    @pytest.mark.parametrize("prompt", _FLAGS)
    async def test_no_prompt_is_read_as_a_flag(
        self, agent: Agent[Any], started: Launch, prompt: str
    ) -> None:
        argv = agent.launch(replace(started, prompt=prompt)).argv
        options = argv[: argv.index("--")] if "--" in argv else argv
        assert options.count(prompt) == agent.launch(started).argv.count(prompt)

    async def test_a_prompt_stays_one_argument(self, agent: Agent[Any], started: Launch) -> None:
        long = "a 'b' \"c\" $(d) `e` ; f\n\n{model} $HOME"
        before, after = agent.launch(started).argv, agent.launch(replace(started, prompt=long)).argv
        assert len(before) == len(after)
        having = [word for word in after if "$(d)" in word]
        assert having == [] or (len(having) == 1 and having[0].endswith(long))

    async def test_the_default_mode_approves_nothing(
        self, agent: Agent[Any], started: Launch
    ) -> None:
        assert started.permissions is PermissionMode.DEFAULT
        command = agent.launch(started)
        own = [f"{name}={value}" for name, value in agent.environment(started).items()]
        assert [word for word in (*command.argv, *own) if _APPROVES.search(word)] == []

    async def test_its_environment_is_what_it_was_given_and_its_own(
        self, agent: Agent[Any], started: Launch
    ) -> None:
        own = agent.environment(started)
        assert [name for name in own if not _VARIABLE.fullmatch(name)] == []
        assert [name for name in own if name.startswith("AO_")] == []
        assert agent.launch(started).env == {**started.environment, **own}
        assert [name for name in agent.credentials if not _VARIABLE.fullmatch(name)] == []

    async def test_no_credential_is_on_its_command_line(
        self, agent: Agent[Any], started: Launch
    ) -> None:
        secrets = {name: f"value-of-{name}" for name in agent.credentials}
        launch = replace(started, environment={**started.environment, **secrets})
        assert not set(secrets.values()) & set(agent.launch(launch).argv)

    async def test_setting_it_up_changes_nothing_of_the_users_and_nothing_that_git_has(
        self, agent: Agent[Any], started: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = somebodys_home(tmp_path / "somebody")
        repository = await a_repository(started.workspace)
        monkeypatch.setenv("HOME", str(home))
        given = {**started.environment, "HOME": str(home)}
        before, ready = contents(home), 0
        for mode in PermissionMode:
            launch = replace(started, environment=given, permissions=mode, face=("ao-mcp",))
            with suppress(BadRequest):  # a mode that it has not
                await agent.prepare(launch)
                agent.launch(launch)
                conversing(agent, launch)
                ready += 1
        assert ready
        assert contents(home) == before
        assert await repository.fields("status", "-z", "--untracked-files=all") == []

    # -- by protocol -----------------------------------------------------------------------------

    async def test_by_protocol_the_task_is_said_and_never_an_argument(
        self, agent: Agent[Any], started: Launch
    ) -> None:
        task = "a task that is nobody's argument"
        command = conversing(agent, replace(started, prompt=task))
        words = () if command is None else command.argv
        assert all("\0" not in word for word in words)
        assert [word for word in words if task in word or str(started.prompt_file) in word] == []

    async def test_by_protocol_its_environment_is_the_same(
        self, agent: Agent[Any], started: Launch
    ) -> None:
        command = conversing(agent, started)
        own = agent.environment(started)
        assert command is None or command.env == {**started.environment, **own}

    async def test_by_protocol_the_default_mode_approves_nothing(
        self, agent: Agent[Any], started: Launch
    ) -> None:
        command = conversing(agent, started)
        mode = agent.mode(PermissionMode.DEFAULT) if isinstance(agent, Conversable) else None
        words = (*(command.argv if command else ()), mode or "")
        assert [word for word in words if _APPROVES.search(word)] == []

    async def test_by_protocol_no_credential_is_on_its_command_line(
        self, agent: Agent[Any], started: Launch
    ) -> None:
        secrets = {name: f"value-of-{name}" for name in agent.credentials}
        launch = replace(started, environment={**started.environment, **secrets})
        command = conversing(agent, launch)
        assert not set(secrets.values()) & set(command.argv if command else ())

    async def test_it_is_driven_in_a_way_it_knows(self, agent: Agent[Any], started: Launch) -> None:
        by_protocol = isinstance(agent, Conversable) and agent.preferred is Drive.PROTOCOL
        assert not by_protocol or conversing(agent, started) is not None

    # -- the terminal ----------------------------------------------------------------------------

    async def test_its_composer_can_be_typed_to(self, agent: Agent[Any]) -> None:
        composer = agent.composer()
        assert composer.submit
        shown = (*composer.folded, *composer.dialogs)
        assert all(text.strip() and text.isprintable() for text in shown)

    @pytest.mark.parametrize("screen", ["", "\n" * 50, "\x1b[2J\x00\xff", "x" * 100_000])
    async def test_a_screen_that_shows_nothing_known_is_no_evidence(
        self, agent: Agent[Any], screen: str
    ) -> None:
        assert agent.classify(screen) is None

    async def test_what_it_does_not_know_of_itself_is_missing_not_made_up(
        self, agent: Agent[Any], started: Launch
    ) -> None:
        info = await agent.info(started)
        assert info is None or (info.native_id, info.usage.cost_usd) == (None, None)
        assert list(await agent.turns(started)) == []
        if isinstance(agent, Resumable):
            assert await agent.resume(started) is None


def conversing(agent: Agent[Any], launch: Launch) -> Command | None:
    """The command that starts it by protocol; None where it is not of that kind."""
    return agent.converse(launch) if isinstance(agent, Conversable) else None
