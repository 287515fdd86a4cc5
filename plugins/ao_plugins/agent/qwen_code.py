"""Qwen Code, by the Agent Client Protocol or in its own terminal.

https://qwenlm.github.io/qwen-code-docs/en/users/configuration/settings/
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from uuid import NAMESPACE_URL, uuid5

import anyio

from ao_core.model.activity import Activity, ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import (
    Composer,
    Conversable,
    Launch,
    Look,
    Resumable,
)
from ao_core.slots.runtime import Command
from ao_core.spool import HookEvent, Raw
from ao_core.store.records import Delivery
from ao_plugins._found import detected, remember, remembered
from ao_plugins._hooks import asks, hook_in, leaves_word
from ao_plugins._jsonc import text_of
from ao_plugins._logged import Receipted
from ao_plugins.agent._qwen.hooks import HOOKS, heard
from ao_plugins.agent._qwen.log import Story, stories
from ao_plugins.agent._qwen.screen import state_of, used_up
from ao_plugins.agent._qwen.settings import TOOLS, furnish, hook, layers

_PACKAGE = "@qwen-code/qwen-code"
_HINT = f"Install it with `npm install -g {_PACKAGE}`, then run `qwen` once."
_WAIT, _PATIENCE = 10, 3_600_000  # seconds; what is a thousand or more it takes for milliseconds
_MODES = {
    PermissionMode.DEFAULT: "default",
    PermissionMode.SUGGEST: "default",  # our policy asks before each edit
    PermissionMode.AUTO_EDIT: "auto-edit",
    PermissionMode.PERMISSIONLESS: "yolo",
}
_SIGN_IN = (
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "DASHSCOPE_API_KEY", "QWEN_MODEL",
    "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "GEMINI_API_KEY", "GOOGLE_API_KEY", "QWEN_HOME",
    "QWEN_RUNTIME_DIR",
)  # fmt: skip
_READY = r"─\n[>*!] [^╰]*\Z"
_DRAFT = r"─\n[>*!] (?! *Type your message)\S[^╰]*\Z"
_QUIET = timedelta(seconds=3)


class QwenCodeConfig(Config):
    """Settings for Qwen Code."""

    binary: str = "qwen"
    args: tuple[str, ...] = ()


class QwenCode(Receipted[QwenCodeConfig, Story], Resumable, Conversable):
    """Drives the `qwen` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="qwen-code",
        slot="agent",
        description="Qwen Code, by protocol, or by its terminal with hooks.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = QwenCodeConfig

    @classmethod
    async def detect(cls, config: QwenCodeConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `qwen` is on that PATH, and has the hooks that are used."""
        return await detected(config.binary, environment, _HINT, least="0.24.0", package=_PACKAGE)

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
        return self._command(launch, *_tools(launch), session, f"--prompt-interactive={task}")

    async def resume(self, launch: Launch) -> Command | None:
        """Continue it, if it ever said anything."""
        story = await self.story(launch)
        if story is None or not story.turns:
            return None
        id = launch.native_id or _native_id(launch)
        return self._command(launch, *_tools(launch), f"--resume={id}")

    @property
    def instructed(self) -> bool:
        """A flag brings them."""
        return True

    @property
    def counts(self) -> bool:
        """By protocol it tells of them in a field of its own; its log has them all."""
        return False

    def converse(self, launch: Launch) -> Command | None:
        """Its own mode for programs."""
        return self._command(launch, "--acp")

    def mode(self, permissions: PermissionMode) -> str | None:
        """As it calls them."""
        return _MODES[permissions]

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """Where our settings are, beside those of its machine; tools are there from the start."""
        return {**layers(launch), "QWEN_CODE_LANG": "en", "QWEN_CODE_LEGACY_MCP_BLOCKING": "1"}

    async def prepare(self, launch: Launch) -> None:
        """Its settings for this session: hooks and the worker's tools, in files of ours."""
        await anyio.to_thread.run_sync(self._prepare, launch)

    def composer(self) -> Composer:
        """How its terminal is typed to."""
        return Composer(
            folded=("[Pasted Content",),
            dialogs=("Waiting for user confirmation...", "│ › "),
            clear=("C-u", "BSpace"),
            allow=("1",),
            deny=("Escape",),
            interrupt=("C-c",),  # Escape would put the task back into the composer
            working=(" · esc to cancel)",),
            draft=_DRAFT,
            ready=_READY,
            best=Delivery.ACCEPTED,
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By what is lowest: a dialog, or the composer, and what stands above it."""
        return state_of(screen)

    def quota(self, screen: str) -> str | None:
        """The line with which it ends a turn for want of quota."""
        return used_up(screen)

    def heard(self, told: Raw) -> HookEvent | None:
        """What its hooks are told."""
        return heard(told)

    async def native(self, look: Look) -> Activity | None:
        """What its log shows; of a turn that was broken off at the keyboard, only its screen."""
        story = await self.story(look.launch)
        last = story.last if story else None
        if last is None or look.screen is None or look.now - last.at < _QUIET:
            return last
        rests = self.classify(look.screen) is ActivityState.IDLE
        broken_off = rests and last.state is ActivityState.ACTIVE
        return (
            Activity(ActivityState.READY, look.now, last.source, over=True) if broken_off else last
        )

    # -- what it is started with -------------------------------------------------------------------

    def _command(self, launch: Launch, *more: str) -> Command:
        argv = [self.config.binary, f"--approval-mode={_MODES[launch.permissions]}"]
        if told := text_of(launch.system_prompt).replace("\0", ""):
            argv.append(f"--append-system-prompt={told}")
        if launch.face:
            argv += ["--allowed-tools=mcp__ao", "--exclude-tools=ask_user_question"]
        if launch.model:
            argv.append(f"--model={launch.model}")
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args, *more), env)

    def _prepare(self, launch: Launch) -> None:
        hooks: dict[str, object] = {}
        if launch.drive is Drive.TERMINAL:  # the protocol tells all of it
            script = hook_in(self.scope.state)
            hooks = {name: hook(leaves_word(script, name), _WAIT) for name in HOOKS}
            hooks["PermissionRequest"] = hook(asks("qwen"), _PATIENCE)
        furnish(launch, hooks)
        given = launch.environment
        home = given.get("QWEN_HOME") or f"{given.get('HOME', '~')}/.qwen"
        remember(launch.folder, {"home": given.get("QWEN_RUNTIME_DIR") or home})

    # -- its log -----------------------------------------------------------------------------------

    def kept(self, launch: Launch) -> Story | None:
        """What its log amounts to."""
        home = remembered(launch.folder).get("home")
        if home is None:
            return None
        name = f"{launch.native_id or _native_id(launch)}.jsonl"
        log = next(Path(home).glob(f"projects/*/chats/{name}"), None)
        return stories.of(log) if log else None


def _tools(launch: Launch) -> Sequence[str]:
    return (f"--mcp-config={launch.folder / TOOLS}",) if launch.face else ()


def _native_id(launch: Launch) -> str:
    """Its id for this session: the same each time, so that nothing has to be kept."""
    return str(uuid5(NAMESPACE_URL, f"ao:{launch.folder}"))
