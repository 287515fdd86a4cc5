"""Aider, in its own terminal.

https://aider.chat/docs/config/options.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import anyio
import yaml

from ao_core.activity import last
from ao_core.drive.loose import mapping
from ao_core.errors import BadRequest
from ao_core.git.exclude import keep_out
from ao_core.git.repository import Git
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import Agent, AgentInfo, Asked, Composer, Launch, Look, Resumable, Turn
from ao_core.slots.runtime import Command
from ao_core.store.records import Delivery
from ao_plugins._bottom import bottom
from ao_plugins._found import detected
from ao_plugins._tokens import tokens
from ao_plugins.agent._aider.log import Deeds, deeds_in, speaks, turns_in
from ao_plugins.agent._aider.screen import question, trouble

_HINT = "Install it with `pip install aider-install && aider-install`."
_CACHE = "/.aider.tags.cache.v*/"  # the only thing it has nowhere but in the worktree
_QUIET = (
    "--pretty", "--fancy-input", "--no-multiline", "--no-check-update",
    "--no-show-release-notes", "--no-analytics", "--no-gitignore", "--no-detect-urls",
    "--no-auto-accept-architect", "--no-show-model-warnings", "--no-notifications",
)  # fmt: skip
_PROMPT = r"─{10,}\n(?:(?!─{10}).*\n){0,12}?(?:[a-z-]+ ?)?(?:multi)?>"
_QUOTA = re.compile(r"RateLimit|quota|billing|credit|insufficient", re.IGNORECASE)


class AiderConfig(Config):
    """Settings for aider."""

    binary: str = "aider"
    args: tuple[str, ...] = ()


class Aider(Agent[AiderConfig], Resumable):
    """Drives the `aider` command, which has neither hooks nor MCP servers."""

    manifest: ClassVar[Manifest] = Manifest("aider", "agent", "Aider, by its terminal.", "1.0.0")
    config_type: ClassVar[type[Config]] = AiderConfig

    @classmethod
    async def detect(cls, config: AiderConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `aider` is on that PATH, and is one whose questions are known."""
        return await detected(config.binary, environment, _HINT, least="0.86.0")

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "aider"

    @property
    def credentials(self) -> Sequence[str]:
        """Keys, and where they are good."""
        return (
            "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_API_BASE", "GEMINI_API_KEY",
            "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY", "AIDER_MODEL",
        )  # fmt: skip

    @property
    def prompt_in_command(self) -> bool:
        """With a message in its command it would end after that."""
        return False

    @property
    def commands(self) -> Sequence[str]:
        """Those that ask nothing back."""
        return ("/tokens", "/ls", "/drop", "/undo")

    @property
    def watched(self) -> bool:
        """Its questions are on its screen alone."""
        return True

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Of its conversation; what the messages of its commits take it does not count."""
        return frozenset({Part.TOKENS, Part.COST})

    def launch(self, launch: Launch) -> Command:
        """Start it; its task is typed."""
        return self._command(launch)

    async def resume(self, launch: Launch) -> Command | None:
        """Start it with its transcript, if it ever wrote one."""
        if not await anyio.to_thread.run_sync(turns_in, _transcript(launch)):
            return None
        return self._command(launch, "--restore-chat-history")

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """It says yes only where it is told to."""
        return {"AIDER_YES_ALWAYS": "false"}

    async def prepare(self, launch: Launch) -> None:
        """Keep its cache out of git's sight; refuse where it would say yes to everything."""
        _own(launch).mkdir(exist_ok=True, mode=0o700)
        if launch.permissions is not PermissionMode.PERMISSIONLESS:
            await anyio.to_thread.run_sync(_refuse_yes, launch)
        if (launch.workspace / ".git").exists():
            common = await Git(self.scope.run, launch.workspace).common_dir()
            await anyio.to_thread.run_sync(keep_out, common, [_CACHE])

    def composer(self) -> Composer:
        """How its terminal is typed to: at its prompt alone, since it reads all else later."""
        return Composer(
            dialogs=(),  # its questions stay where they were asked; `ready` keeps text out of them
            clear=(),  # no key clears all lines of a draft
            allow=("y", "Enter"),
            deny=("n", "Enter"),
            interrupt=("C-c",),
            working=("Waiting for ",),
            ready=_PROMPT + r"\s*\Z",  # with nothing behind it
            best=Delivery.SUBMITTED,  # an Enter is not tried again: it could answer a question
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By what is lowest: a question, its prompt below a rule, or that it waits."""
        lines = bottom(screen, 20)
        if question(screen):
            return ActivityState.WAITING_INPUT
        if re.search(_PROMPT + r"[^\n]*(?:\n>[^\n]*)*\s*\Z", "\n".join(lines)):
            return ActivityState.BLOCKED if trouble(screen) else ActivityState.IDLE
        waits = lines and re.match(r"\W{1,12}Waiting for \S+$", lines[-1])
        return ActivityState.ACTIVE if waits else None

    def quota(self, screen: str) -> str | None:
        """The error that ended its turn, if it is about that."""
        said = trouble(screen)
        return said if said and _QUOTA.search(said) else None

    async def asks(self, look: Look) -> Asked | None:
        """Its question, with what stands above: a command, the name of a file."""
        return None if await _speaks(look.launch) else question(look.screen or "")

    async def taken(self, launch: Launch) -> frozenset[str]:
        """What was said to it, by its transcript."""
        return tokens(await anyio.to_thread.run_sync(turns_in, _transcript(launch)))

    async def activity(self, look: Look) -> Activity | None:
        """As for every agent, but while its model speaks a question is only a quoted one, and
        before it was told anything its prompt is no end of a turn.
        """
        deeds = await self._deeds(look.launch)
        shown = self.classify(look.screen) if look.screen else None
        quoted = shown is ActivityState.WAITING_INPUT and await _speaks(look.launch)
        fresh = shown is ActivityState.IDLE and (deeds is None or deeds.last is None)
        return await super().activity(replace(look, screen=None) if quoted or fresh else look)

    async def native(self, look: Look) -> Activity | None:
        """What its log shows: it is active for as long as its model speaks and its screen moves."""
        deeds = await self._deeds(look.launch)
        shown = self.classify(look.screen) if look.screen else None
        if look.screen and shown is ActivityState.BLOCKED:
            return Activity(shown, look.now, Source.SCREEN, trouble(look.screen))
        if deeds is None or deeds.last is None or shown:
            return None
        if look.screen and await _speaks(look.launch):
            return replace(deeds.last, at=look.now)
        seen = await anyio.to_thread.run_sync(last, look.launch.workspace)
        return None if seen and seen.at > deeds.last.at else deeds.last

    async def info(self, launch: Launch) -> AgentInfo | None:
        """What it has used."""
        deeds = await self._deeds(launch)
        return deeds and AgentInfo(usage=deeds.used)

    async def turns(self, launch: Launch, limit: int = 20) -> Sequence[Turn]:
        """The last messages of its transcript."""
        found = await anyio.to_thread.run_sync(turns_in, _transcript(launch))
        return found[-limit:] if limit > 0 else ()

    def _command(self, launch: Launch, *more: str) -> Command:
        own = _own(launch)
        argv = [self.config.binary, *_QUIET, "--analytics-log", str(own / "log.jsonl")]
        argv += ["--chat-history-file", str(_transcript(launch))]
        argv += ["--input-history-file", str(own / "input"), "--read", str(launch.system_prompt)]
        if launch.permissions is PermissionMode.PERMISSIONLESS:
            argv.append("--yes-always")
        if launch.model:
            argv += ["--model", launch.model]
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *more, *self.config.args), env)

    async def _deeds(self, launch: Launch) -> Deeds | None:
        return await anyio.to_thread.run_sync(deeds_in.of, _own(launch) / "log.jsonl")


def _own(launch: Launch) -> Path:
    return launch.folder / "aider"


def _transcript(launch: Launch) -> Path:
    return _own(launch) / "chat.md"


async def _speaks(launch: Launch) -> bool:
    log = _own(launch) / "log.jsonl"
    return await anyio.to_thread.run_sync(speaks, log, _transcript(launch))


def _refuse_yes(launch: Launch) -> None:
    """No option takes back what a file of its own configuration says."""
    home = Path(launch.environment.get("HOME", "~"))
    for path in (home / ".aider.conf.yml", launch.workspace / ".aider.conf.yml"):
        try:
            told = mapping(yaml.safe_load(path.read_bytes()))
        except (OSError, yaml.YAMLError):
            continue
        if told.get("yes-always") or told.get("yes_always"):
            raise BadRequest(
                f"{path} has aider say yes to everything.",
                hint="Take `yes-always` out of it, or spawn with permissions permissionless.",
            )
