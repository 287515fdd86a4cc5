"""Any coding agent that is started by a command line and talks in a terminal.

The command is a template such as `mytool --model {model} -- {prompt}`. It is split into arguments
as https://docs.python.org/3/library/shlex.html says and never reaches a shell. `preset: worker` is
the deterministic worker of the demo.
"""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Annotated, ClassVar, Literal, Self, cast

import anyio
from pydantic import BeforeValidator, Field, field_validator, model_validator

from ao_core.errors import BadRequest
from ao_core.model.activity import Activity, ActivityState
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import Agent, AgentInfo, Composer, Launch, Look, Resumable, Turn
from ao_core.slots.runtime import Command
from ao_core.store.records import Delivery
from ao_plugins._screens import Screens
from ao_plugins._template import check, filled, placeholders, words
from ao_plugins._transcript import conversation, last_word, named

_TASK = frozenset({"prompt", "prompt_file"})
_KNOWN = _TASK | {"system_prompt", "model", "session", "workspace", "issue", "permissions"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,199}")
_HINT = "Install it, or name the program you use as the `command` of this agent."

_WORKER = [
    *(sys.executable, "-I", "-m", "ao_plugins.agent._worker"),
    *("--session", "{session}", "--permissions", "{permissions}"),
]
_PRESETS: Mapping[str, Mapping[str, object]] = {
    "worker": {
        "command": [*_WORKER, "--prompt-file", "{prompt_file}"],
        "resume": [*_WORKER, "--resume"],
        "log": ".ao/worker.jsonl",
        "dialogs": ["Do you want to proceed?"],
        "folded": ["[Pasted text"],
        "allow": ["1"],
        "deny": ["2"],
        "receipt": "accepted",
        "screens": {
            "active": ["^ working"],
            "idle": ["^ idle "],
            "waiting_input": ["^ waiting for your answer", "^ Do you want to proceed"],
            "blocked": ["^ blocked: "],
        },
    }
}


def _template(given: object) -> object:
    return words(given) if isinstance(given, str) else given


CommandLineTemplate = Annotated[tuple[str, ...], BeforeValidator(_template)]


class CommandConfig(Config):
    """Settings for an agent that is started by a command line."""

    preset: Literal["worker"] | None = None
    command: CommandLineTemplate = ()
    args: tuple[str, ...] = ()
    resume: CommandLineTemplate | None = None
    prompt: Literal["argument", "after"] = "argument"
    process: str | None = None
    env: Mapping[str, str] = Field(default={}, repr=False)
    credentials: tuple[str, ...] = ()
    log: str | None = None
    dialogs: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    submit: tuple[str, ...] = Field(default=("Enter",), min_length=1)
    clear: tuple[str, ...] = ("C-u",)
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    screens: Screens = Screens()
    receipt: Literal["submitted", "accepted"] = "submitted"

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        settings = cast("dict[str, object]", given)
        preset = _PRESETS.get(str(settings.get("preset")), {})
        after = {"command": _WORKER} if preset and settings.get("prompt") == "after" else {}
        return {**preset, **after, **settings}

    @field_validator("credentials")
    @classmethod
    def _variables(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_checked_variable, names))

    @field_validator("env")
    @classmethod
    def _environment(cls, env: Mapping[str, str]) -> Mapping[str, str]:
        if any("\0" in value for value in env.values()):
            raise ValueError("a value holds a zero byte")
        return {_checked_variable(name): value for name, value in env.items()}

    @field_validator("log")
    @classmethod
    def _inside(cls, log: str | None) -> str | None:
        if log is not None and (PurePath(log).is_absolute() or ".." in PurePath(log).parts):
            raise ValueError("it names a file inside the workspace")
        return log

    @field_validator("dialogs", "folded", "submit", "clear", "allow", "deny")
    @classmethod
    def _texts(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        if not all(text.strip() and text.isprintable() for text in texts):
            raise ValueError("each is a line of text, and none is empty")
        return texts

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check("command", (*words(self.command), *self.args), _KNOWN)
        if self.resume is not None:
            check("resume", words(self.resume), _KNOWN | {"native_id"})
        carried = bool(_TASK & placeholders((*self.command, *self.args)))
        if carried != (self.prompt == "argument"):
            raise ValueError(
                "put {prompt} or {prompt_file} into the command, or set `prompt: after`, not both"
            )
        return self


class CommandLine(Agent[CommandConfig], Resumable):
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

    def launch(self, launch: Launch) -> Command:
        """The command, with everything put in."""
        return self._command((*self.config.command, *self.config.args), launch)

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """As configured."""
        return self.config.env

    def composer(self) -> Composer:
        """As configured."""
        config = self.config
        return Composer(
            folded=config.folded,
            dialogs=config.dialogs,
            submit=config.submit,
            clear=config.clear,
            allow=config.allow,
            deny=config.deny,
            best=Delivery(config.receipt),
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By the configured patterns."""
        return self.config.screens.state(screen)

    async def native(self, look: Look) -> Activity | None:
        """The last line of its log, where it keeps one."""
        log = self._log(look.launch)
        return await anyio.to_thread.run_sync(last_word, log) if log else None

    async def info(self, launch: Launch) -> AgentInfo | None:
        """Its own id, where it keeps a log."""
        log = self._log(launch)
        return AgentInfo(await anyio.to_thread.run_sync(named, log)) if log else None

    async def turns(self, launch: Launch, limit: int = 20) -> Sequence[Turn]:
        """The last messages, where it keeps a log."""
        log = self._log(launch)
        return await anyio.to_thread.run_sync(conversation, log, limit) if log else ()

    async def resume(self, launch: Launch) -> Command | None:
        """The configured command, unless what it needs is not there."""
        template, log = self.config.resume, self._log(launch)
        if template is None or (log is not None and not await anyio.Path(log).is_file()):
            return None
        if "native_id" in placeholders(template) and launch.native_id is None:
            return None
        return self._command((*template, *self.config.args), launch)

    def _command(self, template: Sequence[str], launch: Launch) -> Command:
        env = {**launch.environment, **self.environment(launch)}
        return Command(filled(template, _values(launch)), env)

    def _log(self, launch: Launch) -> Path | None:
        return launch.workspace / self.config.log if self.config.log else None


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


def _checked_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name) or name.startswith("AO_"):
        raise ValueError(f"{name[:60]!r} cannot be a variable of its own")
    return name
