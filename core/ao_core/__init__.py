"""The engine: knows no plugin, no MCP and no HTTP server."""
