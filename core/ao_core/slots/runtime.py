"""Runtimes run agents: they start them, watch them, show their screens and type to them."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ao_core.model.session import RuntimeHandle, RuntimeReason, RuntimeState
from ao_core.plugin import ConfigT, Plugin
from ao_core.process import DEFAULT_DEADLINE, OUTPUT_LIMIT, Completed


@dataclass(frozen=True, slots=True)
class Command:
    """What a runtime should run. `env` is the whole environment: nothing is inherited."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Start:
    """One agent to be started. `id` is unique in this home, and names what is made.

    One that is `piped` speaks a protocol over its standard input and output, and has no terminal;
    only a runtime that is `Piped` can start it.
    """

    id: str
    workspace: Path
    command: Command
    columns: int = 200
    rows: int = 50
    piped: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at one agent. `output` changes whenever its output moved.

    `reason` is set where the state alone does not say why: `host_lost`.
    """

    state: RuntimeState
    pid: int | None = None
    exit_status: int | None = None
    exit_signal: int | None = None
    output: str = ""
    detail: str | None = None
    reason: RuntimeReason | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the agent and its children use."""

    uptime: float
    memory: int | None = None
    cpu_percent: float | None = None
    busy: float | None = None  # seconds of processor time so far


@dataclass(frozen=True, slots=True)
class AttachInfo:
    """How a person gets at it: the command to run."""

    kind: str
    target: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Where:
    """Where a side command runs: the session's workspace, and its environment if it runs."""

    workspace: Path
    handle: RuntimeHandle | None = None


class Runtime(Plugin[ConfigT]):
    """Runs agents that outlive the engine."""

    @abstractmethod
    async def create(self, start: Start) -> RuntimeHandle:
        """Start the command; return once the program itself runs. Raises if it cannot.

        Creating an id that runs already returns its handle (`find`).
        """

    @abstractmethod
    async def find(self, id: str) -> RuntimeHandle | None:
        """The handle of what was created under this id and still exists, dead or alive."""

    @abstractmethod
    async def destroy(self, handle: RuntimeHandle) -> None:
        """End the agent and its children; a second call is harmless."""

    @abstractmethod
    async def look(self, handles: Sequence[RuntimeHandle]) -> Mapping[str, Seen]:
        """One look at all of them, by handle id, at a cost that does not grow with their number."""

    @abstractmethod
    async def output(self, handle: RuntimeHandle, lines: int = 50) -> str:
        """The last lines of its output, unicode intact; what is visible, then what scrolled off."""

    @abstractmethod
    async def write(self, handle: RuntimeHandle, text: str) -> None:
        """Deliver `text` to the agent's input unchanged; raises `WrongState` if it has ended."""

    @abstractmethod
    async def exec(
        self,
        where: Where,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        deadline: float = DEFAULT_DEADLINE,
        *,
        stdin: bytes | None = None,
        limit: int = OUTPUT_LIMIT,
        last: bool = False,
    ) -> Completed:
        """Run a side command inside the session's environment: gates, git.

        Of each stream the first `limit` bytes are kept, or the `last`.
        """

    @abstractmethod
    async def attach_info(self, handle: RuntimeHandle) -> AttachInfo:
        """The command that attaches a person."""

    async def alive(self, handle: RuntimeHandle) -> bool:
        """Whether the agent runs."""
        seen = (await self.look([handle])).get(handle.id)
        return seen is not None and seen.state is RuntimeState.ALIVE


@dataclass(frozen=True, slots=True)
class Marks:
    """The last message pasted and the last submitted, as the runtime itself remembers.

    They are set in the same step as the paste and the submit, and outlive the engine: so a crash
    in between leaves no doubt about what was done.
    """

    pasted: str | None = None
    submitted: str | None = None


