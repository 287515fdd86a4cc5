"""Unsaved work of every kind, in workspaces of either kind that go in every way there is.

Works that go together share a workspace, and all of them go the ways that differ most. With
EVERY_SALVAGE set (`make every-salvage`) each has one of its own, too, and goes every way, which
takes many minutes. The table is printed, and written to build/salvage-*.txt.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from salvage.ways import WAYS, Cell, configured, prepared
from salvage.works import WORKS
from team import Team

EVERY = bool(os.environ.get("EVERY_SALVAGE"))
PART = os.environ.get("PYTEST_XDIST_WORKER", "all")  # each process has a part of the table
BOOK = Path(__file__).parents[2] / "build" / f"salvage-{PART}.txt"
LOADS = (
    (
        "stashes", "another branch", "nested repositories", "submodule changed", "modified",
        "untracked", "listed", "staged only", "staged and modified",
        "modes and links", "odd names", "line ends",
    ),
    ("merge under way", "repository in a tracked folder", "submodule with listed files"),
    ("detached head", "submodule with commits aside", "worktree of its own"),
    ("sparse checkout",),
    ("large files", "files and folders swapped", "hidden from git", "submodule with a stash"),
)  # fmt: skip
THOROUGH = ("kill", "restore", "failed spawn")  # what saves, puts back, and undoes
SINGLE = tuple((name,) for name in WORKS if name != "many bytes")
ONE_IS_ENOUGH = {"gc": "clone", "abandoned": "clone", "train": "worktree", "stop": "worktree"}
SKIPPED = pytest.mark.skipif(not EVERY, reason="a minute less; EVERY_SALVAGE=1 does it")
BOTH = [
    pytest.param(
        name, kind, id=f"{name}-{kind}", marks=[SKIPPED] * (ONE_IS_ENOUGH.get(name) == kind)
    )
    for name in WAYS
    for kind in ("worktree", "clone")
]
TABLE: dict[tuple[str, str, str], str] = {}


@pytest.fixture(scope="module", autouse=True)
def book() -> Generator[None]:
    """Hold what came out, also where something was lost."""
    yield
    BOOK.parent.mkdir(exist_ok=True)
    lines = [f"{kind:9} {way:14} {load}: {came}" for (kind, way, load), came in TABLE.items()]
    BOOK.write_text("\n".join(sorted(lines)) + "\n")
    print("\n" + BOOK.read_text())  # noqa: T201


@pytest.mark.slow
@pytest.mark.timeout(1800 if EVERY else 120)
@pytest.mark.parametrize(("name", "workspace"), BOTH)
def test_nothing_is_lost(name: str, workspace: str, tmp_path: Path) -> None:
    aside, root = tmp_path / "aside", tmp_path / "sample"
    Team.new_repository(root, configured(name, workspace, aside))
    prepared(root, aside)
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "config.yaml").write_text("max_workers: 40\n")
    team = Team(tmp_path / "home", root, tmp_path / "run").trusted()
    loads = LOADS if EVERY or name in THOROUGH else LOADS[:2]
    cells = [Cell(load) for load in (*loads, *(SINGLE if EVERY else ()))]
    try:
        WAYS[name].run(team, cells, aside)
    finally:
        team.end()
    for cell in cells:
        TABLE[workspace, name, ", ".join(cell.load)] = "; ".join(cell.lost) or "all"
    assert [line for cell in cells for line in cell.lost] == []
