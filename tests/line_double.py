"""An agent at the end of a line that outlives engines, and lines that can break at each step."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from ao_core.drive import messages
from ao_core.model.session import RuntimeHandle
from ao_core.slots.runtime import Direction, Entry, Line, Piped

Step = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class Agent:
    """Speaks the protocol: each prompt is a turn that asks once whether it may, if it `asks`, or
    that goes on until it is cancelled, if that is what `hangs`.

    `log` is what its host keeps; what an engine wrote as it died is `late`, and arrives later.
    """

    asks: bool = True
    hangs: str | None = None
    cancels: int = 0
    log: list[Entry] = field(default_factory=list[Entry])
    late: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    prompts: list[str] = field(default_factory=list[str])
    answers: list[str] = field(default_factory=list[str])
    note: bytes = b""
    marked: int = 0
    grown: anyio.Event = field(default_factory=anyio.Event)
    _prompt: int | None = None

    @property
    def end(self) -> int:
        return self.log[-1].end if self.log else 0

    @property
    def told(self) -> int:
        """Where the last thing it was told ends."""
        return max((one.end for one in self.log if one.direction is Direction.TOLD), default=0)

    def hear(self, read: int, data: bytes) -> bool:
        """Take something in from one who has read so far; refused if more was told since."""
        if self.told > read:
            return False
        self._keep(Direction.TOLD, data)
        self._answer(json.loads(data))
        return True

    def _keep(self, direction: Direction, data: bytes) -> None:
        self.log.append(Entry(direction, data, self.end + len(data) + 5))
        grown, self.grown = self.grown, anyio.Event()
        grown.set()

    def _say(self, data: bytes) -> None:
        for piece in (data[:7], data[7:]):  # a message may be cut anywhere
            self._keep(Direction.SAID, piece)

    def _answer(self, said: dict[str, Any]) -> None:
        method, id = said.get("method"), said.get("id", 0)
        if method == "initialize":
            self._say(messages.result(id, {"protocolVersion": 1}))
        elif method == "session/new":
            self._say(messages.result(id, {"sessionId": "native"}))
        elif method == "session/prompt":
            self._prompt = id
            self.prompts.append(said["params"]["prompt"][0]["text"])
            if self.prompts[-1] == self.hangs:
                return self._say(messages.notice("session/update", {"update": {}}))
            if not self.asks:
                self._prompt = None
                return self._say(messages.result(id, {"stopReason": "end_turn"}))
            options = [{"optionId": "yes", "kind": "allow_once", "name": "Yes"}]
            asked = {"toolCall": {"toolCallId": "t", "title": "odd"}, "options": options}
            self._say(messages.request(7, "session/request_permission", asked))
        elif method == "session/cancel":
            self.cancels += 1
            if self._prompt is not None:
                self._say(messages.result(self._prompt, {"stopReason": "cancelled"}))
                self._prompt = None
        elif id == 7 and self._prompt is not None:
            self.answers.append(said["result"]["outcome"]["outcome"])
            self._say(messages.result(self._prompt, {"stopReason": "end_turn"}))
            self._prompt = None


class LineDouble(Line):
    """One engine's line to the agent."""

    def __init__(self, agent: Agent, step: Step) -> None:
        self._agent, self._step = agent, step
        self._begins, self._known, self._read = agent.marked, agent.end, agent.marked
        self._note = agent.note

    @property
    def note(self) -> bytes:
        return self._note

    @property
    def begins(self) -> int:
        return self._begins

    @property
    def known(self) -> int:
        return self._known

    @property
    def capacity(self) -> int:
        return 1 << 30

    async def entries(self) -> AsyncGenerator[Entry]:
        place = 0
        while True:
            grown = self._agent.grown
            for entry in self._agent.log[place:]:
                place += 1
                if entry.end > self._begins:
                    await self._step("read")
                    self._read = max(self._read, entry.end)
                    yield entry
            if place == len(self._agent.log):
                await grown.wait()

    async def write(self, data: bytes) -> bool:
        read = self._read
        try:
            await self._step("write")
        except BaseException:
            self._agent.late.append((read, data))
            raise
        for late in self._agent.late:
            self._agent.hear(*late)
        self._agent.late.clear()
        done = self._agent.hear(read, data)
        self._read = max(self._read, self._agent.told) if done else self._read
        await self._step("written")
        return done

    async def mark(self, end: int, note: bytes) -> None:
        self._agent.marked, self._agent.note = end, note


class LinesDouble(Piped):
    """A runtime that holds the one agent."""

    def __init__(self, agent: Agent, step: Step) -> None:
        self._agent, self._step = agent, step

    @asynccontextmanager
    async def line(self, handle: RuntimeHandle) -> AsyncGenerator[Line]:
        yield LineDouble(self._agent, self._step)
