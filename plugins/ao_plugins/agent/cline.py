"""Cline's command line, in its own terminal or by the Agent Client Protocol.

https://docs.cline.bot/cline-cli/overview and https://docs.cline.bot/sdk/plugins
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

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
from ao_core.spool import HookEvent, HookKind, Raw
from ao_core.store.records import Delivery
from ao_plugins._found import detected
from ao_plugins._logged import Logged
from ao_plugins._tokens import token_in
from ao_plugins.agent._cline.log import Story, story, unwrapped
from ao_plugins.agent._cline.root import build, serve
from ao_plugins.agent._cline.screen import ADVERT, ASKS, WORKING, state_of

_HINT = "Install it with `npm install -g cline`, then run `cline auth` once."
_ASKING, _APPROVING = "--auto-approve=false", "--auto-approve=true"  # true unless it is told
_KEYS = ("CLINE_API_KEY",)
_SURROUNDINGS = ("CLINE_PROVIDER", "CLINE_MODEL", "CLINE_DIR", "CLINE_DATA_DIR")
_QUIET = {
    "CLINE_NO_AUTO_UPDATE": "1",  # not under a worker's hands
    "CLINE_DISABLE_CLINE_PASS_NOTICE": "1",  # an advert that takes the keyboard
    "CLINE_SANDBOX": "1",  # its own name for: no daemon
    "CLINE_SESSION_BACKEND_MODE": "local",  # the same, by protocol
}


class ClineConfig(Config):
    """Settings for Cline."""

    binary: str = "cline"
    args: tuple[str, ...] = ()


class Cline(Logged[ClineConfig, Story], Resumable, Conversable):
    """Drives the `cline` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="cline",
        slot="agent",
        description="Cline, by its terminal or by protocol.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = ClineConfig

    @classmethod
    async def detect(cls, config: ClineConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `cline` is on that PATH, and takes plugins of its present kind."""
        return await detected(config.binary, environment, _HINT, least="3.0.0")

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "cline"

    @property
    def credentials(self) -> Sequence[str]:
        """A key by protocol, and where it is good; without any it uses its own login."""
        return (*_KEYS, *_SURROUNDINGS)

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Its files have both, what it costs where it knows a price."""
        return frozenset({Part.TOKENS, Part.COST})

    def launch(self, launch: Launch) -> Command:
        """Start a conversation, in a folder that has no other."""
        task = launch.prompt.replace("\0", "")
        one_word = len(task.split()) < 2 and not task.endswith("\n")  # it may be a command of its
        return self._command(launch, "--tui", "--", f"{task}\n" if one_word else task)

    async def resume(self, launch: Launch) -> Command | None:
        """Continue it, if it ever was told anything."""
        known = await self.story(launch)
        return self._command(launch, "--tui", "--id", known.native_id) if known else None

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """A folder of its own; no daemon, no advert, no update."""
        root = _root(launch)
        own = {
            "CLINE_DIR": str(root),
            "CLINE_DATA_DIR": str(root / "data"),
            "CLINE_SANDBOX_DATA_DIR": str(root / "data"),
            "CLINE_MCP_SETTINGS_PATH": str(root / "mcp.json"),
        }
        return _QUIET | own | ({"CLINE_MODEL": launch.model} if launch.model else {})

    async def prepare(self, launch: Launch) -> None:
        """Its plugin, its rules and the worker's tools, in files of ours."""
        await anyio.to_thread.run_sync(_prepare, launch)

    # -- by protocol -------------------------------------------------------------------------------

    @property
    def preferred(self) -> Drive:
        """By its terminal: by protocol it takes no provider but its makers' without a variable, no
        model that it has not listed itself, and tells nothing of what it uses.
        """
        return Drive.TERMINAL

    @property
    def counts(self) -> bool:
        """Its turns tell nothing of it."""
        return False

    @property
    def instructed(self) -> bool:
        """Its rules bring them."""
        return True

    def converse(self, launch: Launch) -> Command | None:
        """Its side of the protocol."""
        env = {**launch.environment, **self.environment(launch)}
        return Command((self.config.binary, "--acp", _approval(launch), *self.config.args), env)

    # -- in a terminal -----------------------------------------------------------------------------

    def composer(self) -> Composer:
        """How its terminal is typed to. What it has accepted our plugin tells, with the token."""
        return Composer(
            folded=("Pasted +",),
            dialogs=(ASKS, ADVERT),
            allow=("y",),
            deny=("n",),
            interrupt=("Escape",),
            working=WORKING,
            draft=r"─\n❯ (?!Ask anything\.\.\.)\S",
            ready=r"\A\s*[^\s─]",  # one that goes on shows its composer before it can use it
            best=Delivery.ACCEPTED,
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By its footer, and what is above it."""
        return state_of(screen)

    def heard(self, told: Raw) -> HookEvent | None:
        """What our plugin in it leaves."""
        match told.hook:
            case "beforeRun":
                prompt = unwrapped(told.text("prompt"))
                return told.event(
                    HookKind.TURN_STARTED, prompt.strip()[:200], token=token_in(prompt)
                )
            case "afterRun" if told.text("status") == "failed":
                return told.event(HookKind.BLOCKED, told.text("error"))
            case "afterRun":
                over = told.text("status") == "completed"
                return told.event(HookKind.TURN_ENDED, told.text("text") if over else "")
            case "asks":
                about = json.dumps(told.payload.get("input"), ensure_ascii=False)
                tool = told.text("name")
                return told.event(
                    HookKind.PERMISSION_ASKED, id=told.text("id"), tool=tool, arguments=about
                )
            case "goesOn":
                return told.event(HookKind.PERMISSION_ENDED, id=told.text("id"))
            case _:
                return None

    # -- what it is started with -------------------------------------------------------------------

    def _command(self, launch: Launch, *words: str) -> Command:
        model = ("--model", launch.model) if launch.model else ()
        env = {**launch.environment, **self.environment(launch)}
        given = (_approval(launch), *model, *self.config.args, *words)
        return Command((self.config.binary, *given), env)

    def kept(self, launch: Launch) -> Story | None:
        """What its log amounts to."""
        return story(_root(launch) / "data" / "sessions", launch.native_id)


def _prepare(launch: Launch) -> None:
    spool = None if launch.drive is Drive.PROTOCOL else launch.spool  # its protocol tells
    build(_root(launch), launch.environment, launch.system_prompt, spool)
    serve(_root(launch), launch.environment, launch.face)


def _approval(launch: Launch) -> str:
    free = launch.permissions is PermissionMode.PERMISSIONLESS
    return _APPROVING if free else _ASKING


def _root(launch: Launch) -> Path:
    return launch.folder / "cline"
