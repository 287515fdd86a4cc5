"""The worker itself: one turn at a time, messages in between, a dialog over everything."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from ao_core.spool import HookKind
from ao_plugins._console.draft import Draft, Letter
from ao_plugins._console.keys import Key
from ao_plugins._console.terminal import Terminal
from ao_plugins.agent._worker.hooks import Hooks
from ao_plugins.agent._worker.journal import Past
from ao_plugins.agent._worker.permission import Dialog
from ao_plugins.agent._worker.progress import Ending, Progress
from ao_plugins.agent._worker.screen import Footer, Screen
from ao_plugins.agent._worker.script import COMMAND
from ao_plugins.agent._worker.turn import Doer, Permit, Turn

_REDRAW = 0.02


@dataclass(frozen=True, slots=True)
class Quirks:
    """Ways in which real agents are awkward."""

    fold: bool = False
    deaf_enter: bool = False
    redraw: bool = False
    dialog_mid_send: bool = False


@dataclass(slots=True)
class Worker:
    """What the terminal tells of what happens."""

    name: str
    terminal: Terminal
    screen: Screen
    hooks: Hooks
    doer: Doer
    dialog: Dialog
    quirks: Quirks = Quirks()
    over: int | None = None
    _draft: Draft = field(default_factory=Draft)
    _progress: Progress = field(init=False)
    _turns: int = 0
    _blocked: str = ""
    _queue: deque[str] = field(default_factory=deque[str])
    _next_frame: float = 0.0
    _frame: int = 0
    _deaf: bool = False
    _raises: bool = False

    def __post_init__(self) -> None:
        self._progress = Progress(self.terminal.aside, self.doer, self)

    def start(self, past: Past, task: str) -> None:
        """Say hello, and begin with what there is to do."""
        self._draft.fold, self._deaf = self.quirks.fold, self.quirks.deaf_enter
        self._raises = self.quirks.dialog_mid_send
        self._turns = past.turns
        self.screen.say(f"ao worker, {self.name}. C-c stops a turn, C-d ends.", "*")
        self.hooks.tell(HookKind.SESSION_STARTED, native_id=past.native_id)
        if past.turns:
            self.screen.say(f"resumed after {past.turns} turns", "*")
        if past.task is not None:
            self._go(past.task, self.doer.resumed(past))
        elif task.strip():
            self._begin(task)

    @property
    def due(self) -> float | None:
        """When to be woken: at the end of a sleep, or for the next frame."""
        until = self._progress.until
        moments = [self._next_frame] if self.quirks.redraw else []
        return min(moments if until is None else [*moments, until], default=None)

    # -- what comes in -----------------------------------------------------------------------------

    def key(self, key: Key) -> None:
        """Something was pressed, typed or pasted."""
        if key == Key("key", "end"):
            self.over = 0
        elif self.dialog.lines and key.kind == "text" and len(key.value) > 1:
            for letter in key.value:  # the first that is an answer closes the dialog
                self.key(Key("text", letter))
        elif self.dialog.lines:
            self.dialog.press(key)
        elif key.kind == "paste":
            self._paste(key.value)
        elif key.kind == "text":
            self._draft.type(key.value)
        else:
            self._press(key.value)

    def wake(self) -> None:
        """A moment has come: a sleep is over, or it is time to move."""
        now = monotonic()
        if self._next_frame <= now:
            self._next_frame, self._frame = now + _REDRAW, self._frame + 1
        self._progress.wake()

    def resized(self) -> None:
        """The terminal has another size."""
        self.screen.repaint(self._footer())

    def paint(self) -> None:
        """Show how things stand."""
        self.screen.paint(self._footer())

    # -- the composer ------------------------------------------------------------------------------

    def _paste(self, text: str) -> None:
        self._draft.paste(text)
        if self._raises:
            self._raises = False
            self.paint()
            wish = Permit("run", "make everything")
            self.dialog.ask(wish, lambda said: self.screen.say(f"{said}: {wish.arguments}"))

    def _press(self, key: str) -> None:
        match key:
            case "enter" if self._deaf:
                self._deaf = False
            case "enter":
                self._submit()
            case "backspace":
                self._draft.backspace()
            case "clear":
                self._draft.clear()
            case "interrupt":
                self._interrupt()
            case _:
                return

    def _submit(self) -> None:
        letter = self._draft.take()
        if letter is None:
            return
        self.screen.say(letter.origin + letter.text, ">")
        if letter == Letter(COMMAND, None):
            return self.screen.say(f"{self._turns} turns so far", "*")
        if letter.token:
            self.hooks.tell(HookKind.ACCEPTED, letter.text, token=letter.token)
        self._take(letter)

    def _take(self, letter: Letter) -> None:
        if self._progress.asking:
            self._progress.answer(letter.text)
        elif self._progress.busy:
            self._queue.append(letter.text)
        else:
            self._begin(letter.text)

    def _interrupt(self) -> None:
        self._draft.clear()
        self._progress.interrupt()

    # -- the turn ----------------------------------------------------------------------------------

    def _begin(self, task: str) -> None:
        self._turns += 1
        self._go(task, self.doer.turn(task, first=self._turns == 1))

    def _go(self, task: str, turn: Turn) -> None:
        self._blocked = ""
        self.hooks.tell(HookKind.TURN_STARTED, task.strip().split("\n")[0][:200])
        self._progress.begin(turn)

    def asked(self, question: str) -> None:
        """The turn wants an answer."""
        self.screen.say(question, "?")
        self.hooks.tell(HookKind.WAITING_INPUT, question)

    def permit(self, wish: Permit, then: Callable[[str], None]) -> None:
        """The turn wants to be allowed something."""
        self.dialog.ask(wish, then)

    def ended(self, said: str, ending: Ending) -> None:
        """The turn is over."""
        blocked = ending == "blocked"
        self._blocked = said if blocked else ""
        if blocked:
            self.screen.say(said, "!")
        self.hooks.tell(HookKind.BLOCKED if blocked else HookKind.TURN_ENDED, said)
        if self._queue:
            self._begin(self._queue.popleft())

    def crashed(self, status: int) -> None:
        """The script ends the worker."""
        self.over = status

    # -- the picture -------------------------------------------------------------------------------

    def _footer(self) -> Footer:
        spinner = f" {'|/-'[self._frame % 3]}" if self.quirks.redraw else ""
        if self.dialog.lines:
            return Footer((*self.dialog.lines, spinner), None)
        return Footer((f" {self._status()}{spinner}",), self._draft.shown)

    def _status(self) -> str:
        if self._progress.asking:
            return "waiting for your answer"
        if self._progress.busy:
            queued = f", {len(self._queue)} queued" if self._queue else ""
            return f"working…{queued}"
        return f"blocked: {self._blocked}" if self._blocked else f"idle · {self.name}"
