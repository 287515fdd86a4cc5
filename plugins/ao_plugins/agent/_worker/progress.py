"""The turn under way, moved on by what it waited for: the same in a terminal and by protocol."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal, Protocol, TypeAlias

from ao_plugins.agent._worker.script import ScriptError
from ao_plugins.agent._worker.turn import Crash, Doer, Permit, Question, Sleep, Turn, Wait, Work

Ending: TypeAlias = Literal["ready", "blocked", "interrupted"]


class Stage(Protocol):
    """Where a turn happens: it is told what is waited for, and how it ended."""

    def asked(self, question: str) -> None: ...
    def permit(self, wish: Permit, then: Callable[[str], None]) -> None: ...
    def ended(self, said: str, ending: Ending) -> None: ...
    def crashed(self, status: int) -> None: ...


@dataclass(slots=True)
class Progress:
    """At most one turn. `until` is the end of its sleep; `asking`, whether it wants an answer."""

    aside: Callable[[Callable[[], Callable[[], None]]], None]
    doer: Doer
    stage: Stage
    until: float | None = None
    asking: bool = False
    _turn: Turn | None = None

    @property
    def busy(self) -> bool:
        """Whether there is a turn."""
        return self._turn is not None

    def begin(self, turn: Turn) -> None:
        """Start with this one."""
        self._turn = turn
        self._advance(None)

    def answer(self, text: str) -> None:
        """What was asked for."""
        self.asking = False
        self._advance(text)

    def wake(self) -> None:
        """A moment has come; perhaps the end of a sleep."""
        if self.until is not None and self.until <= monotonic():
            self.until = None
            self._advance("")

    def interrupt(self) -> None:
        """End it here."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        self.asking, self.until = False, None
        self.doer.hands.stop()
        turn.close()
        self._end("interrupted", "interrupted")

    def _advance(self, came: str | Exception | None) -> None:
        turn = self._turn
        if turn is None:
            return
        try:
            if isinstance(came, Exception):
                wait = turn.throw(came)
            else:
                wait = next(turn) if came is None else turn.send(came)
        except StopIteration as end:
            self._end(end.value, "ready")
        except ScriptError as problem:
            self._end(str(problem), "blocked")
        except Crash as crash:
            self.stage.crashed(crash.status)
        else:
            self._await(wait, turn)

    def _await(self, wait: Wait, turn: Turn) -> None:
        def resume(came: str | Exception) -> None:
            if self._turn is turn:
                self._advance(came)

        match wait:
            case Sleep(seconds):
                self.until = monotonic() + seconds
            case Work(do):
                self.aside(lambda: _outcome(do, resume))
            case Question(text):
                self.asking = True
                self.stage.asked(text)
            case Permit():
                self.stage.permit(wait, resume)

    def _end(self, said: str, ending: Ending) -> None:
        self._turn = None
        self.doer.journal.ends(said, "blocked" if ending == "blocked" else "ready")
        self.stage.ended(said, ending)


def _outcome(do: Callable[[], str], then: Callable[[str | Exception], None]) -> Callable[[], None]:
    """Do it on this thread; the result is handed over on the other."""
    try:
        result: str | Exception = do()
    except Exception as exc:
        result = exc
    return lambda: then(result)
