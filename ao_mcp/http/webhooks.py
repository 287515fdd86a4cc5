"""What hosts tell us over HTTP, at `/webhooks/<scm>`: known by its signature, and by no token.

Whoever is turned away is told as little as there is to tell, and the log has it once a minute for
each reason, without a word of what was sent.
"""

import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ao_core.config.listening import WEBHOOKS
from ao_core.engine.engine import Engine
from ao_core.engine.webhook_looks import Deliveries
from ao_core.engine.webhooks import Heard, Reception
from ao_core.errors import AoError, BadRequest, EngineUnreachable, Refused, Unknown
from ao_core.slots.scm import Posted

BODY = 1_048_576  # bytes; a host's usual delivery has some ten thousand
AT_ONCE = 16  # bodies that are read at a time: nobody knows yet whose they are

_LOG = logging.getLogger("ao_mcp")
_HINT = "docs/webhooks.md says how a webhook is set up."
_STATUS = {
    Reception.TAKEN: 202, Reception.NOTHING: 202, Reception.REPEATED: 202,
    Reception.NO_SECRET: 401, Reception.UNSIGNED: 401, Reception.MALFORMED: 400,
    Reception.UNKNOWN: 404, Reception.WRONG_TYPE: 415, Reception.TOO_LARGE: 413,
    Reception.CUT: 400, Reception.CROWDED: 503,
}  # fmt: skip
_ANSWERS: dict[int, AoError] = {
    400: BadRequest("This is no delivery of this host.", hint=_HINT),
    401: Refused("It is not signed with the secret of a project.", hint=_HINT),
    404: Unknown("No project here is of this repository.", hint=_HINT),
    413: BadRequest(f"A delivery has at most {BODY} bytes.", hint=_HINT),
    415: BadRequest("A delivery is application/json.", hint=_HINT),
    503: EngineUnreachable("Too many deliveries at a time.", hint="Deliver it again."),
}


class WebhookRoom:
    """Where hosts tell of changes."""

    def __init__(self, engine: Engine) -> None:
        self._books, self._deliveries = engine.webhooks, Deliveries(engine)
        self._room = anyio.CapacityLimiter(AT_ONCE)

    def routes(self) -> Sequence[BaseRoute]:
        """One for each host."""
        return [Route(f"{WEBHOOKS}{{scm}}", self._posted, methods=["POST"])]

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Nothing has to run for it."""
        yield

    async def _posted(self, request: Request) -> Response:
        heard = await self._heard(str(request.path_params["scm"]), request)
        status = _STATUS[heard.reception]
        _log(heard)
        if error := _ANSWERS.get(status):
            return JSONResponse(error.wire(), status)
        return JSONResponse({"said": heard.reception}, status)

    async def _heard(self, scm: str, request: Request) -> Heard:
        if not await self._deliveries.are_awaited(scm):
            return self._books.note("", Reception.NO_SECRET)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return self._books.note(scm, Reception.WRONG_TYPE)
        try:
            self._room.acquire_on_behalf_of_nowait(request)
        except anyio.WouldBlock:
            return self._books.note(scm, Reception.CROWDED)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return self._books.note(scm, Reception.CUT)
        finally:
            self._room.release_on_behalf_of(request)
        if body is None:
            return self._books.note(scm, Reception.TOO_LARGE)
        headers = {name.lower(): value for name, value in request.headers.items()}
        return await self._deliveries.take(scm, Posted(headers, body, time.time()))


def _log(heard: Heard) -> None:
    """Tell of what came to nothing, once a minute for each reason, and never what was sent."""
    if heard.reception is Reception.TAKEN or not heard.aloud:
        return
    level = logging.INFO if heard.reception is Reception.NOTHING else logging.WARNING
    of = f" of {heard.scm}" if heard.scm else ""
    more = f" ({heard.more} more since this was said last)" if heard.more else ""
    _LOG.log(level, "a webhook%s came to nothing: %s%s", of, heard.reception, more)


async def _body(request: Request) -> bytes | None:
    """All of it; None where it is too large, which is found out before it is read to its end."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said[:20]) > BODY:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY:
            return None
    return bytes(body)
