"""A status that is no success, as a typed error.

Errors quote the vendor, the method and the path as the plugin wrote it, and the status. Never the
address, the body or a header: webhooks carry their secret in the first, and a server can echo it
in the others. The server's own reason stays beside the message, in `said`, for who asks for it.
"""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import cast

import httpx

from ao_core.clock import Clock
from ao_core.errors import (
    NotFound,
    PluginError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from ao_core.http.limits import asked_to_wait, is_limited
from ao_core.redact import scrub, visible

_PASSING = frozenset({408, 425})
_MOST_SAID = 500
_REASONS = ("message", "error", "error_description", "errors")
_DEEPEST = 4


def refusal(
    vendor: str, what: str, response: httpx.Response, clock: Clock, body: bytes = b""
) -> PluginError:
    """The error that this answer is."""
    status, said = response.status_code, said_in(body)
    message = f"{what}: {status} {_phrase(status)}".rstrip()
    if is_limited(response, clock, said or ""):
        wait = asked_to_wait(response.headers, clock)
        return RateLimited(message, retry_after=wait, status=status, said=said)
    if status in (401, 403):
        hint = f"Check what {vendor} is given to sign in."
        return Unauthorized(message, hint=hint, status=status, said=said)
    if status in (404, 410):
        hint = "Check the address in the settings."
        return NotFound(message, hint=hint, status=status, said=said)
    kind = Unavailable if status >= 500 or status in _PASSING else Rejected
    return kind(message, status=status, said=said)


def unreached(what: str, error: httpx.RequestError) -> Unavailable:
    """No answer, or only a part of one."""
    if isinstance(error, httpx.ConnectError):
        hint = "Check the address, and that its certificate is valid."
        return Unavailable(f"{what}: no connection", hint=hint)
    if isinstance(error, httpx.TimeoutException):
        return Unavailable(f"{what}: no answer in time")
    return Unavailable(f"{what}: the connection failed ({type(error).__name__})")


def said_in(body: bytes) -> str | None:
    """The reason that a JSON answer gives, in the server's words."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    fields = cast("dict[str, object]", told)
    given = [words for name in _REASONS for words in _words(fields.get(name), _DEEPEST)]
    return plainly(" ".join(given))


def plainly(words: str) -> str | None:
    """A server's words on one line, short, without secrets and what a terminal would obey."""
    return visible(scrub(" ".join(words.split())), _MOST_SAID) or None


def _words(told: object, depth: int) -> Iterator[str]:
    """GitHub has a text and a list of what is wrong, GitLab texts, lists or one for each field."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, list) and depth:
        for one in cast("list[object]", told):
            yield from _words(one, depth - 1)
    elif isinstance(told, dict) and depth:
        yield from _of_fields(cast("dict[str, object]", told), depth - 1)


def _of_fields(told: dict[str, object], depth: int) -> Iterator[str]:
    if "message" in told:
        yield from _words(told["message"], depth)
    elif "code" in told:
        yield f"{told.get('field', '')} {told['code']}"
    else:
        for name, value in told.items():
            yield name
            yield from _words(value, depth)


def _phrase(status: int) -> str:
    """Our own words: the server's may say anything."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
