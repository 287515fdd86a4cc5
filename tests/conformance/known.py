"""What judges us: the official conformance suite and the MCP Inspector, as npm has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.known import version_of


@dataclass(frozen=True, slots=True)
class Judge:
    """A program that can be had from npm."""

    title: str
    package: str
    version: str
    program: str

    @property
    def pinned(self) -> str:
        return f"{self.package}@{self.version}"

    def installed(self, folder: Path) -> str | None:
        return version_of(folder, self.package, self.program)


INSPECTOR = Judge("Inspector", "@modelcontextprotocol/inspector", "2.12.0", "mcp-inspector")
SUITE = Judge(
    "conformance suite", "@modelcontextprotocol/conformance", "0.2.0-alpha.12", "conformance"
)
JUDGES = (INSPECTOR, SUITE)

ERAS: Sequence[str] = ("legacy", "modern")  # as the Inspector says it
REVISIONS: Sequence[str] = ("2025-11-25", "2026-07-28")  # as the suite does

# Scenarios that any server can be asked to pass. All others call tools, prompts and resources of
# the suite's own, and some of those that do would pass where there is no such thing.
GENERIC = frozenset(
    {
        "server-initialize", "server-session-lifecycle", "server-stateless", "ping",
        "logging-set-level", "completion-complete", "tools-list", "resources-list",
        "prompts-list", "resources-subscribe", "resources-unsubscribe",
        "sep-2164-resource-not-found", "server-sse-multiple-streams", "caching",
        "dns-rebinding-protection", "http-header-validation",
        "input-required-result-unsupported-methods",
    }
)  # fmt: skip
