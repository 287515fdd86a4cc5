"""Tools and a prompt of the stateless era that ask the client before they answer.

What a tool has been told so far it keeps in the state that the client sends back; the SDK's
boundary seals it, so that here it is known to be ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from mcp_types import (
    CallToolRequestParams,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    GetPromptRequestParams,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)

from ao_mcp.mcp.desk import Context

Ask: TypeAlias = CreateMessageRequest | ListRootsRequest | ElicitRequest
Params: TypeAlias = CallToolRequestParams | GetPromptRequestParams
_ANSWERS: Mapping[str, type] = {
    "elicitation/create": ElicitResult,
    "sampling/createMessage": CreateMessageResult,
    "roots/list": ListRootsResult,
}


@dataclass(frozen=True, slots=True)
class Round:
    """What is asked, round by round. `keeps` is whether a state goes to the client and back."""

    asks: tuple[Mapping[str, Ask], ...]
    keeps: bool = False
    narrowed: bool = False  # to what the client says that it can be asked


def asked(round_: Round, context: Context, params: Params) -> InputRequiredResult | None:
    """The next question; None where all is answered."""
    at = int(params.request_state or 0) if round_.keeps else 0
    wanted = round_.asks[at]
    if round_.narrowed:
        known = context.session.client_capabilities
        wanted = {name: ask for name, ask in wanted.items() if _may_be(ask, known)}
    told = params.input_responses or {}
    if all(isinstance(told.get(name), _ANSWERS[ask.method]) for name, ask in wanted.items()):
        at += 1
        if at == len(round_.asks):
            return None
        wanted = round_.asks[at]
    state = str(at) if round_.keeps else None
    return InputRequiredResult(input_requests=dict(wanted), request_state=state)


def _may_be(ask: Ask, known: ClientCapabilities | None) -> bool:
    if known is None:
        return False
    if isinstance(ask, ElicitRequest):
        return known.elicitation is not None
    return known.sampling is not None if isinstance(ask, CreateMessageRequest) else True


def form(message: str, **properties: Mapping[str, Any]) -> ElicitRequest:
    """A question to a person."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    params = ElicitRequestFormParams(message=message, requested_schema=cast("Any", schema))
    return ElicitRequest(params=params)


def sample(words: str, tokens: int = 100) -> CreateMessageRequest:
    """A question to a model."""
    message = SamplingMessage(role="user", content=TextContent(text=words))
    params = CreateMessageRequestParams(messages=[message], max_tokens=tokens)
    return CreateMessageRequest(params=params)


_WORD: Mapping[str, Any] = {"type": "string"}
_YES: Mapping[str, Any] = {"type": "boolean"}
_NAME = {"user_name": form("What is your name?", name=_WORD)}
_CAPITAL = {"capital_question": sample("What is the capital of France?")}
_ROOTS: Mapping[str, Ask] = {"client_roots": ListRootsRequest()}
_CONFIRM = {"confirm": form("Please confirm", ok=_YES)}
_EVERYTHING: Mapping[str, Ask] = {**_NAME, "greeting": sample("Generate a greeting", 50), **_ROOTS}
_STEPS: tuple[Mapping[str, Ask], ...] = (
    {"step1": form("Step 1: What is your name?", name=_WORD)},
    {"step2": form("Step 2: What is your favorite color?", color=_WORD)},
)
_BEGUN = "test_input_required_result_"

ROUNDS: Mapping[str, Round] = {
    f"{_BEGUN}elicitation": Round((_NAME,)),
    f"{_BEGUN}sampling": Round((_CAPITAL,)),
    f"{_BEGUN}list_roots": Round((_ROOTS,)),
    f"{_BEGUN}request_state": Round((_CONFIRM,), keeps=True),
    f"{_BEGUN}multiple_inputs": Round((_EVERYTHING,), keeps=True),
    f"{_BEGUN}multi_round": Round(_STEPS, keeps=True),
    f"{_BEGUN}tampered_state": Round((_CONFIRM,), keeps=True),
    f"{_BEGUN}capabilities": Round(({**_NAME, **_CAPITAL},), narrowed=True),
    f"{_BEGUN}prompt": Round(({"user_context": form("What context?", context=_WORD)},)),
    "test_streaming_elicitation": Round((_NAME,)),
}
