"""The MCP face, as the engine's socket knows it. Importing this loads the SDK."""

from collections.abc import Mapping
from typing import Any

from ao_core.engine.caller import Caller, Role
from ao_mcp.handshake import Answers
from ao_mcp.mcp.connection import serve_mcp
from ao_mcp.mcp.desk import Desk
from ao_mcp.mcp.library import Library
from ao_mcp.mcp.rehearsal import rehearse
from ao_mcp.mcp.tools import Toolbox
from ao_mcp.peer import Peer
from ao_mcp.service import Service
from ao_mcp.toolsets import ALL, Offer, chosen

_USUAL = Offer()


class McpFace:
    """One toolbox for all connections."""

    def __init__(self, service: Service) -> None:
        self._toolbox = Toolbox(service)
        self._library = Library({one.name: one for one in service.operations})

    async def serve(self, peer: Peer, caller: Caller, offer: Offer) -> None:
        """Serve one connection to its end."""
        await serve_mcp(self.desk(caller, offer), peer)

    async def rehearse(self) -> Answers:
        """What a lead's client is answered first, with every tool there is."""
        everything = Offer(chosen(ALL))
        return await rehearse(self.desk(Caller(Role.LEAD, "rehearsal"), everything))

    def desk(self, caller: Caller, offer: Offer = _USUAL, kind: type[Desk] = Desk) -> Desk:
        """A desk for one caller; or of another kind, for several."""
        return kind(self._toolbox, self._library, caller, offer)

    def input_schema(self, name: str) -> Mapping[str, Any] | None:
        """What a lead's tool takes."""
        known = (one for one in self._toolbox.tools(Role.LEAD) if one.name == name)
        return next((one.input_schema for one in known), None)
