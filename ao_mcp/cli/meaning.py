"""What a line means that a person types to an agent, and what came of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from ao_core.errors import AoError, Several
from ao_core.wire import Message
from ao_mcp.cli.blocks import cell
from ao_mcp.cli.outcome import spoken
from ao_mcp.cli.telling import Line, question

_WORD = re.compile(r"/[a-z]+")
_DECISIONS = {"y": "allow", "yes": "allow", "n": "deny", "no": "deny"}

HELP = (
    "A line is sent to the agent; while it asks something, a line is the answer.",
    "Where it asks for a permission, `y` allows and `n` denies; the oldest request comes first.",
    "Alt-Enter begins another line; what is pasted stays one message.",
    "Ctrl-C interrupts the turn under way. Ctrl-D or `/detach` leaves; the agent goes on.",
)


class Word(StrEnum):
    """What is meant for this view, not for the agent."""

    HELP = "/help"
    DETACH = "/detach"


@dataclass(frozen=True, slots=True)
class Call:
    """An operation to be performed."""

    method: str
    params: Mapping[str, object]


Meaning: TypeAlias = Call | Word | Line | None


def oldest(news: Message) -> Message | None:
    """The permission request that is answered next."""
    return next(iter(news["permissions"]), None)


def meant(session: str, typed: str, news: Message) -> Meaning:
    """What is wanted; a line where it cannot be understood, None where nothing was said."""
    text = typed.strip()
    if not text:
        return None
    if _WORD.fullmatch(text):
        known = [word for word in Word if word == text]
        return known[0] if known else Line(f"There is no {text}; /help says what there is.", "!")
    decision, asked = _DECISIONS.get(text.lower()), oldest(news)
    if decision and asked:
        return Call("answer", _for(session, decision=decision, request=asked["request"]))
    if asked is None and question(news) is not None:
        return Call("answer", _for(session, text=text))
    return Call("send", _for(session, message=text))


def _for(session: str, **params: object) -> Mapping[str, object]:
    return {"session": session, **params}


def receipt(reply: Message) -> list[Line]:
    """How far it came."""
    if "state" not in reply:
        return []
    why = f": {cell(reply['reason'])}" if reply.get("reason") else ""
    if decision := reply.get("decision"):
        past = {"allow": "allowed", "deny": "denied"}[decision]
        said = past if reply["state"] == "answered" else f"not {past}, the request had ended"
        return [Line(said, "→", "dim")]
    return [Line(f"{cell(reply['state'])}{why}", "→", "dim", folded=True)]


def complaint(error: AoError) -> list[Line]:
    """What went wrong, with the remedy."""
    problems = error.problems if isinstance(error, Several) else (error,)
    told = [(one.message, one.hint) for one in problems]
    return [Line(spoken(f"{message} {hint or ''}".strip()), "!", "red") for message, hint in told]
