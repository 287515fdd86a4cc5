"""The Cursor CLI, by the Agent Client Protocol or in its terminal.

https://cursor.com/docs/cli/acp, https://cursor.com/docs/cli/reference/parameters and
https://cursor.com/docs/cli/reference/configuration. What it does by protocol is known from the
recordings in https://docs.rs/crate/rho-coding-agent (src/acp_runtime/fixtures/README.md), its
screens from https://github.com/awslabs/cli-agent-orchestrator (test/providers/fixtures) and
https://github.com/ogulcancelik/herdr (src/detect/manifests/cursor.toml).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import anyio

from ao_core.drive.loose import mapping
from ao_core.errors import BadRequest
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
from ao_core.store.records import Delivery
from ao_plugins import _own_file
from ao_plugins._bottom import bottom, ends_with, shows
from ao_plugins._found import detected, remember, remembered
from ao_plugins.agent._cursor.log import activity, log_of, stories

_HINT = "Install it as https://cursor.com/cli says, then run `cursor-agent login`."
_RULE = ".cursor/rules/ao-worker.mdc"
_RULE_HEAD = "---\ndescription: How a worker of ao's works\nalwaysApply: true\n---\n\n"
_ASKING = r"[ │]*(Run this command\?|Run this MCP tool\?|Write to this file\?)"
_CHOICE = r"[ │]*(Skip\b.*\(esc or n\)|Reject & propose changes|Waiting for approval)"
_TRUST = r"[ │▶→]*\[[aqw]\] "
_CHROME = r"[ │]*(ctrl\+r to review changed files|[└┌─┘┐]+$)"
_READY = r"[ │]*→ (Plan, search, build anything|Add a follow-up)"
_SPINNER = r" *(⬡|⬢|[\u2800-\u28ff]+) +[A-Z]\w*ing\b"
_FOOT = 5  # lines below which its composer does not stand


class CursorConfig(Config):
    """Settings for the Cursor CLI."""

    binary: str = "cursor-agent"
    args: tuple[str, ...] = ()
    trust_workspaces: bool = False


class Cursor(Agent[CursorConfig], Resumable, Conversable):
    """Drives the `cursor-agent` command, which is also called `agent`."""

    manifest: ClassVar[Manifest] = Manifest(
        name="cursor",
        slot="agent",
        description="The Cursor CLI, by protocol or by its terminal.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = CursorConfig

    @classmethod
    async def detect(cls, config: CursorConfig, environment: Mapping[str, str]) -> Detection:
        """Whether it is on that PATH; its versions are dates."""
        return await detected(config.binary, environment, _HINT, least="2026.01.01")

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "cursor-agent"

    @property
    def credentials(self) -> Sequence[str]:
        """Its keys, and where its own things are; without a key it uses its own login."""
        return ("CURSOR_API_KEY", "CURSOR_AUTH_TOKEN", "CURSOR_CONFIG_DIR", "XDG_CONFIG_HOME")

    @property
    def commands(self) -> Sequence[str]:
        """The one that asks nothing back."""
        return ("/compress",)

    @property
    def watched(self) -> bool:
        """Its questions are on its screen alone."""
        return True

    def launch(self, launch: Launch) -> Command:
        """Start a chat with its task."""
        return self._command(launch, "--", launch.prompt.replace("\0", ""))

    async def resume(self, launch: Launch) -> Command | None:
        """Continue the last chat of its folder."""
        log = await anyio.to_thread.run_sync(_log, launch)
        return self._command(launch, "--resume", log.stem) if log else None

    @property
    def instructed(self) -> bool:
        """A rule brings them."""
        return True

    def converse(self, launch: Launch) -> Command | None:
        """Start it to be spoken to; by protocol it asks before it runs a command, whatever flags
        say, and the engine answers.
        """
        argv = [self.config.binary]
        if self.config.trust_workspaces:
            argv.append("--trust")
        if launch.model:
            argv += ["--model", launch.model]
        return Command((*argv, *self.config.args, "acp"), self._env(launch))

    def mode(self, permissions: PermissionMode) -> str | None:
        """It never asks before it edits a file; where it must not, it may only answer."""
        return "ask" if permissions is PermissionMode.SUGGEST else None

    async def prepare(self, launch: Launch) -> None:
        """Its instructions, as a rule of its own kind; and nothing may be approved unasked."""
        await anyio.to_thread.run_sync(_check, launch)
        system = await anyio.Path(launch.system_prompt).read_text()
        await _own_file.put(launch.workspace, _RULE, _RULE_HEAD + system)
        await anyio.to_thread.run_sync(_remember, launch)

    def composer(self) -> Composer:
        """How its terminal is typed to. It tells nobody what it was told: no receipt of its own."""
        return Composer(
            dialogs=(
                "(esc or n)",
                "(y) (enter)",
                "Waiting for approval",
                "[a] Trust this workspace",
            ),
            interrupt=("C-c",),
            working=("ctrl+c to stop",),
            best=Delivery.SUBMITTED,
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By what is lowest: a question with its answers, else its composer."""
        lines = [one for one in bottom(screen) if not ends_with([one], _CHROME)]
        if ends_with(lines, _TRUST) and shows(lines, "Workspace Trust Required|Do you trust", 12):
            return ActivityState.WAITING_INPUT
        if ends_with(lines, _CHOICE) and ends_with(lines, _ASKING, 10):
            return ActivityState.WAITING_INPUT
        if shows(lines, r"ctrl\+c to stop", _FOOT):
            return ActivityState.ACTIVE
        if not ends_with(lines, _READY, _FOOT):
            return None
        working = ends_with(lines, _SPINNER, _FOOT + 2)
        return ActivityState.ACTIVE if working else ActivityState.IDLE

    async def native(self, look: Look) -> Activity | None:
        """What its log shows."""
        return await anyio.to_thread.run_sync(_native, look.launch)

    async def info(self, launch: Launch) -> AgentInfo | None:
        """Its id; it tells of no tokens."""
        log = await anyio.to_thread.run_sync(_log, launch)
        return AgentInfo(log.stem) if log else None

    async def turns(self, launch: Launch, limit: int = 20) -> Sequence[Turn]:
        """The last messages of its log."""
        return (await anyio.to_thread.run_sync(_turns, launch))[-limit:] if limit > 0 else ()

    def _command(self, launch: Launch, *rest: str) -> Command:
        argv = [self.config.binary]
        if launch.permissions is PermissionMode.PERMISSIONLESS:
            argv.append("--force")
        if launch.permissions is PermissionMode.SUGGEST:
            argv.append("--mode=ask")
        if launch.model:
            argv += ["--model", launch.model]
        return Command((*argv, *self.config.args, *rest), self._env(launch))

    def _env(self, launch: Launch) -> Mapping[str, str]:
        return {**launch.environment, **self.environment(launch)}


