"""The agents that can be had, one value for each way of driving one.

Each runs in a home of its own, tells nobody, updates nothing, and has the scripted model behind it,
on loopback. What a user would have set up by hand, `prepare` writes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients.known import version_of

Prepare = Callable[[Path, str, Path], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Real:
    """An agent, and how it is driven."""

    agent: str  # our name for it
    title: str
    package: str  # at npm, unless it is `pip` that brings it
    version: str
    program: str
    prepare: Prepare  # home, model, repository: the environment that it needs
    drive: str = "terminal"
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])  # its `agentConfig`
    also: Sequence[str] = ()  # further packages
    python: str = ""  # the one it needs, where it comes from PyPI: then it is in `bin`
    lacks: Mapping[str, str] = field(default_factory=dict[str, str])  # columns, and why not

    @property
    def name(self) -> str:
        return f"{self.agent}-{self.drive}"

    @property
    def pinned(self) -> str:
        return f"{self.package}{'==' if self.python else '@'}{self.version}"

    def installed(self, folder: Path) -> str | None:
        """The version that is in a folder, if its program is there as well."""
        if self.python:
            return _from_pypi(folder / "bin" / self.program, self.package)
        return version_of(folder, self.package, self.program)


def _from_pypi(program: Path, package: str) -> str | None:
    """The version beside a program that is a link into an environment of Python's."""
    environment = program.resolve().parents[1]
    name = package.replace("-", "_")
    found = next(environment.glob(f"lib/python*/site-packages/{name}-*.dist-info"), None)
    return found.name.removesuffix(".dist-info").rpartition("-")[2] if found else None


def known() -> Mapping[str, Real]:
    """All of them, by name."""
    from agents import (
        aider,
        claude,
        cline,
        codex,
        continue_cli,
        copilot,
        gemini,
        goose,
        opencode,
        openhands,
        qwen,
    )

    every: Sequence[Real] = (
        *aider.WAYS,
        *claude.WAYS,
        *cline.WAYS,
        *codex.WAYS,
        *continue_cli.WAYS,
        *copilot.WAYS,
        *gemini.WAYS,
        *goose.WAYS,
        *opencode.WAYS,
        *openhands.WAYS,
        *qwen.WAYS,
    )
    return {one.name: one for one in every}
