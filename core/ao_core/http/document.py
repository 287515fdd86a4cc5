"""One JSON document, fetched by its address: whole, small, in time, and from nowhere else."""

import json
from typing import Any, cast

import anyio
import httpx

from ao_core.errors import Rejected, Unavailable

_LIMIT = 512 * 1024


async def fetch_json(url: str, what: str, deadline: float = 5.0) -> dict[str, Any]:
    """The object at an address. Errors name `what`, and quote nothing that came from there.

    Redirections are not followed, and no proxy or password of the environment is used.
    """
    try:
        with anyio.fail_after(deadline):
            body = await _body(url, what, deadline)
    except TimeoutError as exc:
        raise Unavailable(f"{what}: no answer within {deadline:g} s") from exc
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
        raise Unavailable(f"{what}: cannot be fetched ({type(exc).__name__})") from exc
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Rejected(f"{what}: is not JSON") from exc
    if not isinstance(document, dict):
        raise Rejected(f"{what}: is not a JSON object")
    return cast("dict[str, Any]", document)


async def _body(url: str, what: str, timeout: float) -> bytes:
    headers = {"User-Agent": "ao-mcp", "Accept": "application/json"}
    body = bytearray()
    async with (
        httpx.AsyncClient(trust_env=False, timeout=timeout, headers=headers) as client,
        client.stream("GET", url) as response,
    ):
        if response.status_code != 200:
            raise Rejected(f"{what}: {response.status_code}")
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _LIMIT:
                raise Rejected(f"{what}: is larger than {_LIMIT} bytes")
    return bytes(body)
