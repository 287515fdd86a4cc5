"""HTTP beside the socket, where the home wants it. What does not listen costs nothing, and keeps
nobody from working: it is told by `ao start`, `ao status` and `ao doctor`.
"""

import logging
from importlib import import_module

import anyio

from ao_core.config.listening import Http
from ao_core.engine.engine import Engine
from ao_core.errors import AoError
from ao_mcp.server import Beside, Load

_LOG = logging.getLogger("ao_mcp")


async def http_beside(engine: Engine, wanted: Http) -> Beside | None:
    """What serves it, listening already; None where it is off, or cannot be."""
    if not wanted.enabled:
        return None
    try:
        return await _listening(engine, wanted)
    except AoError as error:
        engine.http_problem = error
        _LOG.error("MCP over HTTP does not listen: %s", error.message)
        return None


async def _listening(engine: Engine, wanted: Http) -> Beside:
    from ao_mcp.http.address import listen_at
    from ao_mcp.http.tokens import HomeToken, own_token

    home = engine.home.path
    engine.projects.remember([await anyio.to_thread.run_sync(own_token, home)])
    place = await anyio.to_thread.run_sync(listen_at, home, wanted)
    engine.http = place.url
    _LOG.info("MCP over HTTP listens at %s", place.url)
    token = HomeToken(home, engine.projects.remember)

    async def serve(load: Load) -> None:
        try:
            await anyio.wait_readable(place.listener)  # until then it costs nothing
            face = await load()
            await anyio.to_thread.run_sync(import_module, "ao_mcp.http.listen")  # takes a while
            from ao_mcp.http import listen, mcp, webhooks

            rooms = [mcp.McpRoom(face), webhooks.WebhookRoom(engine)]
            await listen.serve(place, wanted, token, rooms)
        except Exception:  # an engine that lacks it still serves
            _LOG.exception("MCP over HTTP is no longer served")
        finally:
            place.listener.close()

    return serve
