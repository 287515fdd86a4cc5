"""Whether an agent's program is there, and which version it is."""

import json
from pathlib import Path

import pytest

from ao_plugins._found import detected


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """One that npm brought: a link to a script of its package. Whoever runs it is told off."""
    package = tmp_path / "lib" / "agent"
    (package / "bundle").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": "agent", "version": "1.2.3"}))
    script = package / "bundle" / "agent.js"
    script.write_text("#!/bin/sh\ntouch run-after-all; echo 9.9.9\n")
    script.chmod(0o755)
    link = tmp_path / "bin" / "agent"
    link.parent.mkdir()
    link.symlink_to(script)
    return link


@pytest.mark.parametrize(("least", "found"), [("1.2.3", True), ("1.3", False)])
async def test_an_npm_package_says_its_version_without_being_run(
    program: Path, least: str, found: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"PATH": str(program.parent)}
    seen = await detected("agent", given, "Install it.", least=least, package="agent")
    assert seen.found is found
    assert "1.2.3" in seen.detail
    assert not (tmp_path / "run-after-all").exists()


async def test_one_that_came_in_another_way_is_not_called_too_old(program: Path) -> None:
    given = {"PATH": str(program.parent)}
    seen = await detected("agent", given, "Install it.", least="1.0", package="another")
    assert (seen.found, seen.detail) == (True, str(program))


async def test_what_is_not_there_is_named_with_a_remedy() -> None:
    seen = await detected("agent", {"PATH": "/nowhere"}, "Install it.", least="1", package="agent")
    assert (seen.found, seen.hint) == (False, "Install it.")
