"""The MCP face, as the engine's socket knows it. Importing this loads the SDK."""

from ao_core.engine.caller import Caller
from ao_mcp.handshake import Answers
from ao_mcp.mcp.connection import serve_mcp
from ao_mcp.mcp.rehearsal import rehearse
from ao_mcp.mcp.tools import Toolbox
from ao_mcp.peer import Peer
from ao_mcp.service import Service


class McpFace:
    """One toolbox for all connections."""

    def __init__(self, service: Service) -> None:
        self._toolbox = Toolbox(service)

    async def serve(self, peer: Peer, caller: Caller) -> None:
        """Serve one connection to its end."""
        await serve_mcp(self._toolbox, peer, caller)

    async def rehearse(self) -> Answers:
        """What a lead's client is answered first."""
        return await rehearse(self._toolbox)
