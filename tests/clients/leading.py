"""What the scripted lead says next, from all that was called and answered so far.

A pure function, as a model is one: it holds nothing between its turns, so that a client may ask it
twice, or begin anew. It takes sessions and cursors from the answers, never from anywhere else.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

REPLY = "blue"
FINAL = "The team is done: both issues are merged."
PROMPT = "Lead the team: delegate both issues, answer what is asked, merge what is done."
_READY = ("pr_open", "mergeable", "approved", "idle", "done")
_TIRED = 60  # calls in all; it takes a dozen


@dataclass(frozen=True, slots=True)
class Call:
    """A tool of ours, by our name, with its arguments."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """A call, and all that the client told the model of it."""

    call: Call
    text: str

    @property
    def reply(self) -> Mapping[str, Any]:
        """The object in what was told, whatever the client put around it."""
        return self.error or next(objects(self.text), dict[str, Any]())

    @property
    def error(self) -> Mapping[str, Any] | None:
        """What went wrong, if it did; also where a client wraps it in an object of its own."""
        if "{" not in self.text:
            return {"code": "unreadable", "retryable": False, "message": self.text}
        return next(
            (one for one in objects(self.text) if {"code", "retryable"} <= one.keys()), None
        )


def objects(text: str) -> Iterator[Mapping[str, Any]]:
    """Each JSON object that begins in a text, outermost first."""
    start = text.find("{")
    while start >= 0:
        try:
            found, _ = json.JSONDecoder().raw_decode(text, start)
            yield cast("Mapping[str, Any]", found)
        except ValueError:
            pass
        start = text.find("{", start + 1)


def next_step(past: Sequence[Done]) -> Call | str:
    """The next call, or the last words."""
    if len(past) > _TIRED:
        return "It went wrong: it goes on and on."
    if past and (error := past[-1].error) is not None:
        if not error.get("retryable"):
            return f"It went wrong: {past[-1].call.tool}: {past[-1].text[:2000]}"
        return Call("list", {})  # as the error's hint says
    if past and past[-1].call.tool == "list":
        return next(one.call for one in reversed(past) if one.call.tool != "list")
    return _onwards([one for one in past if one.error is None])


def _onwards(done: Sequence[Done]) -> Call | str:
    listed = _replies(done, "list_issues")
    if not listed:
        return Call("list_issues", {})
    begun = {one.call.arguments["issue"]: one.reply for one in done if one.call.tool == "spawn"}
    for issue in (str(one["issue"]) for one in listed[-1]["issues"]):
        if issue not in begun:
            return Call("spawn", {"issue": issue, "key": f"spawn-{issue}"})
    return _attend(done, [str(one["session"]) for one in begun.values()])


def _attend(done: Sequence[Done], team: Sequence[str]) -> Call | str:
    known, answered, merged = _status(done), _called(done, "answer"), _called(done, "merge")
    for session in team:
        if known.get(session) == "needs_input" and session not in answered:
            return Call("answer", {"session": session, "text": REPLY, "key": f"answer-{session}"})
    if not all(known.get(session) in _READY for session in team):
        return Call("wait", {"cursor": _cursor(done)})
    left = [session for session in team if session not in merged]
    return Call("merge", {"session": left[0], "key": f"merge-{left[0]}"}) if left else FINAL


def _status(done: Sequence[Done]) -> Mapping[str, str]:
    """By session: the last that was told of it, by `wait` or by `list`."""
    told: dict[str, str] = {}
    for one in done:
        lines = one.reply.get("changed" if one.call.tool == "wait" else "sessions", ())
        told |= {str(line["session"]): str(line["status"]) for line in lines}
    return told


def _cursor(done: Sequence[Done]) -> int:
    """The last one of `wait`, else that of the first spawn."""
    waited, spawned = _replies(done, "wait"), _replies(done, "spawn")
    return waited[-1]["cursor"] if waited else min(one["cursor"] for one in spawned)


def _replies(done: Sequence[Done], tool: str) -> Sequence[Mapping[str, Any]]:
    return [one.reply for one in done if one.call.tool == tool]


def _called(done: Sequence[Done], tool: str) -> set[str]:
    return {str(one.call.arguments["session"]) for one in done if one.call.tool == tool}
