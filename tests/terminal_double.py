"""A terminal and its agent, modelled: a screen, a draft, dialogs, and marks that outlive a crash.

It notes whatever an engine must never do to it (`wronged`), and calls `step` before and after each
thing done to it, so that a test can stop the engine there.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import anyio
import anyio.lowlevel

from ao_core.model.session import RuntimeHandle, RuntimeState
from ao_core.plugin import Config, Manifest, Scope
from ao_core.process import Completed
from ao_core.slots.agent import Composer
from ao_core.slots.runtime import AttachInfo, Marks, Runtime, Seen, Start, Typable, Where

DIALOG = "Do you want to proceed?"
FOLDED = "[Pasted text]"
CLEAR = Composer().clear
WORKING = "working…"
INTERRUPT = ("C-c",)

Step = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class Terminal:
    """One agent's screen and keyboard."""

    draft: str = ""
    dialog: str | None = None
    state: RuntimeState = RuntimeState.ALIVE
    marks: Marks = field(default_factory=Marks)
    deaf_to: int = 0
    blind: bool = False
    folds: bool = False
    torn: bool = False
    pasted: list[str] = field(default_factory=list[str])
    received: list[str] = field(default_factory=list[str])
    presses: int = 0
    wronged: list[str] = field(default_factory=list[str])
    heard: anyio.Event = field(default_factory=anyio.Event)
    busy: bool = False
    stubborn: bool = False
    interruptions: int = 0
    keys: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    @property
    def alive(self) -> bool:
        """Whether there is anybody to type to; a probe that fails does not change it."""
        return self.state in (RuntimeState.ALIVE, RuntimeState.PROBE_FAILED)

    def screen(self) -> str:
        """What is visible: a dialog stands in front of the draft."""
        composer = FOLDED if self.folds and self.draft else self.draft
        front = self.dialog or ("" if self.blind else composer)
        status = [WORKING] if self.busy else []
        return "" if self.torn else "\n".join([*self.received[-3:], *status, f"> {front}"])

    def shows(self, texts: Sequence[str]) -> bool:
        """Whether one of them is visible."""
        return any(text in self.screen() for text in texts)

    def paste(self, text: str, mark: str) -> None:
        """It arrives in the draft, if there is one."""
        self._must_be_typed_to("pasted")
        self.marks = Marks(mark, self.marks.submitted)
        self.pasted.append(text)
        self.draft += text

    def submit(self, mark: str) -> None:
        """Enter: the agent takes the draft, unless it ignores the key."""
        self._must_be_typed_to("submitted")
        self.marks = Marks(self.marks.pasted, mark)
        self.presses += 1
        if self.deaf_to >= self.presses or not self.draft:
            return
        self.received.append(self.draft)
        self.draft = ""
        self.heard.set()

    def interrupt(self, mark: str) -> None:
        """The key that ends a turn; without one it would end the agent."""
        self._must_be_typed_to("interrupted")
        if not self.busy:
            self.wronged.append("interrupted while it rests")
        self.marks = Marks(self.marks.pasted, mark)
        self.interruptions += 1
        self.busy = self.stubborn

    def _must_be_typed_to(self, how: str) -> None:
        if not self.alive:
            self.wronged.append(f"{how} to the dead")
        if self.dialog:
            self.wronged.append(f"{how} into a dialog")


async def _go_on(_: str) -> None:
    """No test waits here."""


class TerminalDouble(Runtime[Config], Typable):
    """The runtime of such terminals, one for each handle."""

    manifest: ClassVar[Manifest] = Manifest("double", "runtime", "a model", "1")

    def __init__(self, scope: Scope, step: Step = _go_on) -> None:
        super().__init__(Config(), scope)
        self.terminals: dict[str, Terminal] = {}
        self.step = step

    def at(self, id: str) -> Terminal:
        """One session's terminal."""
        return self.terminals.setdefault(id, Terminal())

    async def create(self, start: Start) -> RuntimeHandle:
        self.terminals[start.id] = Terminal()
        return RuntimeHandle(start.id, self.name)

    async def find(self, id: str) -> RuntimeHandle | None:
        return RuntimeHandle(id, self.name) if id in self.terminals else None

    async def destroy(self, handle: RuntimeHandle) -> None:
        self.at(handle.id).state = RuntimeState.MISSING

    async def look(self, handles: Sequence[RuntimeHandle]) -> Mapping[str, Seen]:
        await self._at("look")
        return {handle.id: Seen(self.at(handle.id).state) for handle in handles}

    async def output(self, handle: RuntimeHandle, lines: int = 50) -> str:
        return self.at(handle.id).screen()

    async def write(self, handle: RuntimeHandle, text: str) -> None:
        self.at(handle.id).draft += text

    async def exec(
        self, where: Where, argv: Sequence[str], env: Mapping[str, str] | None = None,
        deadline: float = 1.0, *, stdin: bytes | None = None, limit: int = 0,
        last: bool = False,
    ) -> Completed:  # fmt: skip
        raise NotImplementedError

    async def attach_info(self, handle: RuntimeHandle) -> AttachInfo:
        return AttachInfo("none", handle.id)

    # -- screen and keyboard, each judged and done in one step -----------------------------------

    async def screen(self, handle: RuntimeHandle) -> str:
        return self.at(handle.id).screen()

    async def paste(
        self, handle: RuntimeHandle, text: str, *, mark: str, refuse: Sequence[str]
    ) -> bool:
        await self._at("paste")
        terminal = self.at(handle.id)
        free = terminal.alive and not terminal.shows(refuse)
        if free:
            terminal.paste(text, mark)
            await self._at("pasted")
        return free

    async def shows(self, handle: RuntimeHandle, texts: Sequence[str]) -> bool:
        await self._at("shows")
        return self.at(handle.id).shows(texts)

    async def submit(
        self, handle: RuntimeHandle, keys: Sequence[str], *, mark: str,
        expect: Sequence[str], refuse: Sequence[str],
    ) -> bool:  # fmt: skip
        await self._at("submit")
        terminal = self.at(handle.id)
        free = terminal.alive and terminal.shows(expect) and not terminal.shows(refuse)
        if free and tuple(keys) == INTERRUPT:
            terminal.interrupt(mark)
            await self._at("interrupted")
        elif free:
            terminal.keys.append(tuple(keys))
            terminal.submit(mark)
            await self._at("submitted")
        return free

    async def press(
        self, handle: RuntimeHandle, keys: Sequence[str], *, expect: Sequence[str]
    ) -> bool:
        terminal = self.at(handle.id)
        free = terminal.shows(expect)
        if free and keys == CLEAR:
            terminal.draft = ""
        elif free:
            terminal.dialog = None
        return free

    async def marks(self, handle: RuntimeHandle) -> Marks:
        await self._at("marks")
        return self.at(handle.id).marks

    async def _at(self, place: str) -> None:
        await anyio.lowlevel.checkpoint()
        await self.step(place)
