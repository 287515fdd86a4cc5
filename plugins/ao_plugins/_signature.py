"""Signed deliveries: HMAC-SHA256 over `<timestamp>.<raw body>`. Standard library only."""

import hashlib
import hmac
import re
from collections.abc import Mapping

from ao_core.errors import BadRequest, Unauthorized

SIGNATURE = "X-AO-Signature"
TIMESTAMP = "X-AO-Timestamp"
TOLERANCE = 300.0

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def signed(body: bytes, secret: str, now: float) -> dict[str, str]:
    """The headers that vouch for `body`."""
    timestamp = str(int(now))
    return {TIMESTAMP: timestamp, SIGNATURE: _signature(body, secret, timestamp)}


def verify(
    body: bytes, headers: Mapping[str, str], secret: str, now: float, tolerance: float = TOLERANCE
) -> None:
    """Raise `Unauthorized` unless whoever knows `secret` sent `body` within `tolerance` seconds.

    `body` is what arrived, byte for byte, before anything parsed it; `now` is as of `time.time()`.
    """
    if not secret:
        raise BadRequest("nothing can be verified without a secret")
    given = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = given.get(TIMESTAMP.lower()), given.get(SIGNATURE.lower())
    if timestamp is None or signature is None:
        raise Unauthorized("the delivery is not signed")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise Unauthorized("the delivery's timestamp is not one")
    expected = _signature(body, secret, timestamp)
    if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
        raise Unauthorized("the delivery's signature is wrong")
    if not abs(now - int(timestamp)) <= tolerance:
        raise Unauthorized("the delivery's timestamp is too far from now")


def _signature(body: bytes, secret: str, timestamp: str) -> str:
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"
