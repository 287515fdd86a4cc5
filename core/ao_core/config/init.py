"""Writes a first `agent-orchestrator.yaml` by looking at the repository."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from ao_core.config.checkout import main_branch
from ao_core.config.project import implied_id
from ao_core.errors import AoError
from ao_core.ids import branch_name, session_prefix
from ao_core.process import Run

_FILE_LIMIT = 256 * 1024
_DEADLINE = 10.0
_TARGETS = ("lint", "check", "types", "build", "test")
_TARGET = re.compile(r"^([a-z][a-z-]*)\s*:(?!=)", re.MULTILINE)

_TEXT = """\
# How ao-mcp runs its team here. Every key: docs/configuration.md.
# Secrets do not belong in this file: write ${{NAME}}, or secret://env/NAME.

projects:
  {id}:
    path: .
    default_branch: {branch}
    # Sessions are called {prefix}-1, {prefix}-2, …
    session_prefix: {prefix}

    # The agent that does the work; without this, the first one that is installed.
    # agent: claude-code

    # default | auto-edit | suggest | permissionless
    agent_config:
      permissions: default

    # What every worker is told, beside .agent-rules.md.
    # agent_rules: |
    #   Keep changes small. Run the tests before you say that you are done.

    # What has to succeed before work counts as done. Commands run without a shell. Once a gate
    # stands here, a person has to trust this file: ao trust {id}
{gates}

    # Run in each new workspace, and linked into it from here.
    # post_create:
    #   - {install}
    # symlinks: [.env]
"""


async def propose(repository: Path, run: Run) -> str:
    """The text of a configuration that fits the repository; gates are guessed, and commented."""
    id = implied_id(repository)
    return _TEXT.format(
        id=_quoted(id),
        branch=_quoted(await _branch(repository, run)),
        prefix=_quoted(session_prefix(repository.name)),
        gates="\n".join(_gates(list(_commands(repository)))),
        install=_install(repository),
    )


async def _branch(repository: Path, run: Run) -> str:
    """The remote's main branch, as git knows it; else as its files say."""
    asked = ["git", "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"]
    try:
        said = await run(asked, cwd=repository, deadline=_DEADLINE)
        name = said.text.strip().removeprefix("origin/") if said.status == 0 else ""
        return branch_name(name or main_branch(repository))
    except AoError:
        return "main"


def _gates(commands: list[str]) -> Iterator[str]:
    yield "    # gates:"
    yield "    #   checks:"
    for command in commands or ["make test"]:
        name = re.sub(r"[^a-z0-9]+", "-", command.lower()).strip("-")
        yield f"    #     - {{name: {name}, command: {_quoted(command)}, deadline: 10m}}"


def _commands(repository: Path) -> Iterator[str]:
    """What builds and tests the repository, as far as its files tell."""
    guesses: dict[str, Callable[[str], Iterator[str]]] = {
        "Makefile": _of_makefile,
        "pyproject.toml": _of_pyproject,
        "package.json": _of_package,
        "go.mod": lambda _: iter(("go vet ./...", "go test ./...")),
        "Cargo.toml": lambda _: iter(("cargo clippy", "cargo test")),
    }
    for name, guess in guesses.items():
        text = _read(repository / name)
        if text is not None:
            yield from guess(text)


def _of_makefile(text: str) -> Iterator[str]:
    targets = set(_TARGET.findall(text))
    yield from (f"make {target}" for target in _TARGETS if target in targets)


def _of_pyproject(text: str) -> Iterator[str]:
    try:
        tools = tomllib.loads(text).get("tool", {})
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    if not isinstance(tools, dict):
        return
    if "ruff" in tools:
        yield "ruff check"
    if "pytest" in tools or "pytest" in text:
        yield "pytest -q"


def _of_package(text: str) -> Iterator[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    package = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    scripts = package.get("scripts")
    names = cast("dict[str, object]", scripts) if isinstance(scripts, dict) else {}
    yield from (f"npm run {target}" for target in _TARGETS if target in names)


def _install(repository: Path) -> str:
    if (repository / "package-lock.json").is_file():
        return "npm ci"
    return "uv sync" if (repository / "uv.lock").is_file() else "make install"


def _read(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_FILE_LIMIT)
    except OSError:
        return None


def _quoted(text: str) -> str:
    """Plain where it cannot be mistaken for anything else, with quotes elsewhere."""
    if re.fullmatch(r"[a-z][a-z0-9/_-]*", text) and text not in ("null", "true", "false"):
        return text
    return json.dumps(text).replace("${", "$${")
