"""Kiro, by the Agent Client Protocol or in its terminal.

https://kiro.dev/docs/cli/acp and https://kiro.dev/docs/reference/cli-commands. Its screens are
known from https://github.com/awslabs/cli-agent-orchestrator (test/providers/fixtures) and
https://github.com/ogulcancelik/herdr (src/detect/manifests/kiro.toml).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import anyio

from ao_core.model.activity import Activity, ActivityState
from ao_core.model.session import PermissionMode
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
from ao_core.spool import HookEvent, Raw
from ao_core.store.records import Delivery
from ao_plugins import _own_file
from ao_plugins._bottom import bottom, ends_with
from ao_plugins._found import detected, remember, remembered
from ao_plugins._hooks import hook_in
from ao_plugins._q_chat import (
    AGENT,
    ASKING,
    SPOKEN,
    TYPED,
    agent_file,
    in_trouble,
    line_state,
    of_hook,
    spoken_file,
    trusting,
    used_up,
)
from ao_plugins.agent._kiro.log import activity, log_of, stories

_HINT = "Install it as https://kiro.dev/cli says, then run `kiro-cli login`."
_FILES = ".kiro/agents/{}.json"
_CONTEXT = ("AGENTS.md", "README.md", ".kiro/steering/**/*.md")  # as its own has
_DIALOG = (
    r"[ ❯›>]*(esc to cancel · ↑↓ to navigate|esc to close\b|Yes +No +Always [Aa]llow"
    r"|Yes, single permission|Trust, always allow|No \(Tab to edit\))"
)
_READY = r" ?[Aa]sk a question,? or describe a task"
_BUSY = r"[ \u2800-\u28ff●]*(Kiro is working|Thinking\.\.\.)"


class KiroConfig(Config):
    """Settings for Kiro."""

    binary: str = "kiro-cli"
    args: tuple[str, ...] = ()


class Kiro(Agent[KiroConfig], Resumable, Conversable):
    """Drives the `kiro-cli` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="kiro",
        slot="agent",
        description="Kiro, by protocol, or by its terminal with hooks.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = KiroConfig

    @classmethod
    async def detect(cls, config: KiroConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `kiro-cli` is on that PATH, and speaks the protocol as it does now."""
        return await detected(config.binary, environment, _HINT, least="2.0.0")

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "kiro-cli"

    @property
    def credentials(self) -> Sequence[str]:
        """Its key, and where its own things are; without a key it uses its own login."""
        return ("KIRO_API_KEY", "KIRO_HOME")

    @property
    def commands(self) -> Sequence[str]:
        """Those that ask nothing back."""
        return ("/compact", "/usage")

    @property
    def watched(self) -> bool:
        """Its questions are on its screen alone."""
        return True

    def launch(self, launch: Launch) -> Command:
        """Start a conversation with its task."""
        return self._command(launch, "chat", AGENT, "--", launch.prompt.replace("\0", ""))

    async def resume(self, launch: Launch) -> Command | None:
        """Continue that session, or the last one of its folder."""
        log = await anyio.to_thread.run_sync(self._log, launch)
        return self._command(launch, "chat", AGENT, "--resume-id", log.stem) if log else None

    @property
    def instructed(self) -> bool:
        """The agent that it is started as has them."""
        return True

    def converse(self, launch: Launch) -> Command | None:
        """Start it to be spoken to."""
        return self._command(launch, "acp", SPOKEN)

    async def prepare(self, launch: Launch) -> None:
        """The agents that it is started as, with hooks, tools and instructions."""
        script = await anyio.to_thread.run_sync(hook_in, self.scope.state)
        trusted = trusting(launch.permissions, "write")
        more = {
            "resources": [f"file://{one}" for one in _CONTEXT],
            "includeMcpJson": True,  # the servers of the user's own
        }
        typed, spoken = (
            agent_file(launch, script, trusted, more),
            spoken_file(launch, trusted, more),
        )
        await _own_file.put(launch.workspace, _FILES.format(AGENT), typed)
        await _own_file.put(launch.workspace, _FILES.format(SPOKEN), spoken)
        await anyio.to_thread.run_sync(_remember, launch)

    def composer(self) -> Composer:
        """How its terminal is typed to, be it the present one or the one of lines."""
        return Composer(
            dialogs=("↵ to select", "Always Allow", "Always allow", "No (Tab to edit)"),
            interrupt=("Escape",),
            working=("(esc to cancel)",),
            draft=f"{ASKING}|{TYPED}",
            best=Delivery.ACCEPTED,  # its userPromptSubmit hook is told the message and its token
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By the last lines alone: what it asks, its trouble, its rest, and only then its work."""
        lines = bottom(screen)
        if ends_with(lines, _DIALOG, 2):
            return ActivityState.WAITING_INPUT
        if ends_with(lines, _READY):
            above = lines[:-1]
            return ActivityState.BLOCKED if in_trouble(above) else ActivityState.IDLE
        return ActivityState.ACTIVE if ends_with(lines, _BUSY) else line_state(screen)

    def quota(self, screen: str) -> str | None:
        """The line that says so."""
        return used_up(screen)

    def heard(self, told: Raw) -> HookEvent | None:
        """What its hooks are told."""
        return of_hook(told)

    async def native(self, look: Look) -> Activity | None:
        """What its log shows."""
        return await anyio.to_thread.run_sync(self._native, look.launch)

    async def info(self, launch: Launch) -> AgentInfo | None:
        """Its id; it counts credits, not tokens."""
        log = await anyio.to_thread.run_sync(self._log, launch)
        return AgentInfo(log.stem) if log else None

    async def turns(self, launch: Launch, limit: int = 20) -> Sequence[Turn]:
        """The last messages of its log."""
        return (await anyio.to_thread.run_sync(self._turns, launch))[-limit:] if limit > 0 else ()

    def _command(self, launch: Launch, verb: str, agent: str, *rest: str) -> Command:
        argv = [self.config.binary, verb, "--agent", agent]
        if launch.permissions is PermissionMode.PERMISSIONLESS:
            argv.append("--trust-all-tools")
        if launch.model:
            argv += ["--model", launch.model]
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args, *rest), env)

    def _native(self, launch: Launch) -> Activity | None:
        log = self._log(launch)
        return activity(log) if log else None

    def _turns(self, launch: Launch) -> tuple[Turn, ...]:
        log = self._log(launch)
        story = stories.of(log) if log else None
        return tuple(story.turns) if story else ()

    def _log(self, launch: Launch) -> Path | None:
        home = remembered(launch.folder).get("home")
        if home is None:
            return None
        return log_of(Path(home) / "sessions" / "cli", launch.native_id, launch.workspace)


def _remember(launch: Launch) -> None:
    given = launch.environment
    home = given.get("KIRO_HOME") or f"{given.get('HOME', '~')}/.kiro"
    remember(launch.folder, {"home": home})
