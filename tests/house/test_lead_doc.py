"""The page for leads says what there is, and which tool each request is for."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from math import log
from pathlib import Path
from typing import Any

import pytest
from mcp_types import Tool

from ao_core.engine.caller import Role
from ao_mcp.mcp.prompts import CHORES
from ao_mcp.mcp.shelves import SHELVES
from ao_mcp.mcp.tools import Toolbox
from ao_mcp.operations.every import OPERATIONS
from ao_mcp.service import Service
from ao_mcp.toolsets import ALL, TOOLSETS, Offer, chosen

PAGE = (Path(__file__).parents[2] / "docs" / "lead.md").read_text()
REQUESTS = PAGE.split("| a person says | tool |")[1]
ROWS: list[tuple[str, str]] = re.findall(r"^\| (.+) \| `(\w+)` \|$", REQUESTS, re.M)
# what one of them could be taken for, so that either has to say where the other begins
NEIGHBOURS = [
    ("list", "show"), ("list", "wait"), ("show", "read"), ("send", "answer"), ("kill", "restore"),
    ("notify", "send"), ("review", "merge"),
    ("resume", "restore"), ("interrupt", "send"), ("interrupt", "pause"), ("transcript", "read"),
    ("events", "read"), ("project", "list"), ("compare", "read"),
]  # fmt: skip

# -- how near a request is to a tool ---------------------------------------------------------------

COMMON = frozenset(
    """a again an and are as at be by do does for from give has have he how i in into is it its let
    me my no not now of on only or so that the their there they this to us we what which who with
    you your""".split()  # noqa: SIM905
)
ENDINGS = ("ions", "ion", "ings", "ing", "ied", "ed", "ies", "es", "s", "e")
OF_ARGUMENTS = 0.5  # as much as a word counts that only an argument's description has
MARGIN = 0.7  # which is one word that most tools have


class Near:
    """Compares by the words that both have; what few tools have counts for more."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self.own: dict[str, set[str]] = {}
        self.every: dict[str, set[str]] = {}
        for tool in tools:
            self.own[tool.name] = words(f"{tool.name} {tool.description}")
            self.every[tool.name] = self.own[tool.name] | words(told_of_arguments(tool))
        self.having = Counter(word for every in self.every.values() for word in every)

    def scores(self, request: str) -> Mapping[str, float]:
        asked = words(re.sub(r"shop-\d+('s)?", "worker", request, flags=re.I))
        return {name: self._score(name, asked) for name in self.own}

    def _score(self, name: str, asked: set[str]) -> float:
        return sum(
            log(1 + len(self.own) / self.having[word])
            * (1 if word in self.own[name] else OF_ARGUMENTS)
            for word in sorted(asked & self.every[name])
        )


def told_of_arguments(tool: Tool) -> str:
    properties: Mapping[str, Mapping[str, Any]] = tool.input_schema["properties"]
    return " ".join(
        f"{name} {one.get('description', '')} {' '.join(one.get('enum', ()))}"
        for name, one in properties.items()
    )


def words(text: str) -> set[str]:
    found = re.findall(r"[a-z]+", text.lower())
    return {stem(word) for word in found if word not in COMMON}


def stem(word: str) -> str:
    endings = (one for one in ENDINGS if word.endswith(one) and len(word) - len(one) >= 3)
    return word.removesuffix(next(endings, ""))


# -- the page --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toolbox() -> Toolbox:
    return Toolbox(Service(None, OPERATIONS, "", "0", None))  # type: ignore[arg-type]  # no calls


@pytest.fixture(scope="module")
def described(toolbox: Toolbox) -> dict[str, str]:
    return {tool.name: tool.description or "" for tool in toolbox.tools(Role.LEAD)}


@pytest.fixture(scope="module")
def all_described(toolbox: Toolbox) -> dict[str, str]:
    every = toolbox.tools(Role.LEAD, Offer(chosen(ALL)))
    return {tool.name: tool.description or "" for tool in every}


@pytest.fixture(scope="module")
def near(toolbox: Toolbox) -> Near:
    return Near(toolbox.tools(Role.LEAD))


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
    assert len(ROWS) == 60
    assert len({request for request, _ in ROWS}) == 60
    asked = Counter(tool for _, tool in ROWS)
    assert asked.keys() == described.keys()
    assert min(asked.values()) >= 2


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
def test_of_two_tools_that_could_be_taken_for_each_other_one_names_the_other(
    all_described: dict[str, str], one: str, other: str
) -> None:
    assert other in named(all_described[one]) or one in named(all_described[other])


@pytest.mark.parametrize(("request_", "tool"), ROWS)
def test_a_request_is_nearest_to_the_tool_that_it_is_for(
    near: Near, request_: str, tool: str
) -> None:
    scores = near.scores(request_)
    assert scores[tool] > 0
    assert scores[tool] >= max(scores.values()) - MARGIN, Counter(scores).most_common(3)


def test_what_no_tool_is_for_is_near_to_none(near: Near) -> None:
    assert max(near.scores("Sing a lullaby").values()) == 0
    away = near.scores("Which issues are open?")
    assert away["list_issues"] - away["kill"] > MARGIN


@pytest.mark.parametrize("one", [*TOOLSETS["flow"], *TOOLSETS["survey"]])
def test_a_tool_of_a_further_set_says_when_it_goes_before_a_usual_one(
    all_described: dict[str, str], one: str
) -> None:
    instead = re.search(
        r"Instead of (?:another )?`(\w+)`.* (?:when|that|with) ", all_described[one]
    )
    assert instead, all_described[one]
    assert instead[1] in all_described.keys() - {one}
