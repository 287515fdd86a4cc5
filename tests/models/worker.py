"""A model for workers: it does, line by line, what the task it was given says.

`RUN: <command>` is a call of the agent's own shell, `CALL: <tool> <arguments>` one of ours, and
`SLOWLY: <seconds>` a pause before each answer. Once every line has its result it says what is in
`SAY: <text>`, or that it has done all. What was said last decides, so each message says it whole.

An agent without tools has it all at once, each command as one that its user may run.
"""

import itertools
import json
import re
import shlex
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.dialects import Asked, Made, Offer, Reply, Wrong

_LINE = re.compile(r"^(?:.*\] ?)?(RUN|CALL|SAY|SLOWLY): (.*?)(?: \[/\w+\])?$", re.MULTILINE)
_SHELL = re.compile(
    r"^(bash|exec_command|shell|shell_command|run_shell_command|run_commands|terminal|"
    r"execute_command|execute_bash|runTerminalCommand|developer__shell|local_shell)$",
    re.IGNORECASE,
)
_OUTSIDE = "require_escalated"
_WITHOUT_TOOLS = "SEARCH/REPLACE"  # what such an agent tells its model of
_ASIDE, _DONE = "Noted.", "All done."


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a task."""

    kind: str
    text: str


@dataclass
class Worker:
    """What was asked, and what may be known of it."""

    url: str = ""
    refused: list[str] = field(default_factory=list[str])
    asked: list[Asked] = field(default_factory=list[Asked])
    hold: threading.Event = field(default_factory=threading.Event)  # set: it may answer
    replies: int = 0  # those to what an agent asks on the side with them
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.hold.set()

    def answer(self, asked: Asked) -> Reply:
        """The next thing to say."""
        number = next(self._numbers)  # no two calls of one conversation have the same name
        self.replies = number + 1
        shell = next((one for one in asked.offers if _SHELL.match(one.name)), None)
        steps = last_task(asked.told)
        by_hand = shell is None and _WITHOUT_TOOLS in asked.system
        if not steps or not (shell or by_hand):
            return Reply(number, _ASIDE)
        self.asked.append(asked)
        self.hold.wait(120)
        for step in steps:
            if step.kind == "SLOWLY":
                time.sleep(float(step.text))
        acts = [step for step in steps if step.kind in ("RUN", "CALL")]
        said = next((step.text for step in steps if step.kind == "SAY"), _DONE)
        if shell is None:
            return Reply(number, "\n\n".join([said, *map(_suggested, acts)]))
        done = done_of(acts, [made for made, _ in asked.past])
        if done < len(acts):
            return _act(number, acts[done], shell, asked.offers)
        return Reply(number, said)

    def heard(self, text: str) -> int:
        """How often the user's words, as they stand in the last request, have this."""
        told = self.asked[-1].told if self.asked else ()
        return sum(text in one for one in told if one)

    def offered(self) -> set[str]:
        """The names of all tools at hand."""
        return {one.name for one in self.asked[-1].offers} if self.asked else set[str]()

    def results(self) -> Sequence[str]:
        """What its calls came to."""
        return [text for _, text in self.asked[-1].past] if self.asked else ()


def last_task(told: Sequence[str | None]) -> Sequence[Step]:
    """The steps that were named last."""
    tasks = (list(steps_of(text)) for text in reversed(told) if text)
    return next((steps for steps in tasks if steps), ())


def done_of(acts: Sequence[Step], past: Sequence[Made]) -> int:
    """How many of the steps are done: where their results stand among what was said, agents differ;
    so the calls that were made last tell. A task that is said twice is done once.
    """
    for count in range(min(len(acts), len(past)), 0, -1):
        if all(map(_is_call_of, past[-count:], acts[:count])):
            return count
    return 0


def _is_call_of(made: Made, step: Step) -> bool:
    if step.kind == "RUN":
        return step.text in _texts(made.arguments)
    name, _, given = step.text.partition(" ")
    same = all(made.arguments.get(key) == value for key, value in json.loads(given or "{}").items())
    return same and re.search(rf"(^|[_.-]){name}$", made.offer.name) is not None


def _texts(given: Mapping[str, Any]) -> Iterator[str]:
    for value in given.values():
        yield from [value] if isinstance(value, str) else value if isinstance(value, list) else []


def steps_of(text: str) -> Iterator[Step]:
    """The lines that are steps."""
    return (Step(found[1], found[2].strip()) for found in _LINE.finditer(text))


def _act(number: int, step: Step, shell: Offer, offers: Sequence[Offer]) -> Reply:
    if step.kind == "RUN":
        return Reply(number, "", shell, filled(shell.takes, step.text))
    name, _, given = step.text.partition(" ")
    ours = [one for one in offers if re.search(rf"(^|[_.-]){name}$", one.name)]
    if len(ours) != 1:
        raise Wrong(f"there is no one tool {name}: {sorted(one.name for one in offers)}")
    return Reply(number, "", ours[0], _whole(ours[0].takes, json.loads(given or "{}")))


def _suggested(step: Step) -> str:
    """A command for whoever reads it to run; one of our tools as our command line has it."""
    name, _, given = step.text.partition(" ")
    told: dict[str, str] = json.loads(given or "{}") if step.kind == "CALL" else {}
    flags = [f"--{key}={value}" for key, value in told.items() if key != "note"]
    call = shlex.join(["ao", name, *flags, *filter(None, [told.get("note")])])
    return f"```bash\n{step.text if step.kind == 'RUN' else call}\n```"


def filled(schema: Mapping[str, Any], command: str) -> dict[str, Any]:
    """The arguments of a shell tool, as its schema wants them, so that it runs this."""
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties") or {}
    given: dict[str, Any] = {}
    for name, about in properties.items():
        if name in ("command", "cmd", "commands", "script"):
            given[name] = ["bash", "-c", command] if name != "commands" else [command]
            if _is_text(about):
                given[name] = command
        elif _OUTSIDE in about.get("enum", ()):  # of a sandbox, in which nothing can be committed
            given[name] = _OUTSIDE
        elif name in (schema.get("required") or ()):
            given[name] = _anything(about)
    if not given:
        raise Wrong(f"no command fits {schema}")
    return given


def _whole(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, and whatever else an agent wants to know of each call."""
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties") or {}
    wanted = {name: _anything(properties.get(name, {})) for name in schema.get("required") or ()}
    return {**wanted, **given}


def _is_text(about: Mapping[str, Any]) -> bool:
    kinds = about.get("type") or [one.get("type") for one in about.get("anyOf", ())]
    return "string" in ([kinds] if isinstance(kinds, str) else kinds)


def _anything(about: Mapping[str, Any]) -> object:
    if about.get("enum"):
        return about["enum"][0]
    if _is_text(about):
        return "as told"
    kinds: Mapping[str, object] = {"boolean": False, "integer": 1, "number": 1}
    return kinds.get(str(about.get("type")), list[Any]())
