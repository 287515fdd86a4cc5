"""The page of figures has a row for each figure that the bench knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    line.split("|")[1].strip()
    for line in (ROOT / "docs" / "figures.md").read_text().split("## Measured")[1].splitlines()
    if line.startswith("| ")
]
# one whose name is handed in is measured twice
TWICE = {"name": ("spawn_warm", "spawn_warm_many")}


def figures() -> Iterator[tuple[str, str]]:
    """Each by its name, with a pattern of what it is called."""
    for path in sorted((ROOT / "tests" / "bench").glob("*.py")):
        if path.stem != "test_bench":
            yield from figures_in(ast.parse(path.read_text()))


def figures_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for function in (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)):
        said = {ast.unparse(one.targets[0]): one.value for one in assigned(function)}
        for call in (one for one in ast.walk(function) if isinstance(one, ast.Call)):
            if ast.unparse(call.func) == "Figure":
                name, what = call.args[:2]
                pattern = pattern_of(said.get(ast.unparse(what), what))
                names = [name.value] if isinstance(name, ast.Constant) else TWICE[ast.unparse(name)]
                yield from ((str(one), pattern) for one in names)


def assigned(function: ast.FunctionDef) -> Iterator[ast.Assign]:
    return (one for one in ast.walk(function) if isinstance(one, ast.Assign))


def pattern_of(what: ast.expr) -> str:
    if isinstance(what, ast.JoinedStr):
        return "".join(map(pattern_of, what.values))
    return re.escape(str(what.value)) if isinstance(what, ast.Constant) else r"\d+"


KNOWN = list(figures())


def test_every_figure_is_found() -> None:
    known = (ROOT / "tests" / "bench" / "test_bench.py").read_text().split("NAMES = {")[1]
    names = re.findall(r'"(\w+)"', known.split("}")[0])
    assert sorted(name for name, _ in KNOWN) == sorted(names)


@pytest.mark.parametrize(("name", "pattern"), KNOWN)
def test_each_has_its_row(name: str, pattern: str) -> None:
    rows = [row for row in ROWS if re.fullmatch(rf"{pattern}(?:, .*)?", row)]
    assert len(rows) == sum(known == pattern for _, known in KNOWN), (name, pattern)
