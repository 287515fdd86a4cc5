"""The state of one conversation, folded from its lines alone.

Whoever reads the same lines arrives at the same state: so an engine that starts anew reads the log
and knows which requests still wait, on either side, and whether a turn is under way.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from acp import PROTOCOL_VERSION, schema
from pydantic import BaseModel, ValidationError

from ao_core.drive.facts import Asked, Began, Ended, Fact, Opened, Refused, Taken
from ao_core.drive.loose import mapping, text
from ao_core.drive.messages import (
    LINE_LIMIT,
    Failure,
    Message,
    Notice,
    Params,
    Request,
    Result,
    Splitter,
)
from ao_core.drive.transcript import Part, Transcript
from ao_core.drive.updates import fold as fold_update
from ao_core.model.usage import Usage
from ao_core.slots.runtime import Direction
from ao_core.store import codec

ModelT = TypeVar("ModelT", bound=BaseModel)

META = "ao"  # ours, in `_meta`
PERMISSION = "session/request_permission"
_SAID_LIMIT = 4_000
_ANNOUNCED = frozenset({  # what it says of itself, also before it has read anything
    "available_commands_update", "current_mode_update", "session_info_update",
    "config_option_update",
})  # fmt: skip
_MOST_TOKENS = 10**15


@dataclass(slots=True)
class Sent:
    """A request of ours that waits for its answer."""

    method: str
    message: str | None = None


@dataclass(slots=True)
class Turn:
    """The turn under way. `taken`: the agent has given a sign of it."""

    message: str | None
    taken: bool = False
    cancelled: bool = False


@dataclass(slots=True)
class Peer:
    """What the agent says of itself."""

    name: str
    loads: bool = False
    logins: tuple[str, ...] = ()


@dataclass(slots=True)
class Ledger:
    """Everything that can be known from the lines so far.

    `count` is how many there were; `counted`: the tokens that a turn tells of are a total; `cut`:
    the log goes on in the midst of one of the agent's that was too long.
    """

    count: int = 0
    counted: bool = True
    cut: bool = False
    next_id: int = 1
    sent: dict[int, Sent] = field(default_factory=dict[int, Sent])
    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    told: list[str] = field(default_factory=list[str])  # the methods of ours so far
    refused: list[str] = field(default_factory=list[str])  # those the agent would not do
    peer: Peer | None = None
    native_id: str | None = None
    loaded: bool = False
    mode: str | None = None
    turn: Turn | None = None
    usage: Usage = field(default_factory=Usage)
    transcript: Transcript = field(default_factory=Transcript)

    def take(self, direction: Direction, message: Message) -> list[Fact]:
        """One line more; what it amounts to."""
        self.count += 1
        fold = _TOLD if direction is Direction.TOLD else _SAID
        found = fold.get(type(message))
        return found(self, message) if found else []

    def pending(self, method: str) -> bool:
        """Whether such a request of ours still waits for its answer."""
        return any(sent.method == method for sent in self.sent.values())


def splitters(ledger: Ledger, limit: int = LINE_LIMIT) -> Mapping[Direction, Splitter]:
    """What puts together the lines that follow."""
    said = Splitter(limit, dropping=ledger.cut)
    return {Direction.SAID: said, Direction.TOLD: Splitter()}


def recalled(note: bytes) -> Ledger:
    """The ledger as `noted` wrote it down."""
    return codec.decode(Ledger, note.decode())


def noted(ledger: Ledger) -> bytes:
    """The ledger as what stands for all lines so far."""
    return codec.encode(ledger).encode()


# -- what we say ---------------------------------------------------------------------------------


def _told_request(ledger: Ledger, message: Request) -> list[Fact]:
    if not isinstance(message.id, int):
        return []
    name = text(_ours(message.params).get("message"), 100) or None
    ledger.sent[message.id] = Sent(message.method, name)
    ledger.next_id = max(ledger.next_id, message.id + 1)
    _note(ledger.told, message.method)
    if message.method == "session/load":
        ledger.native_id = text(message.params.get("sessionId"), 500)
    if message.method != "session/prompt":
        return []
    said = _prompted(message.params)
    ledger.turn = Turn(name)
    ledger.transcript.add(Part.USER, said)
    return [Began(name, said)]


def _told_answer(ledger: Ledger, message: Result | Failure) -> list[Fact]:
    asked = ledger.asked.pop(key_of(message.id), None)
    if asked is not None and asked.method == PERMISSION:
        chosen = _chosen(message)
        ledger.transcript.set(Part.PERMISSION, asked.key, "", chosen)
    return []


def _told_notice(ledger: Ledger, message: Notice) -> list[Fact]:
    if message.method == "session/cancel" and ledger.turn is not None:
        ledger.turn.cancelled = True
        ledger.transcript.add(Part.NOTE, "the turn was cancelled")
    return []


def _chosen(message: Result | Failure) -> str:
    if isinstance(message, Failure):
        return "refused"
    outcome = mapping(message.value.get("outcome"))
    return text(outcome.get("optionId"), 80) or text(outcome.get("outcome"), 80) or "answered"


# -- what the agent says -------------------------------------------------------------------------


def _said_request(ledger: Ledger, message: Request) -> list[Fact]:
    key = key_of(message.id)
    asked = Asked(key, message.id, message.method, message.params, ledger.count)
    ledger.asked[asked.key] = asked
    if asked.method == PERMISSION:
        ledger.transcript.add(Part.PERMISSION, title_of(asked.params), id=asked.key, state="asked")
    return [*_taken(ledger), asked]


def _said_notice(ledger: Ledger, message: Notice) -> list[Fact]:
    if message.method != "session/update":
        return []
    told = mapping(message.params.get("update"))
    update = fold_update(ledger.transcript, told)
    ledger.mode = update.mode or ledger.mode
    if update.cost_usd is not None:
        ledger.usage = replace(ledger.usage, cost_usd=update.cost_usd)
    return [] if told.get("sessionUpdate") in _ANNOUNCED else _taken(ledger)


def _taken(ledger: Ledger) -> list[Fact]:
    if ledger.turn is None or ledger.turn.taken:
        return []
    ledger.turn.taken = True
    return [Taken(ledger.turn.message)]


def _said_result(ledger: Ledger, message: Result) -> list[Fact]:
    sent = ledger.sent.pop(message.id, None) if isinstance(message.id, int) else None
    answered = _ANSWERED.get(sent.method) if sent else None
    return answered(ledger, message.value) if answered else []


def _said_failure(ledger: Ledger, message: Failure) -> list[Fact]:
    sent = ledger.sent.pop(message.id, None) if isinstance(message.id, int) else None
    if sent is None:
        return []
    taken = False
    if sent.method == "session/prompt" and ledger.turn is not None:
        taken, ledger.turn = ledger.turn.taken, None
    _note(ledger.refused, sent.method)
    ledger.transcript.add(Part.NOTE, f"{sent.method} was refused: {message.message}")
    return [Refused(sent.method, message.code, message.message, sent.message, taken)]


def _initialized(ledger: Ledger, value: Params) -> list[Fact]:
    found = checked(schema.InitializeResponse, value)
    if found is None or found.protocol_version != PROTOCOL_VERSION:
        spoken = f"version {found.protocol_version}" if found else "something else"
        why = f"it speaks {spoken}, not version {PROTOCOL_VERSION} of the protocol"
        return [Refused("initialize", 0, why)]
    can, info = found.agent_capabilities, found.agent_info
    ledger.peer = Peer(
        (info.name if info else "the agent")[:100],
        bool(can and can.load_session),
        tuple(method.name[:100] for method in found.auth_methods or ()),
    )
    return []


def _opened(ledger: Ledger, value: Params) -> list[Fact]:
    found = checked(schema.NewSessionResponse, value)
    if found is None:
        return [Refused("session/new", 0, "its answer names no session")]
    _moded(ledger, found.modes)
    ledger.native_id, ledger.loaded = found.session_id, False
    return [Opened(found.session_id, loaded=False)]


def _loaded(ledger: Ledger, value: Params) -> list[Fact]:
    found = checked(schema.LoadSessionResponse, value)
    _moded(ledger, found.modes if found else None)
    ledger.loaded = True
    return [Opened(ledger.native_id or "", loaded=True)]


def _moded(ledger: Ledger, modes: schema.SessionModeState | None) -> None:
    if modes is not None:
        ledger.mode = modes.current_mode_id


def _prompted_out(ledger: Ledger, value: Params) -> list[Fact]:
    turn, ledger.turn = ledger.turn, None
    message = turn.message if turn else None
    found = checked(schema.PromptResponse, value)
    stop = found.stop_reason if found else "unknown"
    if found is not None and found.usage is not None and ledger.counted:
        told = found.usage
        tokens = (_counted(told.input_tokens), _counted(told.output_tokens))
        ledger.usage = Usage(*tokens, ledger.usage.cost_usd)
    ours = _ours(value)
    said = ledger.transcript.reply()[-_SAID_LIMIT:]
    question, blocked = (
        text(ours.get("question"), _SAID_LIMIT),
        text(ours.get("blocked"), _SAID_LIMIT),
    )
    ended = Ended(message, stop, said, question or None, blocked or None)
    signs: list[Fact] = [] if turn is None or turn.taken else [Taken(message)]
    return [*signs, ended]


_Fold = Callable[[Ledger, Any], list[Fact]]
_TOLD: Mapping[type, _Fold] = {
    Request: _told_request, Result: _told_answer, Failure: _told_answer, Notice: _told_notice,
}  # fmt: skip
_SAID: Mapping[type, _Fold] = {
    Request: _said_request, Notice: _said_notice, Result: _said_result, Failure: _said_failure,
}  # fmt: skip
_ANSWERED: Mapping[str, Callable[[Ledger, Params], list[Fact]]] = {
    "initialize": _initialized,
    "session/new": _opened,
    "session/load": _loaded,
    "session/prompt": _prompted_out,
}

# -- parts ---------------------------------------------------------------------------------------


def _counted(tokens: int) -> int | None:
    return tokens if tokens <= _MOST_TOKENS else None


def _note(methods: list[str], method: str) -> None:
    if method not in methods:
        methods.append(method)


def key_of(id: object) -> str:
    """A request's id as text: 1 and "1" are two."""
    return json.dumps(id)


def checked(model: type[ModelT], value: Params) -> ModelT | None:
    """The value as the protocol has it, or None."""
    try:
        return model.model_validate(dict(value))
    except ValidationError:
        return None


def title_of(params: Params) -> str:
    """What a permission request is about, in one line."""
    return text(mapping(params.get("toolCall")).get("title"), 500) or "use a tool"


def _prompted(params: Params) -> str:
    found = checked(schema.PromptRequest, params)
    blocks = found.prompt if found else []
    return "\n".join(one.text for one in blocks if isinstance(one, schema.TextContentBlock))


def _ours(params: Params) -> Mapping[str, Any]:
    return mapping(mapping(params.get("_meta")).get(META))
