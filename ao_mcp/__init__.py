"""The faces: MCP, the command line, and the engine process that stands behind them."""
