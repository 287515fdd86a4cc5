"""Claude Code, in its own terminal.

https://code.claude.com/docs/en/cli-reference and https://code.claude.com/docs/en/hooks
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from uuid import NAMESPACE_URL, uuid5

import anyio

from ao_core.model.activity import ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import (
    AgentInfo,
    Composer,
    Conversable,
    Launch,
    Resumable,
)
from ao_core.slots.runtime import Command
from ao_core.spool import HookEvent, Raw
from ao_plugins._found import detected, remember, remembered, with_adapter
from ao_plugins._hooks import asks, hook_in, leaves_word, settings
from ao_plugins._logged import Logged
from ao_plugins.agent._claude.hooks import HOOKS, heard
from ao_plugins.agent._claude.log import Story, stories
from ao_plugins.agent._claude.screen import COMPOSER, shown, used_up

_HINT = "Install it with `npm install -g @anthropic-ai/claude-code`, then run `claude` once."
_ADAPTER_HINT = "By protocol: `npm install -g @agentclientprotocol/claude-agent-acp`."
_PATIENCE = 3_600  # seconds in which somebody may answer a permission request
_MODES = {
    PermissionMode.DEFAULT: ("--permission-mode", "default"),
    PermissionMode.SUGGEST: ("--permission-mode", "default"),  # our policy asks before each edit
    PermissionMode.AUTO_EDIT: ("--permission-mode", "acceptEdits"),
    PermissionMode.PERMISSIONLESS: ("--dangerously-skip-permissions",),
}
_SURROUNDINGS = (
    "ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
)  # fmt: skip
_QUIET = {
    "DISABLE_AUTOUPDATER": "1",  # not under a worker's hands
    "CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION": "false",  # looks like a draft
}


class ClaudeCodeConfig(Config):
    """Settings for Claude Code."""

    binary: str = "claude"
    adapter: str = "claude-agent-acp"
    args: tuple[str, ...] = ()
    trust_workspaces: bool = False


class ClaudeCode(Logged[ClaudeCodeConfig, Story], Resumable, Conversable):
    """Drives the `claude` command; or, where somebody has that, its adapter for the protocol."""

    manifest: ClassVar[Manifest] = Manifest(
        name="claude-code",
        slot="agent",
        description="Claude Code, by its terminal, with hooks.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = ClaudeCodeConfig

    @classmethod
    async def detect(cls, config: ClaudeCodeConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `claude` is on that PATH, and has the hooks that are used."""
        found = await detected(config.binary, environment, _HINT, least="2.1.0")
        return with_adapter(found, config.adapter, environment.get("PATH", ""), _ADAPTER_HINT)

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "claude"

    @property
    def credentials(self) -> Sequence[str]:
        """Keys, tokens, and where they are good; without any it uses its own login."""
        return (
            "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", *_SURROUNDINGS,
        )  # fmt: skip

    @property
    def commands(self) -> Sequence[str]:
        """Those that ask nothing back."""
        return ("/compact", "/cost", "/context")

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Its log has the tokens of each answer; what they cost it writes at its end."""
        spoken = drive is Drive.PROTOCOL
        return frozenset({Part.TOKENS, Part.COST}) if spoken else frozenset({Part.TOKENS})

    def launch(self, launch: Launch) -> Command:
        """Start a conversation under an id of ours, so that it can be found and resumed."""
        return self._command(launch, "--session-id", _native_id(launch))

    async def resume(self, launch: Launch) -> Command | None:
        """Continue it, if it ever said anything."""
        if await anyio.to_thread.run_sync(self._log, launch) is None:
            return None
        return self._command(launch, "--resume", launch.native_id or _native_id(launch))

    @property
    def preferred(self) -> Drive:
        """By its terminal: its hooks tell as much, and nothing more has to be installed."""
        return Drive.TERMINAL

    @property
    def counts(self) -> bool:
        """Each turn tells of itself alone; its log has them all."""
        return False

    def converse(self, launch: Launch) -> Command | None:
        """Its adapter (`npm install -g @agentclientprotocol/claude-agent-acp`), where it is."""
        if shutil.which(self.config.adapter, path=launch.environment.get("PATH")) is None:
            return None
        model = {"ANTHROPIC_MODEL": launch.model} if launch.model else {}
        return Command(
            (self.config.adapter,), {**launch.environment, **self.environment(launch), **model}
        )

    def mode(self, permissions: PermissionMode) -> str | None:
        """As in the terminal; where all is allowed, we allow it."""
        return "acceptEdits" if permissions is PermissionMode.AUTO_EDIT else "default"

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """It neither updates itself nor suggests prompts; root has to say that it may."""
        root = launch.permissions is PermissionMode.PERMISSIONLESS and os.geteuid() == 0
        trusted = {"CLAUDE_CODE_SANDBOXED": "1"} if self.config.trust_workspaces else {}
        return {**_QUIET, **trusted, **({"IS_SANDBOX": "1"} if root else {})}

    async def prepare(self, launch: Launch) -> None:
        """Its settings for this session: hooks and the worker's tools, in files of ours."""
        await anyio.to_thread.run_sync(self._prepare, launch)

    def composer(self) -> Composer:
        """How its terminal is typed to."""
        return COMPOSER

    def classify(self, screen: str) -> ActivityState | None:
        """By what is lowest on it."""
        return shown(screen)

    def quota(self, screen: str) -> str | None:
        """The line with which it ends a turn for want of quota."""
        return used_up(screen)

    def heard(self, told: Raw) -> HookEvent | None:
        """What its hooks are told."""
        return heard(told)

    async def info(self, launch: Launch) -> AgentInfo | None:
        """Its id and what it has used; what that costs it tells by protocol as it goes."""
        story = await self.story(launch)
        if story is None:
            return None
        told = launch.drive is Drive.PROTOCOL
        used = replace(story.usage, cost_usd=None) if told else story.usage
        return AgentInfo(story.native_id, story.summary, used)

    # -- what it is started with -------------------------------------------------------------------

    def _command(self, launch: Launch, *session: str) -> Command:
        argv = [self.config.binary, *session, *_MODES[launch.permissions]]
        argv += ["--settings", str(launch.folder / "claude.json")]
        argv += ["--append-system-prompt-file", str(launch.system_prompt)]
        if launch.face:
            argv += ["--mcp-config", str(launch.folder / "claude-mcp.json")]
            argv += ["--allowedTools", "mcp__ao", "--disallowedTools", "AskUserQuestion"]
        if launch.model:
            argv += ["--model", launch.model]
        task = () if session[0] == "--resume" else (launch.prompt.replace("\0", ""),)
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args, "--", *task), env)

    def _prepare(self, launch: Launch) -> None:
        script = hook_in(self.scope.state)
        hooks = {name: _hook(leaves_word(script, name)) for name in HOOKS}
        hooks["PermissionRequest"] = _hook(asks("claude"), _PATIENCE)
        settings(launch.folder, "claude.json", {"hooks": hooks})
        if launch.face:
            program, *args = launch.face
            server = {"type": "stdio", "command": program, "args": args, "alwaysLoad": True}
            settings(launch.folder, "claude-mcp.json", {"mcpServers": {"ao": server}})
        given = launch.environment
        home = given.get("CLAUDE_CONFIG_DIR") or f"{given.get('HOME', '~')}/.claude"
        remember(launch.folder, {"home": home})

    # -- its log -----------------------------------------------------------------------------------

    def kept(self, launch: Launch) -> Story | None:
        """What its log amounts to."""
        log = self._log(launch)
        return stories.of(log) if log else None

    def _log(self, launch: Launch) -> Path | None:
        """Where its conversation is; it names the folder by the workspace, in its own way."""
        home = remembered(launch.folder).get("home")
        if home is None:
            return None
        name = f"{launch.native_id or _native_id(launch)}.jsonl"
        slug = re.sub(r"[^A-Za-z0-9]", "-", str(launch.workspace))
        projects = Path(home) / "projects"
        usual = projects / slug / name
        return usual if usual.is_file() else next(projects.glob(f"*/{name}"), None)


def _native_id(launch: Launch) -> str:
    """Its id for this session: the same each time, so that nothing has to be kept."""
    return str(uuid5(NAMESPACE_URL, f"ao:{launch.folder}"))


def _hook(command: str, timeout: int = 10) -> list[dict[str, object]]:
    return [{"hooks": [{"type": "command", "command": command, "timeout": timeout}]}]