def _check(launch: Launch) -> None:
    """Raise where its own configuration approves what nobody was asked about."""
    if launch.permissions is PermissionMode.PERMISSIONLESS:
        return
    path = _home(launch.environment) / "cli-config.json"
    try:
        chosen = mapping(json.loads(path.read_text())).get("approvalMode")
    except (OSError, ValueError):
        return  # without one it has its defaults
    if chosen not in (None, "allowlist"):
        raise BadRequest(
            f"Cursor is set up to run everything unasked: approvalMode is {chosen!r}.",
            hint=f"Set it to allowlist in {path}, or choose `permissions: permissionless`.",
        )


def _home(given: Mapping[str, str]) -> Path:
    """Where its configuration is, as its documents say."""
    if own := given.get("CURSOR_CONFIG_DIR"):
        return Path(own)
    if general := given.get("XDG_CONFIG_HOME"):
        return Path(general) / "cursor"
    return Path(given.get("HOME", "~")) / ".cursor"


def _remember(launch: Launch) -> None:
    remember(launch.folder, {"home": f"{launch.environment.get('HOME', '~')}/.cursor"})


def _log(launch: Launch) -> Path | None:
    home = remembered(launch.folder).get("home")
    return log_of(Path(home), launch.workspace) if home else None


def _native(launch: Launch) -> Activity | None:
    log = _log(launch)
    return activity(log) if log else None


def _turns(launch: Launch) -> tuple[Turn, ...]:
    log = _log(launch)
    story = stories.of(log) if log else None
    return tuple(story.turns) if story else ()
