"""docs/plugins.md, followed literally: from an empty folder to a note that arrives."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ao_core.slots
from ao_core.index import SLOTS
from page import blocks
from team import Team

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "plugins.md"
PATIENCE = 150
OURS = (ROOT, ROOT / "core", ROOT / "plugins", ROOT / "prompts")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(PATIENCE + 30)]


def script() -> str:
    """Everything a reader does, in order. What the network would bring is lent instead."""
    steps = "".join(block.step() for block in blocks(PAGE.read_text()))
    activated = ". .venv/bin/activate\n"
    assert steps.count(activated) == 1
    return steps.replace(activated, f"{activated}lend\n")


def lending() -> str:
    """A shell function: this environment's packages and our commands, in the new environment."""
    installed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    folders = "\n".join(map(str, [*OURS, *installed]))
    packages = "$(python -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))')"
    return (
        f"lend() {{\ncat > {packages}/lent.pth <<'END'\n{folders}\nEND\n"
        'printf \'#!/bin/sh\\nexec "%s" -I -m ao_mcp.cli "$@"\\n\' "$(command -v python)"'
        " > .venv/bin/ao\nchmod +x .venv/bin/ao\n}\n"
    )


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Team]:
    """Somebody with a home, an empty folder and no network."""
    (tmp_path / "empty").mkdir()
    one = Team(tmp_path / "home", tmp_path / "empty", tmp_path / "run")
    one.env |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GIT_AUTHOR_NAME": "A Person",
        "GIT_AUTHOR_EMAIL": "person@example.invalid",
        "GIT_COMMITTER_NAME": "A Person",
        "GIT_COMMITTER_EMAIL": "person@example.invalid",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # which is how pip spells that there is none
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    yield one
    one.end()


def test_whoever_follows_the_page_gets_a_working_notifier(reader: Team) -> None:
    done = subprocess.run(
        ["sh", "-eu"], input=lending() + script(), cwd=reader.repository, env=reader.env,
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = " ".join(done.stdout.split())
    for block in blocks(PAGE.read_text()):
        if block.language == "text":
            assert " ".join(block.text.split()) in said, done.stdout[-3000:]
    diary = (reader.home.parent / "diary.txt").read_text().splitlines()
    endings = ["info try: The build is green.", "urgent try: The build is red."]
    assert [line.partition(" ")[2] for line in diary] == endings
    assert re.search(r"\d+ passed", done.stdout)


def rows() -> dict[str, list[str]]:
    """The page's tables, by what stands in the first column."""
    lines = [
        line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if "| `" in line
    ]
    return {cells[0].strip("`"): cells[1:] for cells in lines}


@pytest.mark.parametrize("slot", SLOTS)
def test_the_page_knows_every_slot_and_what_it_must_do(slot: str) -> None:
    module = __import__(f"ao_core.slots.{slot}", fromlist=[slot])
    contract = getattr(module, slot.capitalize())
    _, named, methods, kit = rows()[slot]
    assert named == f"`{module.__name__}.{contract.__name__}`"
    assert set(re.findall(r"`(\w+)`", methods)) == contract.__abstractmethods__
    assert (ROOT / "core" / f"{kit.strip('`').replace('.', '/')}.py").exists()


def test_the_page_knows_every_optional_ability() -> None:
    found = {
        name
        for path in Path(ao_core.slots.__path__[0]).glob("*.py")
        for name in re.findall(r"^class (\w+)\(ABC\):", path.read_text(), re.M)
    }
    assert found - rows().keys() == set()
