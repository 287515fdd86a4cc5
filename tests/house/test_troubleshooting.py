"""docs/troubleshooting.md knows every error code, and none that does not exist."""

import json
import re
from pathlib import Path

import pytest

from ao_core.errors import AoError, NotInstalled

PAGE = Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md"


def kinds(root: type[AoError] = AoError) -> list[type[AoError]]:
    """Every error of ours."""
    found = [one for child in root.__subclasses__() for one in kinds(child)]
    return [one for one in (root, *found) if one.__module__ == "ao_core.errors"]


def rows() -> dict[str, list[str]]:
    """The page's table, by code."""
    table = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", PAGE.read_text(), re.M)
    assert len({code for code, *_ in table}) == len(table)
    return {code: cells for code, *cells in table}


def test_every_code_is_explained_and_every_explained_code_exists() -> None:
    assert rows().keys() == {kind.code for kind in kinds()}


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_what_may_be_repeated_is_told_truly(kind: type[AoError]) -> None:
    again, means, remedy = rows()[kind.code]
    assert again == ("yes" if kind.retryable else "no")
    assert means.endswith(".")
    assert remedy.endswith(".")


def test_the_shape_that_is_shown_is_the_one_that_is_sent() -> None:
    block = re.search(r"```json\n(.*?)```", PAGE.read_text(), re.S)
    assert block
    shown = json.loads(block[1])
    assert shown == NotInstalled(shown["message"], hint=shown["hint"]).wire()
