"""`ao doctor` on agents: those that are here, too old, or could be driven in one more way."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ao_mcp.cli import checks
from ao_mcp.cli.checks import Check
from ao_mcp.cli.place import place

Put = Callable[[str, str], None]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts a program that says its version on a PATH where nothing else is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def program(name: str, version: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
        (folder / name).chmod(0o755)

    return program


def agents() -> dict[str, Check]:
    found = anyio.run(checks.plugins, place(None, None, None))
    return {one.name: one for one in found if one.name.split()[0] == "agent"}


def test_of_those_that_are_not_here_nothing_is_told(put: Put) -> None:
    assert {name: one.state for name, one in agents().items()} == {"agent": "warn"}
    put("goose", "1.99.0")
    assert agents() == {"agent": Check("agent", "ok", "command, goose")}


def test_one_that_is_too_old_is_told_of_with_how_to_have_it(put: Put) -> None:
    put("codex", "0.1.0")
    found = agents()["agent codex"]
    assert (found.state, "0.1.0" in found.found) == ("warn", True)
    assert "npm install -g @openai/codex" in str(found.remedy)


@pytest.mark.parametrize(
    ("agent", "program", "adapter"),
    [("claude-code", "claude", "claude-agent-acp"), ("codex", "codex", "codex-acp")],
)
def test_how_to_drive_it_by_protocol_is_told(
    put: Put, agent: str, program: str, adapter: str
) -> None:
    put(program, "99.0.0")
    found = agents()[f"agent {agent}"]
    assert (found.state, adapter in str(found.remedy)) == ("note", True)
    put(adapter, "1.0.0")
    assert agents().keys() == {"agent"}
