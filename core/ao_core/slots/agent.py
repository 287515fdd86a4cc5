"""Agents: how one coding agent is started, understood, spoken to and brought back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from ao_core.activity import Evidence, cascade
from ao_core.model.activity import READY_WINDOW, Activity, ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.model.usage import Usage
from ao_core.plugin import ConfigT, Plugin
from ao_core.slots.runtime import Command
from ao_core.spool import HookEvent, Raw
from ao_core.store.records import Delivery


@dataclass(frozen=True, slots=True)
class Launch:
    """What the engine wants started.

    `prompt` is the first task; `system_prompt` a file with the standing instructions. `spool` is
    the folder hooks drop their events into. `environment` is what the agent will run with, so that
    programs are looked for on the right PATH; it is empty where an agent is only looked at. `face`
    is the command of the MCP server with a worker's own tools; by protocol it is handed over.
    """

    session: str
    project: str
    workspace: Path
    spool: Path
    prompt: str
    prompt_file: Path
    system_prompt: Path
    issue: str | None = None
    model: str | None = None
    permissions: PermissionMode = PermissionMode.DEFAULT
    native_id: str | None = None
    generation: int = 1
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    face: tuple[str, ...] = ()
    drive: Drive = Drive.TERMINAL

    @property
    def folder(self) -> Path:
        """A private one of the session's, outside its workspace, that lasts as long as it does."""
        return self.prompt_file.parent


@dataclass(frozen=True, slots=True)
class Composer:
    """How this agent's terminal is typed to.

    `folded` are the texts it shows instead of a long paste; `dialogs` the texts that are visible
    while a dialog holds the keyboard, in which nothing may be pasted. `best` is the highest
    receipt that is waited for. `interrupt` are the keys that end a turn, pressed only while a text
    of `working` is visible; `now` those that submit to the turn under way, where it has such.
    `draft` is a pattern that the screen matches while something half typed stands in the composer;
    `ready` one that it matches while the composer is there to be typed to, as it is not at the
    start.
    """

    folded: tuple[str, ...] = ()
    dialogs: tuple[str, ...] = ()
    submit: tuple[str, ...] = ("Enter",)
    clear: tuple[str, ...] = ("C-u",)
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    interrupt: tuple[str, ...] = ()
    working: tuple[str, ...] = ()
    now: tuple[str, ...] = ()
    draft: str = ""
    ready: str = ""
    best: Delivery = Delivery.SUBMITTED


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """What the agent says of its own session."""

    native_id: str | None = None
    summary: str | None = None
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation, in the agent's own log; `tools` it used, a line each."""

    role: str
    text: str
    at: datetime | None = None
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What is at hand to judge an agent by: whether it runs, its screen, and the time."""

    launch: Launch
    alive: bool | None
    now: datetime
    started_at: datetime
    screen: str | None = None
    ended_at: datetime | None = None
    ready: timedelta = READY_WINDOW


@dataclass(frozen=True, slots=True)
class Asked:
    """A permission that the agent's dialog asks for: the tool, and what it is about."""

    tool: str
    arguments: str = ""


class Agent(Plugin[ConfigT]):
    """Knows one coding agent. It returns commands; runtimes run them."""

    @property
    @abstractmethod
    def process_name(self) -> str:
        """The name its process goes by in a process table."""

    @property
    def credentials(self) -> Sequence[str]:
        """Names of the environment variables it signs in with."""
        return ()

    @property
    def prompt_in_command(self) -> bool:
        """Whether the first prompt is part of the command; else it is sent after the start."""
        return True

    @property
    def watched(self) -> bool:
        """Whether its screen has to be watched, since no hook tells when it waits for somebody."""
        return False

    @property
    def commands(self) -> Sequence[str]:
        """Commands of its own, such as `/compact`, that may be sent to it word for word."""
        return ()

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Of what it may tell how much it used; by protocol, its turns show whether it does."""
        spoken = drive is Drive.PROTOCOL
        return frozenset({Part.TOKENS, Part.COST}) if spoken else frozenset()

    @abstractmethod
    def launch(self, launch: Launch) -> Command:
        """The command that starts the agent."""

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """Variables of its own, on top of what every worker gets."""
        return {}

    @abstractmethod
    def composer(self) -> Composer:
        """How its terminal is typed to."""

    @abstractmethod
    def classify(self, screen: str) -> ActivityState | None:
        """What the screen shows: idle, active, waiting for input, blocked; None if unclear."""

    def quota(self, screen: str) -> str | None:
        """The line in which the screen says that its quota is used up, if one does."""
        return None

    def heard(self, told: Raw) -> HookEvent | None:
        """What one of its own hooks, which `prepare` has set up, was told; None if it is nothing.

        Called for whatever is in the spool: a claim, in a form that nobody has checked.
        """
        return None

    async def asks(self, look: Look) -> Asked | None:
        """The permission its screen asks for, of an agent that has no hook to ask for it.

        It is answered by the composer's `allow` and `deny`.
        """
        return None

    async def taken(self, launch: Launch) -> frozenset[str]:
        """The tokens of those messages that its own log shows, of an agent without such a hook."""
        return frozenset()

    async def native(self, look: Look) -> Activity | None:
        """The last thing its own log says, with the log's own time; None without such a log."""
        return None

    async def activity(self, look: Look) -> Activity | None:
        """What it does now, by the cascade every agent shares; None when nothing is known."""
        screen = self.classify(look.screen) if look.screen is not None else None
        found = await cascade(
            Evidence(
                workspace=look.launch.workspace,
                alive=look.alive,
                ended_at=look.ended_at,
                native=await self.native(look),
                screen=screen,
            ),
            look.now,
            look.ready,
        )
        said = self.quota(look.screen) if look.screen is not None else None
        blocked = found is not None and found.state is ActivityState.BLOCKED
        return replace(found, detail=said) if said and found and blocked else found

    async def info(self, launch: Launch) -> AgentInfo | None:
        """Its native id, summary and usage; None when it keeps no log."""
        return None

    async def turns(self, launch: Launch, limit: int = 20) -> Sequence[Turn]:
        """The last messages of the conversation, oldest first."""
        return ()

    async def prepare(self, launch: Launch) -> None:
        """Set up hooks and context before the start, outside every tracked file."""

    async def launched(self, launch: Launch) -> None:
        """Once, after it runs. A failure here is reported and ends nothing."""


class Resumable(ABC):
    """An agent that can continue its own conversation."""

    @abstractmethod
    async def resume(self, launch: Launch) -> Command | None:
        """The command that continues it, or None if there is nothing to continue."""


class Conversable(ABC):
    """An agent that speaks the Agent Client Protocol over its standard input and output."""

    @property
    def preferred(self) -> Drive:
        """How it is driven unless somebody says otherwise."""
        return Drive.PROTOCOL

    @property
    def counts(self) -> bool:
        """Whether its turns end with the tokens of all the session; else its own log is asked."""
        return True

    @abstractmethod
    def converse(self, launch: Launch) -> Command | None:
        """The command that starts it that way; None where this one is not set up for it."""

    def mode(self, permissions: PermissionMode) -> str | None:
        """The session mode of its own that stands for these permissions, if one does."""
        return None

    def trouble(self, said: str) -> str | None:
        """Why it could not go on, where it says that like anything else it says."""
        return None

    @property
    def instructed(self) -> bool:
        """Whether that command brings the standing instructions; else its first prompt does."""
        return False
