"""Gemini CLI, by the Agent Client Protocol or in its own terminal.

https://geminicli.com/docs/cli/acp-mode/ and https://geminicli.com/docs/hooks/reference/
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar
from uuid import NAMESPACE_URL, uuid5

import anyio

from ao_core.model.activity import ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import (
    Composer,
    Conversable,
    Launch,
    Resumable,
)
from ao_core.slots.runtime import Command
from ao_core.spool import HookEvent, Raw
from ao_core.store.records import Delivery
from ao_plugins._bottom import bottom, ends_with, shows
from ao_plugins._found import detected
from ao_plugins._hooks import hook_in, leaves_word
from ao_plugins._logged import Logged
from ao_plugins.agent._gemini.home import FOLDER, TRUST, Ours, furnish, is_inherited, user_home
from ao_plugins.agent._gemini.hooks import HOOKS, heard
from ao_plugins.agent._gemini.log import Story, logs_in, mend, stories

_PACKAGE = "@google/gemini-cli"
_HINT = f"Install it with `npm install -g {_PACKAGE}`, then run `gemini` once."
_MODES = {
    PermissionMode.DEFAULT: "default",
    PermissionMode.SUGGEST: "default",  # our policy asks before each edit
    PermissionMode.AUTO_EDIT: "auto_edit",
    PermissionMode.PERMISSIONLESS: "yolo",
}
_SPOKEN = {**_MODES, PermissionMode.AUTO_EDIT: "autoEdit"}
_SIGN_IN = (
    "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA",
    "GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL", "GEMINI_MODEL", "GEMINI_CLI_HOME",
)  # fmt: skip
_DIALOGS = (
    "│ Do you trust the files", "│ Allow execution of", "│ Apply this change?", "│ ● 1. ",
    "│ Paste your API key",
)  # fmt: skip
_BOX, _CHOICE = r" ?╰─{10}", r"^ ?│ (● \d+\. |.*Paste your API key here)"
_BUSY, _COMPOSER = r"^ [⠀-⣿] .*\(esc to cancel", r"▀{10}"
_USED_UP = r"(Usage limit reached|[Qq]uota exceeded|exceeded your .*quota|RESOURCE_EXHAUSTED)"
_READY = r"▄\n [>*!] [^▄╰]*\Z"  # the lowest of what looks like it: what was said does, too
_DRAFT = r"▄\n [>*!] +(?!Type your message)\S[^▄]*\Z"


class GeminiConfig(Config):
    """Settings for Gemini CLI."""

    binary: str = "gemini"
    args: tuple[str, ...] = ()
    trust_workspaces: bool = False


class Gemini(Logged[GeminiConfig, Story], Resumable, Conversable):
    """Drives the `gemini` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="gemini",
        slot="agent",
        description="Gemini CLI, by protocol, or by its terminal with hooks.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = GeminiConfig

    @classmethod
    async def detect(cls, config: GeminiConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `gemini` is on that PATH, and speaks the protocol under this name."""
        return await detected(config.binary, environment, _HINT, least="0.60.0", package=_PACKAGE)

    @property
    def process_name(self) -> str:
        """A script, so it goes by what runs it."""
        return "node"

    @property
    def credentials(self) -> Sequence[str]:
        """Keys, and where they are good; without any it uses its own login."""
        return _SIGN_IN

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Its log has the tokens of each answer."""
        return frozenset({Part.TOKENS})

    def launch(self, launch: Launch) -> Command:
        """Start a conversation under an id of ours, so that it can be found and resumed."""
        task = launch.prompt.replace("\0", "")
        task = f"Task: {task}" if task.startswith("/") else task  # no command of its own
        session = f"--session-id={_native_id(launch)}"
        return self._command(launch, session, f"--prompt-interactive={task}")

    async def resume(self, launch: Launch) -> Command | None:
        """Continue it, if it ever said anything."""
        story = await self.story(launch)
        if story is None or not story.turns:
            return None
        return self._command(launch, f"--resume={launch.native_id or _native_id(launch)}")

    @property
    def instructed(self) -> bool:
        """A file of its context brings them."""
        return True

    @property
    def counts(self) -> bool:
        """By protocol it tells of them in a field of its own; its log has them all."""
        return False

    def converse(self, launch: Launch) -> Command | None:
        """Its own mode for programs."""
        return self._command(launch, "--acp")

    def mode(self, permissions: PermissionMode) -> str | None:
        """As it calls them there."""
        return _SPOKEN[permissions]

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """The session's own home, while what is trusted stays with the user's."""
        user = user_home(launch.environment)
        trust = self.config.trust_workspaces or is_inherited(user, launch.workspace)
        return {
            "GEMINI_CLI_HOME": str(_home(launch)),
            "GEMINI_CLI_TRUSTED_FOLDERS_PATH": str(user / FOLDER / TRUST),
            "GEMINI_CLI_NO_RELAUNCH": "1",
            **({"GEMINI_CLI_TRUST_WORKSPACE": "true"} if trust else {}),
        }

    async def prepare(self, launch: Launch) -> None:
        """Its home for this session, with hooks and the worker's tools."""
        await anyio.to_thread.run_sync(self._prepare, launch)

    def composer(self) -> Composer:
        """How its terminal is typed to."""
        return Composer(
            folded=("[Pasted Text",),
            dialogs=_DIALOGS,
            clear=("C-u", "BSpace"),
            allow=("1",),
            deny=("Escape",),
            interrupt=("Escape",),
            working=("(esc to cancel, ",),
            draft=_DRAFT,
            ready=_READY,
            best=Delivery.ACCEPTED,
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By what is lowest: a dialog in its box, or the composer, and what stands above it."""
        lines = bottom(screen)
        if ends_with(lines, _BOX):
            asks = ActivityState.WAITING_INPUT if shows(lines, _CHOICE, 30) else None
            return ActivityState.BLOCKED if asks and self.quota(screen) else asks
        if not ends_with(lines, _COMPOSER, 6):
            return None
        if shows(lines, _BUSY, 16):
            return ActivityState.ACTIVE
        return ActivityState.BLOCKED if _failed(lines) else ActivityState.IDLE

    def quota(self, screen: str) -> str | None:
        """The line with which it ends a turn for want of quota."""
        lines = bottom(screen)
        if ends_with(lines, _BOX):
            found = (re.match(r"│ (Usage limit reached.*?) *│?$", line) for line in lines[-20:])
            return next((one[1] for one in found if one), None)
        failed = _failed(lines) if ends_with(lines, _COMPOSER, 6) else ""
        return failed if re.search(_USED_UP, failed) else None

    def heard(self, told: Raw) -> HookEvent | None:
        """What its hooks are told."""
        return heard(told)

    # -- what it is started with -------------------------------------------------------------------

    def _command(self, launch: Launch, *more: str) -> Command:
        argv = [self.config.binary, f"--approval-mode={_MODES[launch.permissions]}"]
        if launch.model:
            argv.append(f"--model={launch.model}")
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args, *more), env)

    def _prepare(self, launch: Launch) -> None:
        for log in _logs(launch):
            mend(log)
        spoken = launch.drive is Drive.PROTOCOL  # which tells all that hooks would
        script = hook_in(self.scope.state)
        hooks = {} if spoken else {name: leaves_word(script, name) for name in HOOKS}
        ours = Ours(launch.system_prompt, launch.face, hooks, spoken)
        furnish(_home(launch), user_home(launch.environment), launch.workspace, ours)

    # -- its log -----------------------------------------------------------------------------------

    def kept(self, launch: Launch) -> Story | None:
        """What its log amounts to."""
        logs = _logs(launch)
        return stories.of(logs[0]) if logs else None


def _failed(lines: Sequence[str]) -> str:
    """The error that nothing but the composer follows."""
    said = [line for line in lines if re.match(r"[✦✕▀╰]", line)]
    return said[-2][2:] if len(said) > 1 and said[-2].startswith("✕ ") else ""


def _home(launch: Launch) -> Path:
    return launch.folder / "gemini"


def _logs(launch: Launch) -> Sequence[Path]:
    return logs_in(_home(launch) / FOLDER, launch.native_id or _native_id(launch))


def _native_id(launch: Launch) -> str:
    """Its id for this session: the same each time, so that nothing has to be kept."""
    return str(uuid5(NAMESPACE_URL, f"ao:{launch.folder}"))
