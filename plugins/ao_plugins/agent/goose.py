"""goose, by the Agent Client Protocol or in its own terminal.

https://goose-docs.ai/docs/guides/goose-cli-commands and
https://goose-docs.ai/docs/guides/environment-variables
"""

import shlex
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import anyio

from ao_core.files import write_atomic
from ao_core.model.activity import Activity, ActivityState, Source
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
from ao_core.spool import HookEvent, HookKind, Raw
from ao_core.store.records import Delivery
from ao_plugins._found import detected, remember, remembered
from ao_plugins._hooks import NAME, hook_in, leaves_word
from ao_plugins._logged import Logged
from ao_plugins._tokens import token_in
from ao_plugins.agent._goose.log import Story, story
from ao_plugins.agent._goose.root import KEYS, SURROUNDINGS, build, places
from ao_plugins.agent._goose.screen import ASKS, READY, WORKING, asked, error_in, state_of, trouble

_HINT = "Install it with `npm install -g @aaif/goose`, then run `goose configure` once."
_HOOKS = ("UserPromptSubmit",)
_ASKING = "approve"
_MODES = {PermissionMode.PERMISSIONLESS: "auto"}  # which it has unless it is told otherwise
_LINES = 40
_FIRST = ("Up", "Up", "Up")  # whatever somebody has chosen and not confirmed


class GooseConfig(Config):
    """Settings for goose."""

    binary: str = "goose"
    args: tuple[str, ...] = ()
    provider: str | None = None


