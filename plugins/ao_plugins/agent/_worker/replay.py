"""What the log tells of a conversation, told once more."""

from collections.abc import Iterable

from ao_plugins.agent._worker.journal import Entry
from ao_plugins.agent._worker.narrator import Narrator
from ao_plugins.agent._worker.script import ScriptError, Step
from ao_plugins.agent._worker.turn import steps_of


def replay(entries: Iterable[Entry], narrator: Narrator) -> None:
    """Tell all of it, as far as it was said."""
    turn, done, answer, open = 0, 0, "", False
    steps: tuple[Step, ...] = ()
    for entry in entries:
        match entry:
            case Entry(step=0, text=text):
                turn, done, answer, open = turn + 1, 0, "", True
                steps = _steps(text, first=turn == 1)
                narrator.opens(turn)
                narrator.hears(text)
            case Entry(step=int(number), text=text) if 0 < number <= len(steps):
                narrator.remembers(number, steps[number - 1].given(answer), text)
                done = number
            case Entry(role="user", text=text):
                answer = text
                narrator.hears(text)
            case Entry(state="waiting_input", text=text) if _asks(steps, done):
                narrator.says(text)
            case Entry(state="ready" | "blocked", text=text) if open:
                narrator.closes(text)
                open = False
            case _:
                pass


def _asks(steps: tuple[Step, ...], done: int) -> bool:
    return done < len(steps) and steps[done].verb == "ask"


def _steps(task: str, *, first: bool) -> tuple[Step, ...]:
    try:
        return steps_of(task, first=first)
    except ScriptError:
        return ()
