"""OpenHands, in its own terminal or by the Agent Client Protocol.

https://docs.openhands.dev/openhands/usage/run-openhands/acp and
https://docs.openhands.dev/openhands/usage/run-openhands/cli-mode
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import anyio

from ao_core.errors import BadRequest
from ao_core.files import write_atomic
from ao_core.model.activity import Activity, ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import (
    Asked,
    Composer,
    Conversable,
    Launch,
    Look,
    Resumable,
)
from ao_core.slots.runtime import Command
from ao_core.store.records import Delivery
from ao_plugins._found import detected
from ao_plugins._logged import Receipted
from ao_plugins.agent._openhands.home import CONVERSATIONS, furnished, is_set_up, shy
from ao_plugins.agent._openhands.log import Story, story_in
from ao_plugins.agent._openhands.open import refuse_open
from ao_plugins.agent._openhands.screen import (
    DRAFT,
    LAST_CHOICE,
    MODAL,
    PALETTE,
    READY,
    WORKING,
    asks_on,
    state_on,
)

_HINT = "Install it with `uv tool install openhands --python 3.12`, then run `openhands` once."
_SET_UP = "Run `openhands` once, or grant LLM_API_KEY and LLM_MODEL."
_MODELS = ("LLM_API_KEY", "LLM_BASE_URL", "LLM_MODEL")
_FREE, _ASKING = "always-approve", "always-ask"
_FIRST = ("Up", "Up", "Up")  # whatever somebody has chosen and not confirmed


class OpenHandsConfig(Config):
    """Settings for OpenHands."""

    binary: str = "openhands"
    args: tuple[str, ...] = ()


class OpenHands(Receipted[OpenHandsConfig, Story], Resumable, Conversable):
    """Drives the `openhands` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="openhands",
        slot="agent",
        description="OpenHands, by protocol or by its terminal.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = OpenHandsConfig

    @classmethod
    async def detect(cls, config: OpenHandsConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `openhands` is on that PATH; it takes too long to say which version it is."""
        return await detected(config.binary, environment, _HINT)

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "openhands"

    @property
    def credentials(self) -> Sequence[str]:
        """What takes the place of the model in its own settings, and where those are."""
        return (*_MODELS, "OPENHANDS_PERSISTENCE_DIR")

    @property
    def watched(self) -> bool:
        """Its questions are on its screen alone."""
        return True

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Its state has the tokens, and what they cost where it knows the model's price."""
        return frozenset({Part.TOKENS, Part.COST})

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """A folder of its own for its conversation, and a PATH with a shy `tmux`."""
        home = _home(launch)
        path = launch.environment.get("PATH", os.defpath)
        own = {
            "OPENHANDS_PERSISTENCE_DIR": str(home),
            "OPENHANDS_CONVERSATIONS_DIR": str(home / CONVERSATIONS),
            "OPENHANDS_SUPPRESS_BANNER": "1",
            "PATH": os.pathsep.join([str(self.scope.state / "bin"), path]),
        }
        return own | ({"LLM_MODEL": launch.model} if launch.model else {})

    async def prepare(self, launch: Launch) -> None:
        """That folder, with what the user has, and the worker's tools."""
        if not is_set_up(launch.environment, launch.model):
            raise BadRequest("OpenHands has not been told of a model yet.", hint=_SET_UP)
        await anyio.to_thread.run_sync(self._prepare, launch)

    # -- by protocol -------------------------------------------------------------------------------

    @property
    def preferred(self) -> Drive:
        """By its terminal: by protocol it asks for permission without saying what for."""
        return Drive.TERMINAL

    @property
    def counts(self) -> bool:
        """Its turns do not end with what they took."""
        return False

    def converse(self, launch: Launch) -> Command | None:
        """Its side of the protocol; our server is handed over in it."""
        return self._command(launch, "acp")

    def mode(self, permissions: PermissionMode) -> str | None:
        """One in which it asks for everything and our policy answers, or asks for nothing."""
        return _FREE if permissions is PermissionMode.PERMISSIONLESS else _ASKING

    # -- in a terminal -----------------------------------------------------------------------------

    def launch(self, launch: Launch) -> Command:
        """Start a conversation. It asks for everything unless it is told otherwise."""
        return self._command(launch, "--file", str(_task(launch)))

    async def resume(self, launch: Launch) -> Command | None:
        """Continue it, if it ever was told anything."""
        story = await self.story(launch)
        if story is None or not story.turns:
            return None
        return self._command(launch, "--resume", story.native_id)

    def composer(self) -> Composer:
        """How its terminal is typed to: one line is submitted by Enter, several by C-j."""
        return Composer(
            dialogs=(LAST_CHOICE, MODAL, PALETTE),
            submit=("C-j", "Enter"),
            clear=("C-a", "BSpace"),
            allow=(*_FIRST, "Enter"),
            deny=(*_FIRST, "Down", "Enter"),
            interrupt=("Escape",),
            working=(WORKING,),
            draft=DRAFT,
            ready=READY,
            best=Delivery.SUBMITTED,  # what comes in a turn is in its log after that step
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By what stands above its composer, which is always there, and the keys it names."""
        return state_on(screen)

    async def asks(self, look: Look) -> Asked | None:
        """What its own log says that it waits for, while the screen shows its question."""
        if look.screen is not None and not asks_on(look.screen):
            return None
        story = await self.story(look.launch)
        return story.asked if story else None

    # -- its log -----------------------------------------------------------------------------------

    async def activity(self, look: Look) -> Activity | None:
        """As for every agent, but its composer is there before it has been told its task."""
        story = await self.story(look.launch)
        idle = look.screen and self.classify(look.screen) is ActivityState.IDLE
        fresh = story is None or not story.turns
        return await super().activity(replace(look, screen=None) if fresh and idle else look)

    async def native(self, look: Look) -> Activity | None:
        """What its state says; while it runs, and its screen moves, that holds."""
        story = await self.story(look.launch)
        last = story.last if story else None
        runs = last and last.state is ActivityState.ACTIVE and look.screen is not None
        return None if runs and self.classify(look.screen or "") else last

    def kept(self, launch: Launch) -> Story | None:
        """What its log amounts to."""
        return story_in(_home(launch) / CONVERSATIONS)

    # -- what it is started with -------------------------------------------------------------------

    def _command(self, launch: Launch, *words: str) -> Command:
        argv = [self.config.binary, *words]
        if launch.permissions is PermissionMode.PERMISSIONLESS:
            argv.append("--always-approve")
        if launch.model or any(name in launch.environment for name in _MODELS):
            argv.append("--override-with-envs")
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args), env)

    def _prepare(self, launch: Launch) -> None:
        # by protocol, too: a conversation that is loaded has lost the server it was handed
        furnished(_home(launch), launch.environment, launch.face)
        refuse_open(_home(launch) / CONVERSATIONS)
        shy(self.scope.state / "bin", launch.environment)
        rules = launch.system_prompt.read_text(encoding="utf-8")
        write_atomic(_task(launch), f"{rules}\n\n# Your task\n\n{launch.prompt}")


def _home(launch: Launch) -> Path:
    return launch.folder / "openhands"


def _task(launch: Launch) -> Path:
    """The first prompt, with the standing instructions, for which it has no other place."""
    return launch.folder / "openhands-task.md"
