"""The story each agent plays, through the real engine: every step a column of the table.

A step raises `AssertionError` with what is not so; those after it are not reached. What the agent
says of itself counts only where that is the matter: git, the journal and the process table decide.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.stage import Stage
from ao_core.errors import AoError
from models.dialects import TOKENS
from team import eventually, git

PATIENCE = 120.0
SECRET = "heliotrope"
INSTRUCTED = "one of several coding agents at work on project"
COMMIT = 'echo hello > hello.txt && git add hello.txt && git commit -q -m "say hello"'
TASK = f"Remember the word {SECRET}.\nRUN: {COMMIT}\nSAY: It is written."
MORE = "SAY: Noted, thank you."
ASKING = 'CALL: inbox {}\nCALL: ask {"question": "Which way?"}\nSAY: I see.'
WAY = "SAY: To the left."
ENDED = 'CALL: report {"state": "done", "note": "hello.txt says hello"}\nSAY: That is all.'


@dataclass(slots=True)
class Told:
    """What is known as the story goes on."""

    stage: Stage
    session: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def shown(self) -> dict[str, Any]:
        return self.stage.team.sure("show", session=self.session)

    def screen(self) -> str:
        """The end of what it shows, for whoever has to find out what went wrong."""
        return self.stage.team.sure("read", session=self.session, what="screen")["text"][-1500:]

    def allows(self, shown: dict[str, Any]) -> dict[str, Any]:
        """It may: an agent without our tools calls our command, and asks about that, too."""
        for one in shown["permissions_pending"]:
            given = {"session": self.session, "request": one["request"], "decision": "allow"}
            self.stage.team.sure("answer", key=f"allow-{one['request']}", **given)
        return shown

    def until(self, what: str, so: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait for it; says what there was instead."""
        try:
            return self.stage.team.until_so(self.session, so, PATIENCE)
        except AssertionError as wrong:
            shown = self.shown
            said = f"never {what}: it is {shown['status']} ({shown.get('reason')})"
            print(shown["evidence"], self.screen(), file=sys.stderr)  # noqa: T201
            raise AssertionError(f"{said}; {self.stage.model.refused[-2:]}") from wrong


def starts(told: Told) -> None:
    """It runs, and its model is asked what the task says."""
    told.session = told.stage.team.call("spawn", prompt=TASK)["session"]
    eventually(lambda: bool(told.stage.model.asked), PATIENCE)
    first = told.stage.model.asked[0]
    assert any(SECRET in one for one in first.told if one), "its model was not told the task"
    times = first.body.count(INSTRUCTED)
    assert times == 1, f"it was told its standing instructions {times} times"


def asks(told: Told) -> None:
    """It asks before it commits, with the command that it is about."""
    shown = told.until("asked", lambda now: now["permissions_pending"])
    (asked,) = told.asked = shown["permissions_pending"]
    assert "git commit" in asked["arguments"], f"it asks about {asked['arguments']!r}"
    assert shown["status"] == "needs_input"
    assert not (Path(shown["path"]) / "hello.txt").exists(), "it did not wait for the answer"


def outlives(told: Told) -> None:
    """The engine dies while it waits: it still waits, for the same answer, with the next one."""
    told.stage.team.kill_engine()
    shown = told.until("asked again", lambda now: now["permissions_pending"])
    assert shown["permissions_pending"] == told.asked
    assert not (Path(shown["path"]) / "hello.txt").exists(), "it did not wait for the answer"


def is_answered(told: Told) -> None:
    """One answer is what it waited for."""
    team = told.stage.team
    team.call("answer", session=told.session, decision="allow", request=told.asked[0]["request"])
    told.until("went on", lambda now: not now["permissions_pending"] and now["commits"])


def commits(told: Told) -> None:
    """One commit of what was asked."""
    path = Path(told.shown["path"])
    assert git(path, "log", "--format=%s", "main..HEAD") == "say hello"


def rests(told: Told) -> None:
    """Its turn is over, and what it said is there to be read."""
    told.until("idle", lambda now: now["state"] == "idle")
    said = told.stage.team.call("read", session=told.session, what="turns")["text"]
    assert "It is written." in said, f"its turns are {said[-300:]!r}"
    assert "Remember the word" in said


