"""The MCP Inspector and the official conformance suite judge the product, in both eras.

They are looked for in the folder that AO_CLIENTS names, and skipped without it. `make conformance`
brings them from npm into build/clients, runs them and shows the table. What the suite tries and
does not score may not become worse either.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import yaml

from clients import table
from conformance.inspecting import inspect
from conformance.known import GENERIC, INSPECTOR, JUDGES, REVISIONS, SUITE, Judge
from conformance.report import BEGIN, HEADINGS, ran
from conformance.scenarios import EXPECTED, FIXTURES, PRODUCT, Asked, Ran, expected, run
from conformance.stage import product, with_fixtures

FOLDER = Path(os.environ.get("AO_CLIENTS") or os.devnull).resolve()
Test = TypeVar("Test", bound=Callable[..., None])
DOCS = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"


def judged(test: Test) -> Test:
    """One that takes a judge, and its time."""
    return pytest.mark.slow(pytest.mark.timeout(300)(test))


def require(judge: Judge) -> None:
    version = judge.installed(FOLDER)
    if version is None:
        pytest.skip("AO_CLIENTS names no folder with it; see `make conformance`")
    assert version == judge.version


@judged
def test_the_inspector_finds_nothing_wrong(tmp_path: Path) -> None:
    require(INSPECTOR)
    with product(tmp_path / "p") as one:
        found = list(inspect(one, tmp_path / "inspector", FOLDER))
    assert len(found) == 4
    assert {(one.way, one.era): one.found for one in found if one.found} == {}


@judged
@pytest.mark.parametrize("revision", REVISIONS)
def test_the_product_passes_what_any_server_can(revision: str, tmp_path: Path) -> None:
    require(SUITE)
    with product(tmp_path / "p") as one:
        found = run(PRODUCT, revision, one.server, tmp_path / "out", FOLDER)
    assert found.surprises == {}
    assert found.passed(found.asked.every) >= len(found.asked.every) - len(found.expected)


@judged
@pytest.mark.parametrize("revision", REVISIONS)
def test_with_fixtures_the_whole_suite_passes(revision: str, tmp_path: Path) -> None:
    require(SUITE)
    with with_fixtures(tmp_path / "f") as server:
        found = run(FIXTURES, revision, server, tmp_path / "out", FOLDER)
    assert found.surprises == {}
    assert found.passed(found.asked.scored) == len(found.asked.scored)


@judged
@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("what", [PRODUCT, FIXTURES])
def test_what_is_expected_to_fail_has_its_reason_where_the_suite_reads_it(
    what: str, revision: str
) -> None:
    (file,) = EXPECTED.glob(f"{'product' if what == PRODUCT else 'fixtures'}-{revision}.yaml")
    listed = yaml.safe_load(file.read_text(encoding="utf-8"))["server"]
    reasons = expected(what, revision)
    assert list(reasons) == listed
    assert what == FIXTURES or {one.partition(":")[0] for one in listed} <= GENERIC


def test_what_fails_and_nobody_expected_is_told_and_so_is_what_passes_by_now() -> None:
    asked = Asked(["a", "b", "c", "d"], ["e"])
    found = {"a:1": "wrong", "a:2": "worse", "b:1": "as ever", "e:1": "not scored"}
    one = Ran(PRODUCT, REVISIONS[0], asked, found, {"a:1": "why", "b": "so", "c": "once"})
    assert one.surprises.keys() == {"a:2", "c", "e:1"}
    assert one.passed(asked.scored) == 2
    scored, beside = ran(one)
    assert (scored.surprising.keys(), beside.surprising.keys()) == ({"a:2", "c"}, {"e:1"})
    assert scored.reasons == {"a:1": "why", "b:1": "so"}


def test_the_page_shows_the_table_of_the_judges_that_are_pinned() -> None:
    _, _, made = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    headings, *found = table.rows(table.BEGIN + made)
    assert tuple(headings) == HEADINGS
    assert {tuple(cells[:2]) for cells in found} == {(one.title, one.version) for one in JUDGES}
    assert {cells[3] for cells in found} == set(REVISIONS)
    for what in (PRODUCT, FIXTURES):
        for revision in REVISIONS:
            assert all(f"{why}\n" in made for why in expected(what, revision).values())
