"""OpenAI's Codex, in its own terminal or by protocol.

https://developers.openai.com/codex/cli, https://developers.openai.com/codex/hooks and
https://github.com/agentclientprotocol/codex-acp
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import anyio

from ao_core.errors import NotInstalled
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
from ao_core.spool import HookEvent, HookKind, Raw
from ao_core.store.records import Delivery
from ao_plugins._found import detected, with_adapter
from ao_plugins._logged import Logged
from ao_plugins._tokens import token_in
from ao_plugins.agent._codex import screen as drawn
from ao_plugins.agent._codex.log import Story, story_of
from ao_plugins.agent._codex.settings import asked, flags, hooks, keep, kept, servers

_HINT = "Install it with `npm install -g @openai/codex`, then run `codex login`."
_ADAPTER_HINT = (
    "Install it with `npm install -g @agentclientprotocol/codex-acp`, or use `drive: terminal`."
)
_BESIDE = "By protocol: `npm install -g @agentclientprotocol/codex-acp`."
_ASKS = ("--ask-for-approval", "on-request", "-c", 'approvals_reviewer="user"', "--sandbox")
_MODES = {
    PermissionMode.DEFAULT: (*_ASKS, "read-only"),
    PermissionMode.SUGGEST: (*_ASKS, "read-only"),
    PermissionMode.AUTO_EDIT: (*_ASKS, "workspace-write"),
    PermissionMode.PERMISSIONLESS: ("--dangerously-bypass-approvals-and-sandbox",),
}
_SPOKEN = {
    PermissionMode.DEFAULT: "read-only",
    PermissionMode.SUGGEST: "read-only",
    PermissionMode.AUTO_EDIT: "workspace-write",
    PermissionMode.PERMISSIONLESS: "agent-full-access",
}
_QUIET = {"check_for_update_on_startup": False}


class CodexConfig(Config):
    """Settings for Codex."""

    binary: str = "codex"
    protocol: str = "codex-acp"
    args: tuple[str, ...] = ()
    trust_workspaces: bool = False


class Codex(Logged[CodexConfig, Story], Resumable, Conversable):
    """Drives the `codex` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="codex",
        slot="agent",
        description="OpenAI Codex, by its terminal with hooks, or by protocol.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = CodexConfig

    @classmethod
    async def detect(cls, config: CodexConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `codex` is on that PATH, and has the hooks that are used."""
        found = await detected(config.binary, environment, _HINT, least="0.166")
        return with_adapter(found, config.protocol, environment.get("PATH", ""), _BESIDE)

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "codex"

    @property
    def credentials(self) -> Sequence[str]:
        """Keys, and where its login is; without a key it uses its own login."""
        return (
            "OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "OPENAI_BASE_URL",
            "CODEX_HOME", "CODEX_SQLITE_HOME", "CODEX_CA_CERTIFICATE",
        )  # fmt: skip

    @property
    def commands(self) -> Sequence[str]:
        """Those that ask nothing back."""
        return ("/compact", "/status")

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Its log has the tokens of each answer, and nowhere what they cost."""
        return frozenset({Part.TOKENS})

    def launch(self, launch: Launch) -> Command:
        """Start a conversation; what it is called its first hook tells."""
        return self._command(launch, (), launch.prompt.replace("\0", ""))

    async def resume(self, launch: Launch) -> Command | None:
        """Continue it, if it ever said anything."""
        story = await self.story(launch)
        if story is None or story.native_id is None:
            return None
        return self._command(launch, ("resume",), story.native_id)

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """By protocol it is told there what else is told by flags."""
        if launch.drive is not Drive.PROTOCOL:
            return {}
        told = {**_QUIET, **kept(launch), **({"model": launch.model} if launch.model else {})}
        return {
            "CODEX_PATH": self.config.binary,
            "CODEX_CONFIG": json.dumps(told),
            "INITIAL_AGENT_MODE": _SPOKEN[launch.permissions],
        }

    async def prepare(self, launch: Launch) -> None:
        """What it is told for this session, kept in a file of ours."""
        wanted = await anyio.to_thread.run_sync(hooks, launch, self.scope.state)
        known = await asked(self.config.binary, wanted, launch.environment, launch.workspace)
        await anyio.to_thread.run_sync(keep, launch, {**wanted, **known.hooks}, known.instructions)

    def composer(self) -> Composer:
        """How its terminal is typed to."""
        return Composer(
            folded=("[Pasted Content",),
            dialogs=drawn.DIALOGS,
            clear=("C-u",) * 40,  # two for each line
            allow=("y",),
            deny=("Escape",),
            interrupt=("Escape",),
            working=("esc to interrupt",),
            draft=drawn.DRAFT,
            ready=drawn.READY,
            best=Delivery.ACCEPTED,  # its hook is told each prompt, with our token, as it takes it
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By what is lowest: a dialog, or its composer with what is above it."""
        return drawn.state(screen)

    def quota(self, screen: str) -> str | None:
        """What it says of a limit that ended its turn."""
        said = drawn.complaint(screen)
        return said if said and re.search(r"\blimit\b|^Quota exceeded", said) else None

    def heard(self, told: Raw) -> HookEvent | None:
        """What its hooks are told."""
        match told.hook:
            case "SessionStart":
                return told.event(HookKind.SESSION_STARTED, native_id=told.text("session_id"))
            case "UserPromptSubmit":
                prompt = told.text("prompt")
                return told.event(
                    HookKind.TURN_STARTED, prompt.strip()[:200], token=token_in(prompt)
                )
            case "Stop":
                return told.event(HookKind.TURN_ENDED, told.text("last_assistant_message"))
            case "Interrupt":
                return told.event(HookKind.TURN_ENDED)
            case _:
                return None

    async def activity(self, look: Look) -> Activity | None:
        """What it does now; what has stopped it is said."""
        found = await super().activity(look)
        if found is None or found.detail or found.state is not ActivityState.BLOCKED:
            return found
        return replace(found, detail=drawn.complaint(look.screen or ""))

    # -- by protocol -------------------------------------------------------------------------------

    @property
    def preferred(self) -> Drive:
        """By terminal: the protocol takes a program of somebody else's, and tells less."""
        return Drive.TERMINAL

    @property
    def instructed(self) -> bool:
        """Its configuration brings them."""
        return True

    @property
    def counts(self) -> bool:
        """Each turn tells of itself alone; its log has them all."""
        return False

    def converse(self, launch: Launch) -> Command | None:
        """The adapter, which runs the same `codex`."""
        program = self.config.protocol
        if shutil.which(program, path=launch.environment.get("PATH", "")) is None:
            raise NotInstalled(f"{program} is not on PATH", hint=_ADAPTER_HINT)
        return Command((program,), {**launch.environment, **self.environment(launch)})

    def mode(self, permissions: PermissionMode) -> str | None:
        """Its own name for them; unless told, it would have its model judge what is safe."""
        return _SPOKEN[permissions]

    # -- what it is started with -------------------------------------------------------------------

    def _command(self, launch: Launch, how: Sequence[str], last: str) -> Command:
        argv = [self.config.binary, *how, "--no-daemon", "--no-alt-screen"]
        argv += _MODES[launch.permissions]
        argv += flags({**_QUIET, **kept(launch), **servers(launch)})
        if self.config.trust_workspaces:
            argv += flags({"projects": {str(launch.workspace): {"trust_level": "trusted"}}})
        if launch.model:
            argv += ["--model", launch.model]
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args, "--", last), env)

    # -- its log -----------------------------------------------------------------------------------

    def kept(self, launch: Launch) -> Story | None:
        """What its log amounts to."""
        return story_of(launch)
