"""Asks an engine by each of its faces, as a person's command line and as a lead's client do."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ao_core.errors import AoError
from team import Team

RELAY = (sys.executable, "-I", "-m", "ao_mcp")
PATIENCE = 30.0
_HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@dataclass(frozen=True, slots=True)
class Told:
    """A reply, or the error in its place."""

    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None


def by_operations(team: Team, cwd: Path, method: str, **params: Any) -> Told:
    """One call over the engine's socket."""
    try:
        with team.connect(cwd=cwd) as connection:
            return Told(connection.call(method, params, PATIENCE))
    except AoError as error:
        return Told(error=error.wire())


def by_relay(team: Team, cwd: Path, method: str, **params: Any) -> Told:
    """One tool call over MCP, through `ao-mcp` as any client starts it."""
    call = {"name": method, "arguments": params}
    lines = (
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": _HELLO},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
    )
    with subprocess.Popen(
        RELAY, env=team.env, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as relay:
        assert relay.stdin
        assert relay.stdout
        relay.stdin.write("".join(json.dumps(line) + "\n" for line in lines))
        relay.stdin.flush()
        heard = (json.loads(line) for line in relay.stdout)
        answer = next(message for message in heard if message.get("id") == 1)
        relay.stdin.close()
    result = answer["result"]
    shown = result["structuredContent"]
    return Told(error=shown) if result.get("isError") else Told(shown)


Face = Callable[..., Told]
FACES: tuple[Face, ...] = (by_operations, by_relay)
