"""Any coding agent that is started by a command line.

The command is a template such as `mytool --model {model} -- {prompt}`. It is split into arguments
as https://docs.python.org/3/library/shlex.html says and never reaches a shell. `preset: worker` is
the deterministic worker of the demo. With a `protocol` command it speaks the Agent Client Protocol
(https://agentclientprotocol.com), too. One that is `one_shot` ends with its turn, and is run again.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import ClassVar

import anyio

from ao_core.errors import BadRequest
from ao_core.model.activity import Activity, ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import (
    Agent,
    AgentInfo,
    Composer,
    Conversable,
    Launch,
    Look,
    Resumable,
    Turn,
)
from ao_core.slots.runtime import Command
from ao_core.store.records import Delivery
from ao_plugins._by_turns.plan import Plan
from ao_plugins._by_turns.seen import COMPOSER, shown
from ao_plugins._command import CommandConfig
from ao_plugins._template import filled, placeholders
from ao_plugins._transcript import conversation, last_word, named, used

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,199}")
_HINT = "Install it, or name the program you use as the `command` of this agent."


class CommandLine(Agent[CommandConfig], Resumable, Conversable):
    """Starts what its configuration says."""

    manifest: ClassVar[Manifest] = Manifest(
        name="command",
        slot="agent",
        description="Any coding agent that a command line starts in a terminal.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = CommandConfig

    @classmethod
    async def detect(cls, config: CommandConfig, environment: Mapping[str, str]) -> Detection:
        """Whether the program is on that PATH."""
        if not config.command:  # asked of the plugin itself, before anybody has configured it
            return Detection(True, "runs the command line it is given")
        program = config.command[0]
        path = environment.get("PATH", "")
        found = await anyio.to_thread.run_sync(lambda: shutil.which(program, path=path))
        if found is None:
            return Detection(False, f"{program} is not on PATH", _HINT)
        return Detection(True, found)

    @property
    def process_name(self) -> str:
        """As configured, else the program's own name."""
        return self.config.process or PurePath(self.config.command[0]).name

    @property
    def credentials(self) -> Sequence[str]:
        """As configured."""
        return self.config.credentials

    @property
    def prompt_in_command(self) -> bool:
        """Unless the first prompt is sent after the start."""
        return self.config.prompt == "argument"

    @property
    def watched(self) -> bool:
        """Unless it is the worker of the demo, which has hooks."""
        return self.config.preset is None

    @property
    def commands(self) -> Sequence[str]:
        """As configured."""
        return () if self.config.one_shot else self.config.commands

    def launch(self, launch: Launch) -> Command:
        """The command, with everything put in."""
        if self.config.one_shot:
            return Command(self._plan(launch).argv(), self._variables(launch))
        return self._command((*self.config.command, *self.config.args), launch)

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """As configured."""
        return self.config.env

    def composer(self) -> Composer:
        """As configured."""
        config = self.config
        if config.one_shot:
            return COMPOSER
        return Composer(
            folded=config.folded,
            dialogs=config.dialogs,
            submit=config.submit,
            clear=config.clear,
            allow=config.allow,
            deny=config.deny,
            interrupt=config.interrupt,
            working=config.working,
            now=config.now,
            draft=config.draft,
            ready=config.ready,
            best=Delivery(config.receipt),
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By the configured patterns; between two turns only whether the last went wrong."""
        own, said = (
            shown(screen) if self.config.one_shot else None,
            self.config.screens.state(screen),
        )
        rests = own is ActivityState.IDLE and said is not ActivityState.BLOCKED
        return own if rests else said or own

    def quota(self, screen: str) -> str | None:
        """By the configured patterns."""
        return self.config.screens.exhausted(screen)

    async def native(self, look: Look) -> Activity | None:
        """The last line of its log, where it keeps one."""
        log = self._log(look.launch)
        return await anyio.to_thread.run_sync(last_word, log) if log else None

    async def info(self, launch: Launch) -> AgentInfo | None:
        """Its own id and what it has used, where it keeps a log."""
        log = self._log(launch)
        return await anyio.to_thread.run_sync(_info, log) if log else None

    def tells(self, drive: Drive) -> frozenset[Part]:
        """In a terminal, what the lines of its log tell, where the configuration says so."""
        if drive is Drive.PROTOCOL or self.config.usage:
            return frozenset({Part.TOKENS, Part.COST})
        return frozenset()

    async def turns(self, launch: Launch, limit: int = 20) -> Sequence[Turn]:
        """The last messages, where it keeps a log."""
        log = self._log(launch)
        return await anyio.to_thread.run_sync(conversation, log, limit) if log else ()

    async def resume(self, launch: Launch) -> Command | None:
        """The configured command, unless what it needs is not there."""
        if self.config.one_shot:
            plan = self._plan(launch)
            told = Command(plan.argv(again=True), self._variables(launch))
            return told if await anyio.to_thread.run_sync(lambda: plan.begun) else None
        template, log = self.config.resume, self._log(launch)
        if template is None or (log is not None and not await anyio.Path(log).is_file()):
            return None
        if "native_id" in placeholders(template) and launch.native_id is None:
            return None
        return self._command((*template, *self.config.args), launch)

    @property
    def preferred(self) -> Drive:
        """By its terminal, which is what its `command` starts."""
        return Drive.TERMINAL

    def converse(self, launch: Launch) -> Command | None:
        """The configured command for the protocol; the task is no part of it."""
        template = self.config.protocol
        return self._command((*template, *self.config.args), launch) if template else None

    def mode(self, permissions: PermissionMode) -> str | None:
        """As configured."""
        return self.config.modes.get(permissions)

    @property
    def instructed(self) -> bool:
        """Where it is named in the command; the worker of the demo knows its ways."""
        named = "system_prompt" in placeholders(self.config.protocol or ())
        return named or self.config.preset is not None

    def _command(self, template: Sequence[str], launch: Launch) -> Command:
        return Command(filled(template, _values(launch)), self._variables(launch))

    def _variables(self, launch: Launch) -> Mapping[str, str]:
        return {**launch.environment, **self.environment(launch)}

    def _plan(self, launch: Launch) -> Plan:
        config, values = self.config, _values(launch)
        kept = {name: value for name, value in values.items() if not name.startswith("prompt")}
        return Plan(
            folder=launch.folder / "turns",
            first=launch.prompt_file,
            command=(*config.command, *config.args),
            resume=(*config.resume, *config.args) if config.resume else None,
            values=kept,
            log=self._log(launch),
        )

    def _log(self, launch: Launch) -> Path | None:
        return launch.workspace / self.config.log if self.config.log else None


def _info(log: Path) -> AgentInfo:
    return AgentInfo(named(log), usage=used(log))


def _values(launch: Launch) -> dict[str, str | None]:
    if launch.model is not None and not _MODEL.fullmatch(launch.model):
        raise BadRequest("that is no name of a model", hint="Use the name the agent knows it by.")
    return {
        "prompt": launch.prompt.replace("\0", "") or None,
        "prompt_file": str(launch.prompt_file),
        "system_prompt": str(launch.system_prompt),
        "model": launch.model,
        "session": launch.session,
        "workspace": str(launch.workspace),
        "issue": launch.issue,
        "permissions": launch.permissions.value,
        "native_id": launch.native_id,
    }
