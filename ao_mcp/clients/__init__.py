"""The MCP clients we know: where each keeps its servers, and how ours is put there."""
