"""One turn after the other: a message is taken, its command runs, and the next may be typed."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ao_core.errors import AoError
from ao_core.files import write_atomic
from ao_core.spool import HookKind
from ao_plugins._by_turns.child import Child
from ao_plugins._by_turns.modes import Modes
from ao_plugins._by_turns.picture import Picture
from ao_plugins._by_turns.plan import Plan
from ao_plugins._by_turns.word import Word, first_line, native_id, of_the_turn
from ao_plugins._console.draft import Draft, Letter
from ao_plugins._console.keys import Key
from ao_plugins._console.terminal import Terminal

_GO_ON = "You were interrupted. Go on from where you stopped. This is what you were told:\n\n"
_STOP = (Key("key", "interrupt"), Key("key", "escape"))
_HELLO = "Each message is a turn. C-c ends a turn, C-d ends all."
_BROKEN_OFF = "The turn was interrupted."


@dataclass(slots=True)
class Turns:
    """What the terminal tells of what happens. `over` is how it ends: as a command did that failed,
    and below zero by that signal.
    """

    plan: Plan
    terminal: Terminal
    picture: Picture
    word: Word
    over: int | None = None
    due: float | None = None
    _modes: Modes = field(init=False)
    _draft: Draft = field(default_factory=Draft)
    _held: list[Key] = field(default_factory=list[Key])
    _child: Child | None = None
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _stopped: bool = False
    _count: int = 0
    _note: str = "· nothing told yet"

    def start(self, *, again: bool) -> None:
        """Begin with the task; or go on, if it was in the midst of something."""
        self._modes = Modes()
        self.picture.say(_HELLO, "*")  # tmux keeps what is erased from its first row on
        self.word.leave(HookKind.SESSION_STARTED, native_id=native_id(self.plan))
        if not again:
            task = self.plan.first.read_text(errors="replace").replace("\0", "")
            self._begin(Letter(task, None), later=False)
        elif self.plan.under_way.exists():
            text = self.plan.message.read_text(errors="replace").removeprefix(_GO_ON)
            self._begin(Letter(_GO_ON + text, None))

    # -- what comes in -----------------------------------------------------------------------------

    def key(self, key: Key) -> None:
        """What is typed during a turn waits for its end, but what ends it."""
        if self._child is None:
            self._press(key)
        elif key in _STOP:
            self.interrupt()
        else:
            self._held.append(key)

    def interrupt(self) -> None:
        """End the turn that is under way."""
        child = self._child
        if child is None or self._stopped:
            return
        self._stopped = True
        self.terminal.aside(lambda: (child.interrupt(), lambda: None)[1])

    def interrupted(self) -> None:
        """The terminal itself did so, as it does where the command has put its modes back."""
        self._stopped = self._child is not None

    def wake(self) -> None:
        """Nothing is waited for by the clock."""

    def resized(self) -> None:
        """The terminal has another size."""
        self.picture.resized()
        if self._child is not None:
            self.picture.margin()

    def paint(self) -> None:
        """Show how things stand."""
        while self._held and self._child is None and self.over is None:
            self._press(self._held.pop(0))
        if self._child is None and self.over is None:
            self.picture.composer(self._note, self._draft.shown)

    def _press(self, key: Key) -> None:
        match key:
            case Key("text", text):
                self._draft.type(text)
            case Key("paste", text):
                self._draft.paste(text)
            case Key("key", "backspace"):
                self._draft.backspace()
            case Key("key", "clear" | "interrupt"):
                self._draft.clear()
            case Key("key", "end") if not self._draft.shown:
                self.over = 0
            case Key("key", "enter"):
                if letter := self._draft.take():
                    self._begin(letter)
            case _:
                return

    # -- a turn ------------------------------------------------------------------------------------

    def _begin(self, letter: Letter, *, later: bool = True) -> None:
        text = letter.origin + letter.text
        self.picture.say(letter.text, ">")
        self.picture.works()
        self._began, self._stopped = datetime.now(UTC), False
        try:
            self._child = child = self._started(text, later=later)
        except (OSError, ValueError, AoError) as exc:
            return self._not_started(exc)
        self._count += 1
        kind = HookKind.ACCEPTED if letter.token else HookKind.TURN_STARTED
        self.word.leave(kind, first_line(letter.text), letter.token)
        self.terminal.aside(lambda: self._waited(child))

    def _started(self, text: str, *, later: bool) -> Child:
        plan = self.plan
        plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(plan.message, text)
        plan.under_way.touch()
        return Child(plan.words(text, native_id(plan), later=later))

    def _not_started(self, why: Exception) -> None:
        said = f"It could not be started: {why}"
        self.picture.rests()
        self.picture.say(said, "!")
        self._note = "· not started"
        self.word.leave(HookKind.BLOCKED, said)

    def _waited(self, child: Child) -> Callable[[], None]:
        status = child.wait()
        return lambda: self._ended(status)

    def _ended(self, status: int) -> None:
        self._child = None
        self._modes.put_back()
        self.picture.rests()
        if status and not self._stopped:
            return self._fails(status)
        with suppress(OSError):
            self.plan.under_way.unlink()
        kind, said = of_the_turn(self.plan, self._began)
        if self._stopped:
            kind, said = HookKind.TURN_ENDED, _BROKEN_OFF
        self._note = f"· turn {self._count} {'was interrupted' if self._stopped else 'has ended'}"
        self.word.leave(kind, said, native_id=native_id(self.plan))

    def _fails(self, status: int) -> None:
        how = f"status {status}" if status > 0 else f"signal {-status}"
        self.picture.say(f"The command ended with {how}.", "!")
        self.over = status
