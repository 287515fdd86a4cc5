"""Trae Agent, by turns: it works until its task is done, and then it ends.

https://github.com/bytedance/trae-agent (README.md, trae_agent/cli.py). Its `interactive` reads each
line as a task of its own, and after it the folder to work in, so nothing longer can be said there.
So each message is a task, which tells what was said before.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import anyio

from ao_core.errors import BadRequest
from ao_core.model.activity import Activity, ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import Agent, AgentInfo, Composer, Launch, Look, Resumable, Turn
from ao_core.slots.runtime import Command
from ao_plugins._bottom import bottom, ends_with
from ao_plugins._by_turns.plan import Plan
from ao_plugins._by_turns.seen import COMPOSER, shown
from ao_plugins._found import detected
from ao_plugins.agent._trae.log import conversation, last_activity, used

_HINT = (
    "Install it as https://github.com/bytedance/trae-agent says, and write its trae_config.yaml."
)
_TASK = (sys.executable, "-I", "-X", "utf8", "-m", "ao_plugins.agent._trae.task")


class TraeConfig(Config):
    """Settings for Trae Agent. `config_file` is its own configuration, with its models."""

    binary: str = "trae-cli"
    args: tuple[str, ...] = ()
    config_file: Path | None = None


class Trae(Agent[TraeConfig], Resumable):
    """Drives the `trae-cli run` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="trae",
        slot="agent",
        description="Trae Agent, run anew for each message, without anybody asked.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = TraeConfig

    @classmethod
    async def detect(cls, config: TraeConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `trae-cli` is on that PATH."""
        return await detected(config.binary, environment, _HINT, least="0.1.0")

    @property
    def process_name(self) -> str:
        """As its script is called; its process is `python`."""
        return "trae-cli"

    @property
    def credentials(self) -> Sequence[str]:
        """The keys of the models that it knows, and where those are."""
        vendors = ("ANTHROPIC", "OPENAI", "GOOGLE", "OPENROUTER", "DOUBAO", "AZURE")
        own = (f"{one}_{what}" for one in vendors for what in ("API_KEY", "BASE_URL"))
        return ("TRAE_CONFIG_FILE", *own)

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Its trajectory has the tokens of each answer."""
        return frozenset({Part.TOKENS})

    def launch(self, launch: Launch) -> Command:
        """Work on the task, and on what it is told later."""
        return self._command(self._plan(launch).argv(), launch)

    async def resume(self, launch: Launch) -> Command | None:
        """Go on with what was said so far, if anything was."""
        plan = self._plan(launch)
        begun = await anyio.to_thread.run_sync(lambda: plan.begun)
        return self._command(plan.argv(again=True), launch) if begun else None

    async def prepare(self, launch: Launch) -> None:
        """It asks nobody, so that has to be wanted."""
        if launch.permissions is not PermissionMode.PERMISSIONLESS:
            raise BadRequest(
                "Trae never asks before it does something.",
                hint="Choose `permissions: permissionless` for it, or another agent.",
            )

    def composer(self) -> Composer:
        """That of what runs it."""
        return COMPOSER

    def classify(self, screen: str) -> ActivityState | None:
        """That it works or rests, and what ends it without a trajectory."""
        failed = ends_with(bottom(screen), r"(Error: |Unexpected error: )", 3)
        return shown(screen) or (ActivityState.BLOCKED if failed else None)

    async def native(self, look: Look) -> Activity | None:
        """What the trajectory of its last turn shows."""
        return await anyio.to_thread.run_sync(last_activity, _own(look.launch))

    async def info(self, launch: Launch) -> AgentInfo | None:
        """What it has used in all its turns."""
        spent = await anyio.to_thread.run_sync(used, _own(launch))
        return AgentInfo(usage=spent) if spent else None

    async def turns(self, launch: Launch, limit: int = 20) -> Sequence[Turn]:
        """What it was told, and what it said at each step."""
        found = await anyio.to_thread.run_sync(conversation, _own(launch))
        return found[-limit:] if limit > 0 else ()

    def _command(self, argv: tuple[str, ...], launch: Launch) -> Command:
        return Command(argv, {**launch.environment, **self.environment(launch)})

    def _plan(self, launch: Launch) -> Plan:
        """Each message is handed to what makes a task of it, and becomes `trae-cli`."""
        own, instructions = str(_own(launch)), str(launch.system_prompt)
        return Plan(
            folder=launch.folder / "turns",
            first=launch.prompt_file,
            command=(*_TASK, "{own}", "{instructions}", "{prompt_file}", "{run}"),
            values={"own": own, "instructions": instructions, "run": self._run(launch)},
            log=_own(launch),
            logged="trae",
        )

    def _run(self, launch: Launch) -> str:
        argv = [self.config.binary, "run", "--working-dir", str(launch.workspace)]
        argv += ["--console-type", "simple"]
        if self.config.config_file:
            argv += ["--config-file", str(self.config.config_file)]
        if launch.model:
            argv += ["--model", launch.model]
        return json.dumps([*argv, *self.config.args])


def _own(launch: Launch) -> Path:
    return launch.folder / "trae"
