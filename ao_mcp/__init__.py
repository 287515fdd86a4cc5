"""The faces: MCP, the command line, and the engine process that stands behind them."""

__version__ = "0.1.0"
