"""What every JSON interface answers alike."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from standins.server import Reply


def json_reply(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
    kind = {"content-type": "application/json; charset=utf-8"}
    return Reply(status, {**kind, **(headers or {})}, json.dumps(value).encode())


def unless_same(reply: Reply, headers: Mapping[str, str], varies: str = "") -> Reply:
    """What whoever asks has already is not sent again."""
    tag = f'W/"{hashlib.sha256(reply.body + varies.encode()).hexdigest()}"'
    known = [one.strip() for one in headers.get("if-none-match", "").split(",")]
    if tag in known or tag.removeprefix("W/") in known:
        return Reply(304, {"etag": tag})
    return replace(reply, headers={**reply.headers, "etag": tag})
