"""`propose` writes a configuration that fits the repository and loads back."""

import json
import subprocess
from pathlib import Path

import pytest

from ao_core.config.init import propose
from ao_core.config.load import Loaded, load, project
from ao_core.process import run


def repository(folder: Path, branch: str = "main") -> Path:
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", branch, str(folder)], check=True)
    return folder


def uncommented(text: str) -> str:
    """The text with its suggestions taken."""
    lines = (line.replace("    # ", "    ", 1) for line in text.splitlines())
    keep = ("gates:", "  checks:", "    - {", "post_create:", "symlinks:", "  - ")
    chosen = [
        line if line.lstrip().startswith(tuple(word.strip() for word in keep)) else old
        for line, old in zip(lines, text.splitlines(), strict=True)
    ]
    return "\n".join(chosen)


@pytest.mark.parametrize("name", ["my-app", "Ünïcode Äpp", "true", "123", "a" * 100, "${x}", "…"])
async def test_what_is_proposed_loads_back_clean(name: str, tmp_path: Path) -> None:
    folder = repository(tmp_path / name, "dev/x")
    path = folder / "agent-orchestrator.yaml"
    path.write_text(await propose(folder, run))
    loaded = load(path, environment={})
    (id,) = loaded.settings.projects
    found = project(loaded, id)
    assert loaded.warnings == ()
    assert (found.path, found.default_branch, found.code) == (folder, "dev/x", ())


async def test_gates_are_guessed_from_what_is_there_and_hold_when_taken(tmp_path: Path) -> None:
    folder = repository(tmp_path / "app")
    (folder / "Makefile").write_text("X := 1\ntest: lint\n\tpytest\nlint:\n\truff\n")
    (folder / "pyproject.toml").write_text("[tool.ruff]\n[tool.pytest.ini_options]\n")
    scripts = {"test": "x", "build": "y", "start": "z"}
    (folder / "package.json").write_text(json.dumps({"scripts": scripts}))
    (folder / "package-lock.json").touch()
    (folder / "go.mod").touch()
    (folder / "Cargo.toml").touch()
    text = await propose(folder, run)
    assert project(_loaded(folder, text), "app").gates == ()
    taken = project(_loaded(folder, uncommented(text)), "app")
    assert [" ".join(gate.command) for gate in taken.gates] == [
        "make lint", "make test", "ruff check", "pytest -q", "npm run build", "npm run test",
        "go vet ./...", "go test ./...", "cargo clippy", "cargo test",
    ]  # fmt: skip
    assert taken.post_create == (("npm", "ci"),)


async def test_files_that_make_no_sense_are_passed_over(tmp_path: Path) -> None:
    folder = repository(tmp_path / "app")
    (folder / "package.json").write_text("[" * 100_000)
    (folder / "pyproject.toml").write_text("not = [toml")
    (folder / "Makefile").mkdir()
    assert "make test" in await propose(folder, run)


async def test_the_remotes_main_branch_comes_first(tmp_path: Path) -> None:
    folder = repository(tmp_path / "app")
    head = folder / ".git" / "refs" / "remotes" / "origin" / "HEAD"
    head.parent.mkdir(parents=True)
    head.write_text("ref: refs/remotes/origin/trunk\n")
    assert "default_branch: trunk" in await propose(folder, run)


def _loaded(folder: Path, text: str) -> Loaded:
    path = folder / "agent-orchestrator.yaml"
    path.write_text(text)
    return load(path, environment={})
