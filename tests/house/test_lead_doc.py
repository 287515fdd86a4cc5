"""The page for leads says what there is, and which tool each request is for."""

import re
from collections import Counter
from pathlib import Path

import pytest

from ao_core.engine.caller import Role
from ao_mcp.mcp.prompts import CHORES
from ao_mcp.mcp.shelves import SHELVES
from ao_mcp.mcp.tools import Toolbox
from ao_mcp.operations.every import OPERATIONS
from ao_mcp.service import Service
from ao_mcp.toolsets import TOOLSETS

PAGE = (Path(__file__).parents[2] / "docs" / "lead.md").read_text()
REQUESTS = PAGE.split("| a person says | tool |")[1]
# what one of them could be taken for, so that either has to say where the other begins
NEIGHBOURS = [
    ("list", "show"), ("list", "wait"), ("show", "read"), ("send", "answer"), ("kill", "restore"),
    ("notify", "send"), ("review", "merge"),
]  # fmt: skip


@pytest.fixture(scope="module")
def described() -> dict[str, str]:
    toolbox = Toolbox(Service(None, OPERATIONS, "", "0", None))  # type: ignore[arg-type]
    return {tool.name: tool.description or "" for tool in toolbox.tools(Role.LEAD)}


def named(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def section(title: str) -> list[str]:
    """The first column of the table of a section."""
    rows = PAGE.split(f"## {title}\n")[1].split("\n#")[0].splitlines()
    return [name for row in rows if row.startswith("| `") for name in named(row.split("|")[1])]


def test_it_lists_the_tools_there_are(described: dict[str, str]) -> None:
    assert section("Tools") == list(described)


def test_it_lists_the_sets_the_resources_and_the_prompts_there_are() -> None:
    sets = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.split("### More, or fewer")[1], re.M)
    assert {name: tuple(named(tools)) for name, tools in sets[: len(TOOLSETS)]} == dict(TOOLSETS)
    assert section("Resources") == [shelf.form for shelf in SHELVES]
    prompts = PAGE.split("## Prompts\n")[1].split("##")[0]
    assert named(prompts) == [chore.name for chore in CHORES]


def test_each_of_sixty_requests_is_for_one_tool_and_every_tool_is_asked_for(
    described: dict[str, str],
) -> None:
    rows = re.findall(r"^\| (.+) \| `(\w+)` \|$", REQUESTS, re.M)
    assert len(rows) == 60
    assert len({request for request, _ in rows}) == 60
    asked = Counter(tool for _, tool in rows)
    assert asked.keys() == described.keys()
    assert min(asked.values()) >= 2


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
def test_of_two_tools_that_could_be_taken_for_each_other_one_names_the_other(
    described: dict[str, str], one: str, other: str
) -> None:
    assert other in named(described[one]) or one in named(described[other])
