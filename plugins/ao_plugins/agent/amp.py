"""Amp, in its own terminal; the engine decides on its tools, and a plugin tells of its turns.

https://ampcode.com/manual, https://ampcode.com/manual/appendix and `amp plugins show-docs`. Its
screens are known from https://github.com/ogulcancelik/herdr (src/detect/manifests/amp.toml).
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import anyio

from ao_core.drive.loose import mapping
from ao_core.files import write_atomic
from ao_core.model.activity import ActivityState
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import Agent, AgentInfo, Composer, Launch, Resumable
from ao_core.slots.runtime import Command
from ao_core.spool import HookEvent, HookKind, Raw
from ao_core.store.records import Delivery
from ao_plugins import _own_file
from ao_plugins._bottom import bottom, ends_with, shows
from ao_plugins._found import detected
from ao_plugins._hooks import settings
from ao_plugins._tokens import token_in
from ao_plugins.agent._amp.plugin import PLUGIN, program_in, settings_of

_HINT = "Install it with `npm install -g @ampcode/cli`, then run `amp login`."
_FILE = ".amp/plugins/ao-worker.ts"
_STARTS = 'exec "$@" <"$0"'  # the first prompt is read from standard input, the rest from the keys
_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
_THREAD = re.compile(r"T-[A-Za-z0-9-]{1,100}")
_DIALOG = (
    r"[ │╰─]*(Waiting for approval|Invoke tool\b|Run this command\?|Allow (editing|creating) file:"
    r"|Would you like to log in to Amp\?)"
)
_CHOICE = r"[ │╰─❯›>]*(Approve\b|Allow All for|Allow File for|Deny with feedback)"


class AmpConfig(Config):
    """Settings for Amp."""

    binary: str = "amp"
    args: tuple[str, ...] = ()


class Amp(Agent[AmpConfig], Resumable):
    """Drives the `amp` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="amp",
        slot="agent",
        description="Amp, by its terminal, with a plugin and delegated permissions.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = AmpConfig

    @classmethod
    async def detect(cls, config: AmpConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `amp` is on that PATH; its versions are no numbers that could be compared."""
        return await detected(config.binary, environment, _HINT)

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "amp"

    @property
    def credentials(self) -> Sequence[str]:
        """Its key, and where it is good; without one it uses its own login."""
        return ("AMP_API_KEY", "AMP_URL", "AMP_SETTINGS_FILE")

    def launch(self, launch: Launch) -> Command:
        """Start a thread with its task, from a file."""
        prompt = str(launch.folder / "amp-task.md")
        return self._command(launch, ("sh", "-c", _STARTS, prompt), ())

    async def resume(self, launch: Launch) -> Command | None:
        """Continue that thread."""
        if not launch.native_id or not _THREAD.fullmatch(launch.native_id):
            return None
        return self._command(launch, (), ("threads", "continue", launch.native_id))

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """Nobody else opens threads or a shell in it."""
        return {"AMP_REMOTE_CONTROL_TERMINAL": "0"}

    async def prepare(self, launch: Launch) -> None:
        """Its settings, its task, and the worker's tools in files of ours; and the plugin."""
        await anyio.to_thread.run_sync(self._prepare, launch)
        await _own_file.put(launch.workspace, _FILE, PLUGIN)

    def composer(self) -> Composer:
        """How its terminal is typed to."""
        return Composer(
            dialogs=("Waiting for approval", "Allow All for", "Deny with feedback"),
            interrupt=("Escape",),
            working=("esc to cancel", "Esc to cancel"),
            best=Delivery.ACCEPTED,  # the plugin's agent.start is told the message and its token
        )

    def classify(self, screen: str) -> ActivityState | None:
        """Only what is known of it: its dialogs, and that it works. Rest the plugin tells."""
        lines = bottom(screen)
        if ends_with(lines, _DIALOG) or ends_with(lines, _CHOICE, 2):
            return ActivityState.WAITING_INPUT
        busy = ends_with(lines, r"\s*╰ +\S+ +(Thinking|Streaming|Running tools|Waiting) +─", 5)
        working = busy or shows(lines, r"\b[Ee]sc to cancel\b", 2)
        return ActivityState.ACTIVE if working else None

    def heard(self, told: Raw) -> HookEvent | None:
        """What the plugin was told."""
        thread = told.text("thread", "id")
        match told.hook:
            case "session-start":
                return told.event(HookKind.SESSION_STARTED, native_id=thread)
            case "agent-start":
                prompt = told.text("message")
                return told.event(
                    HookKind.TURN_STARTED, prompt.strip()[:200],
                    token=token_in(prompt), native_id=thread,
                )  # fmt: skip
            case "agent-end" if told.text("status") == "error":
                return told.event(HookKind.BLOCKED, told.text("said") or "its turn failed")
            case "agent-end":
                return told.event(HookKind.TURN_ENDED, told.text("said"))
            case _:
                return None

    async def info(self, launch: Launch) -> AgentInfo | None:
        """Its thread; it keeps no log here, but at its own service."""
        return AgentInfo(launch.native_id) if launch.native_id else None

    def _command(self, launch: Launch, before: Sequence[str], verb: Sequence[str]) -> Command:
        argv = [*before, self.config.binary]
        argv += ["--settings-file", str(launch.folder / "amp.json")]
        if launch.face:
            argv += ["--mcp-config", str(launch.folder / "amp-mcp.json")]
        if launch.model:
            argv += ["--mode", launch.model]
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args, *verb), env)

    def _prepare(self, launch: Launch) -> None:
        given = launch.environment
        chosen = settings_of(_user(given), launch.permissions, program_in(self.scope.state))
        settings(launch.folder, "amp.json", chosen)
        if launch.face:
            program, *args = launch.face
            env = {name: given[name] for name in ("AO_TOKEN", "AO_SOCKET") if name in given}
            server = {"command": program, "args": args, "env": env}
            settings(launch.folder, "amp-mcp.json", {"ao": server})
        instructions = launch.system_prompt.read_text()
        write_atomic(launch.folder / "amp-task.md", f"{instructions}\n\n{launch.prompt}")


def _user(given: Mapping[str, str]) -> Mapping[str, Any]:
    """The settings that it would have without us."""
    own = Path(given.get("XDG_CONFIG_HOME") or f"{given.get('HOME', '~')}/.config")
    path = Path(given.get("AMP_SETTINGS_FILE") or own / "amp" / "settings.json")
    try:
        return mapping(json.loads(_COMMENT.sub("", path.read_text())))
    except (OSError, ValueError):
        return {}
