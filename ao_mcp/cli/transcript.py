"""An agent driven by protocol, on a terminal: what is said, live, above a line to type on."""

import math
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import anyio
from anyio import to_thread
from prompt_toolkit import PromptSession
from prompt_toolkit.application import in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from ao_core.errors import AoError, EngineRestarted, EngineUnreachable
from ao_core.wire import Message
from ao_mcp.cli.blocks import cell
from ao_mcp.cli.following import Listener
from ao_mcp.cli.meaning import HELP, Call, Meaning, Word, complaint, meant, oldest, receipt
from ao_mcp.cli.outcome import FAILED, FINE
from ao_mcp.cli.place import Place
from ao_mcp.cli.prose import renderable
from ao_mcp.cli.screen import console
from ao_mcp.cli.telling import Line, Teller, question

_DEADLINE = 30.0
_TRYING = 60.0
_LAST_WORDS = 10.0
_LOOK = 0.2
_WELL = frozenset({"done", "cleanup", "merged"})
_MEANT = frozenset({"manually_killed", "engine_stopped"})


def follow(place: Place, shown: Message) -> int:
    """Show the conversation and take part in it, until the person leaves or the agent ends."""
    return anyio.run(_View(place, shown).run)


class _View:
    """What is on the terminal. Every way out of it ends nothing."""

    def __init__(self, place: Place, shown: Message) -> None:
        self._place, self._session = place, str(shown["session"])
        self._news: Message = {"status": shown["status"], "permissions": [], "turn": False}
        self._teller = Teller(self._session)
        self._console = console()
        self._prompt: PromptSession[str] = PromptSession(
            message=self._label,
            bottom_toolbar=self._toolbar,
            key_bindings=self._keys(),
            prompt_continuation="  ",
            erase_when_done=True,
            input=_Keys(sys.stdin),
        )
        self._prompt.default_buffer.on_text_changed += self._look_at_request
        self._prompt.default_buffer.accept_handler = self._enter
        self._listener = Listener(place, self._session, self._prompt.app.invalidate)
        self._entered, self._taken = anyio.create_memory_object_stream[Meaning](math.inf)
        self._messages, self._to_send = anyio.create_memory_object_stream[Call](math.inf)
        self._urgent, self._to_do = anyio.create_memory_object_stream[Call](math.inf)
        self._seen: str | None = None  # the request that was asked for as the line was typed
        self._status: int | None = None
        self._error: AoError | None = None

    async def run(self) -> int:
        """To the end; the exit status."""
        await self._say([Line(f"{self._session}; /help says what can be typed", "*", "dim")])
        async with anyio.create_task_group() as hearing:
            hearing.start_soon(self._hear)
            hearing.start_soon(self._end_on_signal)
            async with anyio.create_task_group() as doing:
                for task in (self._take_in, self._send_messages, self._do_at_once):
                    doing.start_soon(task)
                await self._type()
                self._entered.close()  # what was entered is done all the same
                doing.cancel_scope.deadline = anyio.current_time() + _LAST_WORDS
            hearing.cancel_scope.cancel()
        self._listener.close()
        if self._error:
            raise self._error
        return self._status or FINE

    def _leave(self, status: int) -> None:
        if self._status is None:
            self._status = status
        app = self._prompt.app
        if app.is_running and app.future and not app.future.done():
            app.exit(result="")

    # -- what is heard -----------------------------------------------------------------------------

    async def _hear(self) -> None:
        try:
            while self._status is None:
                news = await to_thread.run_sync(self._listener.news, abandon_on_cancel=True)
                self._news = news
                if not self._prompt.default_buffer.text:
                    self._look_at_request()
                await self._say(self._teller.told(news))
                self._prompt.app.invalidate()
                if news["ended"]:
                    await self._say([_over(self._session, news)])
                    self._leave(_status_of(news))
        except AoError as error:
            self._error = error
            self._leave(FAILED)

    # -- what is typed -----------------------------------------------------------------------------

    async def _type(self) -> None:
        """The line to type on stays, so that no key is lost between two of them."""
        try:
            await self._prompt.prompt_async()
        except EOFError:
            self._leave(FINE)
        if self._status == FINE and not self._news.get("ended"):
            await self._say([Line(f"left; {self._session} goes on", "*", "dim")])

    def _enter(self, buffer: Buffer) -> bool:
        """What was typed means what it meant on the screen it was typed at."""
        meaning = meant(self._session, buffer.text, self._news)
        if isinstance(meaning, Call) and meaning.params.get("request") not in (None, self._seen):
            meaning = Line("Another request came first: read it, then answer.", "!", "red")
        self._entered.send_nowait(meaning)
        return False

    async def _take_in(self) -> None:
        with self._messages, self._urgent:
            async for meaning in self._taken:
                await self._take(meaning)

    async def _take(self, meaning: Meaning) -> None:
        match meaning:
            case Word.HELP:
                await self._say([Line(line, "*", "dim") for line in HELP])
            case Word.DETACH:
                self._leave(FINE)
            case Line() as line:
                await self._say([line])
            case Call(params=params) as call if "decision" in params:
                await self._urgent.send(call)
            case Call() as call:
                await self._queue(call)
            case None:
                pass

    async def _queue(self, call: Call) -> None:
        if self._news["turn"]:
            text = cell(str(call.params.get("message") or call.params.get("text")))
            await self._say([Line(f"waits for the turn to end: {text}", "→", "dim", folded=True)])
        await self._messages.send(call)

    def _look_at_request(self, buffer: Buffer | None = None) -> None:
        """A decision is about the request that was shown as its line was typed."""
        asked = oldest(self._news)
        self._seen = asked["request"] if asked else None

    # -- what is sent ------------------------------------------------------------------------------

    async def _send_messages(self) -> None:
        """One after the other, in the order they were typed."""
        async for call in self._to_send:
            await self._perform(call)

    async def _do_at_once(self) -> None:
        """Answers and interrupts wait for no message that waits."""
        async for call in self._to_do:
            await self._perform(call)

    async def _perform(self, call: Call) -> None:
        try:
            reply = await to_thread.run_sync(self._ask, call, abandon_on_cancel=True)
        except AoError as error:
            await self._say(complaint(error))
        else:
            await self._say(receipt(reply))

    def _ask(self, call: Call) -> Message:
        """Once, whatever becomes of the engine meanwhile."""
        keyed = {"key": str(uuid.uuid4())} if call.method in ("send", "answer") else {}
        until = time.monotonic() + _TRYING
        while True:
            try:
                with self._place.connect() as connection:
                    return connection.call(call.method, {**call.params, **keyed}, _DEADLINE)
            except (EngineRestarted, EngineUnreachable):
                if time.monotonic() > until or self._status is not None:
                    raise
                self._listener.pause(_LOOK)

    def _interrupt(self) -> None:
        if self._news["turn"]:
            self._urgent.send_nowait(Call("interrupt", {"session": self._session}))
            return
        self._prompt.default_buffer.reset()
        said = "No turn is under way. Ctrl-D or /detach leaves; the agent goes on."
        self._entered.send_nowait(Line(said, "*", "dim"))

    # -- the terminal ------------------------------------------------------------------------------

    async def _say(self, lines: Sequence[Line]) -> None:
        if not lines:
            return
        try:
            async with in_terminal():
                self._console.print(renderable(lines))
        except OSError:  # the terminal is gone
            self._leave(FAILED)

    def _label(self) -> StyleAndTextTuples:
        asked = self._news["permissions"]
        if asked:
            several = f"{cell(asked[0]['tool'])} (1 of {len(asked)}) " if len(asked) > 1 else ""
            return [("bold", f"{several}allow? [y/n] ")]
        return [("bold", "answer> " if question(self._news) is not None else "> ")]

    def _toolbar(self) -> str:
        news, away = self._news, self._listener.away
        standing = dict.fromkeys([cell(str(news["status"])), _turn(news)])
        facts = [self._session, *(["the engine is away"] if away else standing), *_usage(news)]
        keys = "Ctrl-C interrupts" if news["turn"] else "Ctrl-D leaves"
        return f" {' · '.join([*facts, keys])} "

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        def interrupt(event: KeyPressEvent) -> None:
            self._interrupt()

        def another_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        keys.add("c-c")(interrupt)
        keys.add("<sigint>")(interrupt)
        keys.add("escape", "enter")(another_line)
        return keys

    async def _end_on_signal(self) -> None:
        """An end by signal leaves the terminal as clean as any other."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as signals:
            async for number in signals:
                self._leave(128 + number)


class _Keys(Vt100Input):
    """What is typed while something is printed above waits as it is, not in the line's own mode."""

    def cooked_mode(self) -> AbstractContextManager[None]:
        return nullcontext()


def _turn(news: Message) -> str:
    return "turn under way" if news["turn"] else "idle"


def _usage(news: Message) -> Sequence[str]:
    told, spent = (news.get("input_tokens"), news.get("output_tokens")), news.get("cost_usd")
    tokens = [f"{told[0] or 0:,} in, {told[1] or 0:,} out"] if any(told) else []
    return [*tokens, *([f"${spent:.2f}"] if spent is not None else [])]


def _over(session: str, news: Message) -> Line:
    why = cell(news.get("note") or str(news["reason"]).replace("_", " "))
    said = f"{session} has ended: {cell(news['status'])} ({why})."
    return Line(f"{said} `ao restore {session}` brings it back.", "*", "bold")


def _status_of(news: Message) -> int:
    """Whether it ended as somebody wanted, or by itself and well."""
    wanted = news["status"] in _WELL or news["reason"] in _MEANT
    return FINE if wanted or news.get("exit_status") == 0 else FAILED
