"""One turn: a task's steps, done one by one. It says what it waits for and is told what came."""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from ao_plugins.agent._worker.deeds import Hands, words
from ao_plugins.agent._worker.journal import Journal, Past
from ao_plugins.agent._worker.script import ScriptError, Step, parse, without_script

_LOOP_PAUSE = 0.05
_LONGEST_SLEEP = 3600.0
DENIED = "denied:"


@dataclass(frozen=True, slots=True)
class Sleep:
    """Until some time has passed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Until this has been done on a thread."""

    do: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Question:
    """Until somebody has answered."""

    text: str


@dataclass(frozen=True, slots=True)
class Permit:
    """Until somebody has allowed or denied it; the answer is `allow` or `deny`."""

    tool: str
    arguments: str


Wait: TypeAlias = Sleep | Work | Question | Permit
Turn: TypeAlias = Generator[Wait, str, str]


class Audience:
    """Whoever is shown what a turn does, step by step. Numbers begin with 1."""

    def planned(self, steps: tuple[Step, ...], done: int) -> None:
        """These are its steps, and so many are behind it."""

    def begins(self, number: int, step: Step) -> None:
        """It turns to this one."""

    def did(self, step: Step, said: str) -> None:
        """It is through with it."""

    def spent(self, cost: float, tokens: int) -> None:
        """It has used so much, in all."""


@dataclass(frozen=True, slots=True)
class Aloud(Audience):
    """Says what was done, and nothing before."""

    say: Callable[[str], None]

    def did(self, step: Step, said: str) -> None:
        """Say so."""
        self.say(said)


class Crash(Exception):
    """The script wants the worker to end, at once, with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"crash {status}")
        self.status = status


@dataclass(slots=True)
class Doer:
    """Turns tasks into turns."""

    hands: Hands
    journal: Journal
    audience: Audience
    answer: str = ""

    def turn(self, task: str, *, first: bool) -> Turn:
        """A new one. Only the first task is work by itself; a later one must say what to do."""
        self.journal.task(task)
        return (yield from self._steps(steps_of(task, first=first), 0))

    def resumed(self, past: Past) -> Turn:
        """The rest of one that was not finished."""
        self.answer = past.answer
        steps = steps_of(past.task or "", first=past.turns == 1)
        return (yield from self._steps(steps, past.done))

    def _steps(self, steps: tuple[Step, ...], done: int) -> Turn:
        self.hands = self.hands.rested()
        self.audience.planned(steps, done)
        said = "noted; nothing to do"
        for number in range(done, len(steps)):
            step = steps[number].given(self.answer)
            self.audience.begins(number + 1, step)
            if step.verb == "loop":
                return (yield from self._for_ever(steps[:number]))
            if step.verb == "crash":
                self.journal.step(number + 1, "crash")  # so that nobody resumes into it
            said = yield from self._step(step)
            self.journal.step(number + 1, said)
            self.audience.did(step, said)
        return said

    def _for_ever(self, steps: tuple[Step, ...]) -> Generator[Wait, str, NoReturn]:
        while True:
            yield Sleep(_LOOP_PAUSE)
            for number, template in enumerate(steps, 1):
                step = template.given(self.answer)
                self.audience.begins(number, step)
                self.audience.did(step, (yield from self._step(step)))

    def _step(self, step: Step) -> Turn:
        hands = self.hands
        match step.verb:
            case "write" | "append":
                return (yield Work(lambda: hands.write(step)))
            case "commit":
                return (yield Work(lambda: hands.commit(step.argument)))
            case "run":
                return (yield from self._run(step.argument))
            case "ask":
                return (yield from self._ask(step.argument))
            case "sleep":
                yield Sleep(_seconds(step.argument))
                return f"slept {step.argument}"
            case "spend":
                return self._spend(step.argument)
            case "quota":
                raise ScriptError(_used_up(step.argument))
            case "crash":
                raise Crash(int(_seconds(step.argument or "1")) & 255)
            case _:
                return step.argument or "…"

    def _run(self, command: str) -> Turn:
        words(command)
        hands = self.hands
        self.journal.waits(f"May I run {command}?")
        said = yield Permit("run", command)
        self.journal.goes_on(f"{said}: {command}")
        if said != "allow":
            return f"{DENIED} {command}"
        return (yield Work(lambda: hands.run(command)))

    def _spend(self, argument: str) -> str:
        cost, _, tokens = argument.partition(" ")
        self.audience.spent(*self.journal.spends(_seconds(cost), int(_seconds(tokens or "0"))))
        return f"spent {cost} USD and {tokens or 0} tokens"

    def _ask(self, question: str) -> Turn:
        self.journal.waits(question)
        self.answer = yield Question(question)
        self.journal.answer(self.answer)
        return f"answered: {self.answer}"


def steps_of(task: str, *, first: bool) -> tuple[Step, ...]:
    """What a task is about; only the first is work by itself."""
    return parse(task) or (without_script(task) if first else ())


def _used_up(seconds: str) -> str:
    """As agents say it."""
    more = f" Your quota will reset after {_seconds(seconds):g}s." if seconds else ""
    return f"You've hit your usage limit.{more}"


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as exc:
        raise ScriptError(f"not a number: {text}") from exc
    if not math.isfinite(seconds) or not 0 <= seconds <= _LONGEST_SLEEP:
        raise ScriptError(f"not a number I can use: {text}")
    return seconds