def accepts(told: Told) -> None:
    """A message has the receipt that its adapter says it can have, and is there once."""
    team, model = told.stage.team, told.stage.model
    receipt = team.tell(told.session, MORE)
    told.until("took the message", lambda now: now["state"] == "idle")
    assert receipt["state"] == "accepted", f"its receipt is {receipt}"
    eventually(lambda: model.heard(MORE) == 1, PATIENCE)


def dies(told: Told) -> None:
    """Killed with -9: its death is known at once, and told."""
    team = told.stage.team
    team.agent(told.session).kill()
    told.until("known to be dead", lambda now: now["state"] == "terminated")
    last = [line.split(" ")[2] for line in team.journal()][-5:]
    assert "session.exited" in last, f"the journal tells {last}"


def comes_back(told: Told) -> None:
    """It runs again and knows what was said before."""
    team, model = told.stage.team, told.stage.model
    team.call("restore", session=told.session)
    asked = len(model.asked)
    team.tell(told.session, MORE)
    eventually(lambda: len(model.asked) > asked, PATIENCE)
    told.until("idle", lambda now: now["state"] == "idle")
    assert model.heard(SECRET), "it has forgotten the task"


def is_told(told: Told) -> None:
    """By our tools it reads whom its messages are from, and asks; the answer is its next one."""
    team, model = told.stage.team, told.stage.model
    assert "inbox, question" not in told.stage.real.lacks, "it has none of our tools"
    sent = team.call("send", session=told.session, message=ASKING)
    told.until("asked its lead", lambda now: told.allows(now)["question"] == "Which way?")
    listed = [one for one in model.results() if sent["message"] in one]
    assert listed, f"its inbox is {model.results()[-2:]}"
    team.call("answer", session=told.session, text=WAY)
    eventually(lambda: model.heard(WAY) == 1, PATIENCE)
    told.until("went on", lambda now: now["state"] == "idle" and not now["question"])


def is_done(told: Told) -> None:
    """It says that it is done by our own tool, and the gate that is run for that passes."""
    team = told.stage.team
    team.tell(told.session, ENDED)
    shown = told.until(
        "verified", lambda now: told.allows(now)["evidence"]["verdict"] == "verified"
    )
    assert [one["passed"] for one in shown["evidence"]["gates"]] == [True]
    assert team.call("wait", sessions=[told.session], until="done", seconds=30)["reached"]


def is_counted(told: Told) -> None:
    """All that its work took is known: an answer for each message, and one for each call."""
    model = told.stage.model
    least = TOKENS * (len(told.shown["messages"]) + len(model.results()))
    shown = told.until("counted", lambda now: (now["input_tokens"] or 0) >= least)
    most = TOKENS * model.replies
    assert shown["input_tokens"] <= most, f"{shown['input_tokens']} of {most} are known"


def is_left_alone(told: Told) -> None:
    """What its user had set is there; if the agent itself wrote more, it is nothing of ours."""
    stage = told.stage
    marks = [b"ao_plugins", b"ao-mcp", os.fsencode(stage.team.home)]
    for file, before in stage.had.items():
        after = file.read_bytes()
        ours = [mark for mark in marks if mark in after]
        assert after == before or not ours, f"{file.name} has {ours}"


STEPS: Mapping[str, Callable[[Told], None]] = {
    "works on its task": starts,
    "asks": asks,
    "engine killed": outlives,
    "answered": is_answered,
    "commits": commits,
    "idle": rests,
    "accepted": accepts,
    "death known": dies,
    "comes back, remembers": comes_back,
    "inbox, question": is_told,
    "done with evidence": is_done,
    "tokens counted": is_counted,
    "user's settings kept": is_left_alone,
}
COLUMNS = tuple(STEPS)
PASS = "pass"


def play(stage: Stage, steps: Sequence[str] = COLUMNS) -> dict[str, str]:
    """Each step in turn: `pass`, or what was wrong; nothing for those that were not reached."""
    told, found = Told(stage), dict[str, str]()
    for name in steps:
        try:
            STEPS[name](told)
        except (AssertionError, AoError) as wrong:
            found[name] = stage.real.lacks.get(name) or f"fail: {wrong}"
            if name not in stage.real.lacks:
                return found
            continue
        found[name] = PASS
    return found
