"""The Inspector's command line asks the product for all that a client asks for."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.known import bin_of, path_of
from conformance.known import ERAS, INSPECTOR
from conformance.stage import Product
from mcp_client import RELAY

_PATIENCE = 60.0
WAYS = ("stdio", "http")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and what of the answer may not be empty."""

    method: str
    wanted: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspected:
    """All questions, over one way in one era. `found` is by method: what was wrong."""

    way: str
    era: str
    asked: int
    found: Mapping[str, str]


def questions(session: str) -> Sequence[Question]:
    """One of each kind. Only of a list of tools the Inspector has more to say, if it is strict."""
    return (
        Question("tools/list", "tools", ("--strict",)),
        Question("tools/call", "structuredContent", ("--tool-name", "list")),
        Question("resources/list", "resources"),
        Question("resources/templates/list", "resourceTemplates"),
        Question("resources/read", "contents", ("--uri", f"ao://session/{session}")),
        Question("prompts/list", "prompts"),
        Question(
            "prompts/get", "messages",
            ("--prompt-name", "review", "--prompt-args", f"session={session}"),
        ),
    )  # fmt: skip


def inspect(product: Product, folder: Path, clients: Path) -> Iterator[Inspected]:
    """Every question, over every way and in both eras. `folder` is the Inspector's home."""
    folder.mkdir()
    config = folder / "servers.json"
    config.write_text(json.dumps({"mcpServers": _servers(product)}))
    asked = questions(product.session)
    for way in WAYS:
        for era in ERAS:
            argv = [str(bin_of(clients) / INSPECTOR.program), "--cli", "--config", str(config)]
            argv += ["--server", way, "--protocol-era", era, "--format", "json"]
            told = {one.method: _ask(argv, one, folder, clients) for one in asked}
            yield Inspected(way, era, len(asked), {one: said for one, said in told.items() if said})


def _servers(product: Product) -> Mapping[str, Mapping[str, Any]]:
    """As a client has them in its configuration."""
    command, *arguments = RELAY
    header = {"Authorization": f"Bearer {product.server.token}"}
    return {
        "stdio": {
            "type": "stdio", "command": command, "args": [*arguments, "--toolsets", "all"],
            "env": product.team.env, "cwd": str(product.team.repository),
        },
        "http": {
            "type": "streamable-http", "url": f"{product.server.url}/sample", "headers": header,
        },
    }  # fmt: skip


def _ask(argv: Sequence[str], question: Question, home: Path, clients: Path) -> str:
    """What was wrong with the answer; nothing, if it was as it should be."""
    env = {
        "PATH": path_of(clients, Path(sys.executable).parent), "HOME": str(home),
        "MCP_INSPECTOR_SECRET_STORE": "memory",
    }  # fmt: skip
    done = subprocess.run(
        [*argv, "--method", question.method, *question.more], cwd=home, env=env,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False,
    )  # fmt: skip
    if done.returncode or _said(done.stderr):
        return f"ended with {done.returncode}: {done.stderr.strip()}"
    told: Mapping[str, Any] = json.loads(done.stdout)
    if findings := told.get("schemaFindings"):
        return f"findings: {json.dumps(findings)}"
    result: Mapping[str, Any] = told["result"]
    return "" if result.get(question.wanted) else f"no {question.wanted}: {done.stdout[:200]}"


def _said(stderr: str) -> Sequence[str]:
    """But for where it keeps secrets, of which it speaks on every machine without a keyring."""
    return [line for line in stderr.splitlines() if not line.startswith("[mcp-inspector]")]
