"""A person is asked before a merge, before a worker's unsaved work is put away, or before it may do
what it asks for: by the client.

In the era of handshakes the client is asked while the call waits; in the stateless one the call is
answered with the question, and comes again with what was said. Whether to ask, and what to do where
nobody can be asked, the home's configuration says.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any, Literal, TypeAlias, cast

import anyio
from mcp.server.context import ServerRequestContext
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from ao_core.config.own import Asking
from ao_core.errors import Refused, WrongState
from ao_mcp.operations.contract import AnyOperation, Call
from ao_mcp.operations.progress import kept_up
from ao_mcp.perform import check
from ao_mcp.service import Service

Context: TypeAlias = ServerRequestContext[dict[str, Any], Any]
Said: TypeAlias = Literal["accept", "decline", "cancel", "nobody"]

_NAME = "confirm"
_PATIENCE = 600.0
_QUICKEST = timedelta(milliseconds=300)  # no person reads and answers faster; a program does
_NOTHING: Mapping[str, object] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that a client was sent with its call, to be told when it comes again."""

    text: str
    at: datetime

    @property
    def state(self) -> str:
        """As the client keeps it."""
        return json.dumps({"of": _mark(self.text), "at": self.at.isoformat()})


async def sought(
    service: Service, context: Context, call: Call, operation: AnyOperation,
    params: CallToolRequestParams,
) -> InputRequiredResult | None:  # fmt: skip
    """None where it may be done; raises `Refused` where it may not; else the question."""
    if operation.question is None:
        return None
    request = check(operation, params.arguments or {})
    wish = operation.confirmed_as or operation.name
    policy: Asking = getattr(await service.confirm(), wish)
    somebody = _can_be_asked(context)
    if policy == "never" or (policy == "ask" and not somebody):
        return None
    if (text := await operation.question(call, request)) is None:
        return None
    now = service.engine.clock.now()
    if not somebody:
        said: Said | None = "nobody"
    elif context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        said = _said_since(params, text, now)
    else:
        said = await _said_now(service, context, call, text)
    if said is None:
        return _required(Asked(text, now))
    _decide(said, policy, operation.name, wish)
    if await operation.question(call, request) not in (None, text):
        raise WrongState("What was agreed to has changed meanwhile.", hint="Look, and call again.")
    return None


def _decide(said: Said, policy: Asking, name: str, wish: str) -> None:
    if said == "decline":
        raise Refused("The person said no.", hint="Ask what they would rather have.")
    if said == "cancel":
        raise Refused(
            "The person was asked, and did not say yes.",
            hint=f"Call again when they are there, or they set `confirm: {{{wish}: never}}`.",
        )
    if said == "nobody" and policy == "require":
        raise Refused(
            "A person has to agree to this, and your client cannot ask one.",
            hint=f"They can do it with `ao {name}`, or set `confirm: {{{wish}: ask}}`.",
        )


def _can_be_asked(context: Context) -> bool:
    known = context.session.client_capabilities
    asking = known.elicitation if known else None
    # a client that says no more than that it asks does so by a form
    return asking is not None and (asking.form is not None or asking.url is None)


# -- in the stateless era --------------------------------------------------------------------------


def _required(asked: Asked) -> InputRequiredResult:
    request = ElicitRequest(params=_form(asked.text))
    return InputRequiredResult(input_requests={_NAME: request}, request_state=asked.state)


def _said_since(params: CallToolRequestParams, text: str, now: datetime) -> Said | None:
    """What was said to this very question; None where it has not been asked yet."""
    response = (params.input_responses or {}).get(_NAME)
    at = _asked_at(params.request_state, text)
    if not isinstance(response, ElicitResult) or at is None:
        return None
    return _weighed(response, now - at)


def _asked_at(state: str | None, text: str) -> datetime | None:
    try:
        told = cast("dict[str, Any]", json.loads(state or "{}"))
        at = datetime.fromisoformat(told["at"])
        return at if told["of"] == _mark(text) and at.tzinfo is not None else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# -- in the era of handshakes ----------------------------------------------------------------------


async def _said_now(service: Service, context: Context, call: Call, text: str) -> Said:
    clock, response = service.engine.clock, None
    began = clock.monotonic()
    with anyio.move_on_after(_PATIENCE) as patience:
        response = await kept_up(
            call, lambda: _asked(context, text), lambda: "waiting for a person to agree"
        )
    if response is None:
        return "cancel" if patience.cancelled_caught else "nobody"
    return _weighed(response, timedelta(seconds=clock.monotonic() - began))


async def _asked(context: Context, text: str) -> ElicitResult | None:
    """What the person says; None from a client that says that it can ask, and cannot.

    An answer names only its question's id. So that has the question in it, and is no other's.
    """
    asking = ElicitRequest(params=_form(text))
    request = asking.model_dump(by_alias=True, mode="json", exclude_none=True)
    own = CallOptions(request_id=f"{_NAME}-{_mark(text)}-{token_hex(4)}")
    # the session's own way to ask takes no id
    line = context.session._request_outbound  # pyright: ignore[reportPrivateUsage]
    try:
        said = await line.send_raw_request(request["method"], request["params"], own)
    except MCPError:
        return None
    return ElicitResult.model_validate(said, by_name=False)


def _weighed(response: ElicitResult, after: timedelta) -> Said:
    """A no that comes at once is a program's, which has asked nobody."""
    # a clock that was set back meanwhile proves nothing
    if response.action != "accept" and timedelta() <= after < _QUICKEST:
        return "nobody"
    return response.action


def _form(text: str) -> ElicitRequestFormParams:
    return ElicitRequestFormParams(message=text, requested_schema=cast("Any", _NOTHING))