class Typable(ABC):
    """A runtime with a screen and a keyboard, each step guarded where it takes effect."""

    @abstractmethod
    async def screen(self, handle: RuntimeHandle) -> str:
        """What is visible now."""

    @abstractmethod
    async def paste(
        self, handle: RuntimeHandle, text: str, *, mark: str, refuse: Sequence[str]
    ) -> bool:
        """Paste in one step unless the agent is dead or a text of `refuse` is visible."""

    @abstractmethod
    async def shows(self, handle: RuntimeHandle, texts: Sequence[str]) -> bool:
        """Whether one of `texts` is visible."""

    @abstractmethod
    async def submit(
        self, handle: RuntimeHandle, keys: Sequence[str], *, mark: str,
        expect: Sequence[str], refuse: Sequence[str],
    ) -> bool:  # fmt: skip
        """Press `keys` in one step if a text of `expect` is visible and none of `refuse`."""

    @abstractmethod
    async def press(
        self, handle: RuntimeHandle, keys: Sequence[str], *, expect: Sequence[str]
    ) -> bool:
        """Press `keys` in one step if a text of `expect` is visible (none given: always)."""

    @abstractmethod
    async def marks(self, handle: RuntimeHandle) -> Marks:
        """What was pasted and submitted last."""


class Mourning(ABC):
    """A runtime that tells of deaths by itself, at once."""

    @abstractmethod
    def deaths(self) -> AsyncGenerator[RuntimeHandle]:
        """Yield the handle of each agent as it ends, also those watched from before."""

    @abstractmethod
    async def watch(self, handle: RuntimeHandle) -> None:
        """Tell of this one's death, too; one dead already is told of at once."""


class Measurable(ABC):
    """A runtime that knows what its agents use."""

    @abstractmethod
    async def metrics(self, handle: RuntimeHandle) -> Metrics | None:
        """Uptime, memory, CPU of the agent and its children."""


class Attended(ABC):
    """A runtime that knows who looks on."""

    @abstractmethod
    async def attended(self, handle: RuntimeHandle) -> bool:
        """Whether a person has the agent's terminal open now."""


class Forgetting(ABC):
    """A runtime that keeps something of agents that ended, such as what they said."""

    @abstractmethod
    async def forget(self, id: str) -> None:
        """Remove what is kept of one that has ended; one that runs is left as it is."""


class Direction(StrEnum):
    """Who said something on a line."""

    SAID = "said"  # by the program
    TOLD = "told"  # to the program


@dataclass(frozen=True, slots=True)
class Entry:
    """A piece of what went over a line. `end` is where the next one begins in the line's log.

    A piece is what was read or written at once; it may end in the middle of a message.
    """

    direction: Direction
    data: bytes
    end: int


class Line(ABC):
    """The way to speak with one piped program. What goes over it is logged, in order, for good.

    Closing the line leaves the program as it is; another engine opens it again and reads on.
    """

    @property
    @abstractmethod
    def note(self) -> bytes:
        """What `mark` kept last; empty when nothing was."""

    @property
    @abstractmethod
    def begins(self) -> int:
        """Where `entries` begins: at the last mark's `end`, or at 0."""

    @property
    @abstractmethod
    def known(self) -> int:
        """Where the log ended when the line was opened: up to here is history."""

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many bytes after the last mark the log can take before the program has to wait."""

    @abstractmethod
    def entries(self) -> AsyncGenerator[Entry]:
        """All from the last mark on, in order, then whatever comes, as it comes.

        Ends once the program has ended and all it said was told; raises `Unavailable` where the
        line itself is lost.
        """

    @abstractmethod
    async def write(self, data: bytes) -> bool:
        """Tell the program something, once. It comes back as an entry, too.

        False if something was written that `entries` has not yielded yet, by an engine before
        this one: then nothing is written; read on, and decide again. Raises `WrongState` if the
        program has ended.
        """

    @abstractmethod
    async def mark(self, end: int, note: bytes) -> None:
        """What is before `end` need not be told again; `note` (up to 1 MB) stands for it."""


class Piped(ABC):
    """A runtime that holds programs by their pipes, and keeps what they say while nobody reads."""

    @abstractmethod
    def line(self, handle: RuntimeHandle) -> AbstractAsyncContextManager[Line]:
        """Open the line to a program. Of one that has ended the log can still be read."""