class Goose(Logged[GooseConfig, Story], Resumable, Conversable):
    """Drives the `goose` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="goose",
        slot="agent",
        description="goose, by protocol or by its terminal.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = GooseConfig

    @classmethod
    async def detect(cls, config: GooseConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `goose` is on that PATH, and no database tool of the same name."""
        return await detected(config.binary, environment, _HINT, least="1.34.0")

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "goose"

    @property
    def credentials(self) -> Sequence[str]:
        """Keys of its providers, and where they are good; without any it uses its own login."""
        return (*KEYS, *SURROUNDINGS)

    @property
    def commands(self) -> Sequence[str]:
        """The one that asks nothing back."""
        return ("/compact",)

    @property
    def watched(self) -> bool:
        """Its questions are on its screen alone."""
        return True

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Its database has the tokens, and what they cost where it knows the model's price."""
        return frozenset({Part.TOKENS, Part.COST})

    def launch(self, launch: Launch) -> Command:
        """Start a conversation under a name of ours, so that it can be found and resumed."""
        task = ("--instructions", str(launch.prompt_file))
        return self._command(launch, "run", "--interactive", "--name", _name(launch), *task)

    async def resume(self, launch: Launch) -> Command | None:
        """Continue it, if it ever was told anything."""
        known = await self.story(launch)
        if known is None or not known.turns:
            return None
        return self._command(launch, "session", "--resume", "--session-id", known.native_id)

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """Its mode, said each time; a root of its own; where its instructions are."""
        hook = shlex.quote(str(self.scope.state / NAME))
        own = {
            "GOOSE_MODE": _mode(launch.permissions),
            "GOOSE_TELEMETRY_ENABLED": "false",  # else it asks before anything else
            "GOOSE_PATH_ROOT": str(_root(launch)),
            "GOOSE_STATUS_HOOK": f"echo '{{}}' | sh {hook}",  # its status is put behind that
            "GOOSE_SHOW_FULL_OUTPUT": "true",  # else what it asks about is cut off
            "GOOSE_MOIM_MESSAGE_FILE": str(launch.system_prompt),
        }
        named = {"GOOSE_PROVIDER": self.config.provider, "GOOSE_MODEL": launch.model}
        return own | {name: value for name, value in named.items() if value}

    async def prepare(self, launch: Launch) -> None:
        """Its hooks and the worker's tools, in files of ours."""
        await anyio.to_thread.run_sync(self._prepare, launch)

    # -- by protocol -------------------------------------------------------------------------------

    def trouble(self, said: str) -> str | None:
        """Its errors are said as its model would say something."""
        return error_in(said)

    @property
    def counts(self) -> bool:
        """Each turn tells of its last answer alone."""
        return False

    @property
    def instructed(self) -> bool:
        """A file of them is in its environment."""
        return True

    def converse(self, launch: Launch) -> Command | None:
        """Its side of the protocol; our server is handed over in it."""
        env = {**launch.environment, **self.environment(launch)}
        return Command((self.config.binary, "acp", *self.config.args), env)

    def mode(self, permissions: PermissionMode) -> str | None:
        """`approve`, in which it asks for everything and our policy answers, or `auto`."""
        return _mode(permissions)

    # -- in a terminal -----------------------------------------------------------------------------

    def composer(self) -> Composer:
        """How its terminal is typed to. What it has accepted a hook tells, with the token."""
        return Composer(
            dialogs=ASKS,
            allow=(*_FIRST, "Enter"),
            deny=(*_FIRST, "Down", "Down", "Enter"),
            clear=("C-u",) * _LINES,  # each clears one
            interrupt=("C-c",),
            working=(WORKING,),
            ready=READY,  # while it works nobody reads what is typed
            best=Delivery.ACCEPTED,
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By what is lowest."""
        return state_of(screen)

    async def asks(self, look: Look) -> Asked | None:
        """What its dialog is about, of which nothing but the screen tells."""
        return asked(look.screen) if look.screen is not None else None

    def heard(self, told: Raw) -> HookEvent | None:
        """What its hooks are told: the one of its status has nothing but a name."""
        match told.hook:
            case "UserPromptSubmit":
                prompt = told.text("message")
                return told.event(
                    HookKind.TURN_STARTED, prompt.strip()[:200], token=token_in(prompt)
                )
            case "waiting":
                return told.event(HookKind.TURN_ENDED)
            case _:
                return None

    async def native(self, look: Look) -> Activity | None:
        """What its screen says of an error, of which nothing else tells; else its database."""
        why = trouble(look.screen) if look.screen else None
        if why is not None:
            return Activity(ActivityState.BLOCKED, look.now, Source.SCREEN, why)
        known = await self.story(look.launch)
        return known.last if known else None

    # -- what it is started with -------------------------------------------------------------------

    def _command(self, launch: Launch, *words: str) -> Command:
        tools = ("--with-extension", shlex.quote(str(_tools(launch)))) if launch.face else ()
        env = {**launch.environment, **self.environment(launch)}
        return Command((self.config.binary, *words, *tools, *self.config.args), env)

    def _prepare(self, launch: Launch) -> None:
        script, users = hook_in(self.scope.state), places(launch.environment)
        words = {name: leaves_word(script, name) for name in _HOOKS}
        build(_root(launch), users, {} if launch.drive is Drive.PROTOCOL else words)
        if launch.face:
            write_atomic(_tools(launch), f'#!/bin/sh\nexec {shlex.join(launch.face)} "$@"\n', 0o700)
        remember(launch.folder, {"database": str(users.database)})

    def kept(self, launch: Launch) -> Story | None:
        """What its log amounts to."""
        database = remembered(launch.folder).get("database")
        return story(Path(database), _name(launch), launch.native_id) if database else None


def _mode(permissions: PermissionMode) -> str:
    return _MODES.get(permissions, _ASKING)


def _root(launch: Launch) -> Path:
    return launch.folder / "goose"


def _tools(launch: Launch) -> Path:
    """What starts our server: goose calls its tools by the program's name."""
    return launch.folder / "ao"


def _name(launch: Launch) -> str:
    """Its name for this session: the same each time, so that nothing has to be kept."""
    return f"{launch.session} {sha256(str(launch.folder).encode()).hexdigest()[:12]}"
