"""The tools as MCP clients see them: through the SDK's client, over the relay, in both eras."""

import json
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import anyio
import pytest
from jsonschema import Draft202012Validator
from mcp import Client, StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from ao_core.engine.caller import Role
from ao_core.engine.reading import MOST
from ao_mcp.mcp.schema import input_schema, output_schema
from ao_mcp.mcp.tools import Toolbox, listing_size
from ao_mcp.operations.every import OPERATIONS
from ao_mcp.service import Service
from ao_mcp.toolsets import Offer, chosen
from faces.home import LEGACY, RELAY, Home, RelayClient, temporary_home

ERAS = ["legacy", "2026-07-28", "auto"]
VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with temporary_home() as made:
        yield made


def connect(home: Home, era: str) -> Client:
    command, *arguments = RELAY
    relay = StdioServerParameters(command=command, args=arguments, env=home.env, cwd="/")
    return Client(stdio_client(relay), mode=era)


def text_of(result: CallToolResult) -> str:
    content = result.content[0]
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("era", ERAS)
async def test_the_sdks_client_lists_and_calls(home: Home, era: str) -> None:
    async with connect(home, era) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["echo", "wait", "fail"]
        result = await client.call_tool("echo", {"text": "hé\n"})
    assert result.is_error is False
    assert result.structured_content["said"] == "hé\n"
    assert result.structured_content["cwd"] == "/"
    assert json.loads(text_of(result)) == result.structured_content


@pytest.mark.parametrize("era", ERAS)
async def test_what_fails_is_a_result_a_model_can_act_on(home: Home, era: str) -> None:
    async with connect(home, era) as client:
        wrong = await client.call_tool("fail", {})
        several = await client.call_tool("fail", {"how": "several"})
        refused = await client.call_tool("echo", {"txt": "s3cret"})
        internal = await client.call_tool("fail", {"how": "secret"})
    assert wrong.is_error
    assert wrong.structured_content == {
        "code": "wrong_state",
        "message": "It is not running.",
        "retryable": False,
        "hint": "Start it with `restore`.",
    }
    assert len(several.structured_content["problems"]) == 2
    assert refused.structured_content["code"] == "invalid_argument"
    assert "did you mean `text`" in refused.structured_content["message"]
    assert "s3cret" not in text_of(refused)
    assert internal.structured_content["code"] == "internal"
    assert "ghp_" not in text_of(internal)


@pytest.mark.parametrize("name", ["nothing", "trust", "report", "../\x1b[2J"])
async def test_a_tool_that_is_not_ones_own_is_unknown(home: Home, name: str) -> None:
    async with connect(home, "legacy") as client:
        with pytest.raises(MCPError, match="There is no tool") as caught:
            await client.call_tool(name, {})
    assert caught.value.error.code == -32602
    assert "\x1b" not in caught.value.error.message


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_progress_is_told_to_a_client_that_asks(home: Home, era: str) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with connect(home, era) as client:
        arguments = {"steps": 3, "seconds": 0}
        await client.call_tool("wait", arguments, progress_callback=hear)
    assert heard == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]


async def test_a_cancelled_call_is_not_answered_and_the_next_one_is(home: Home) -> None:
    async with connect(home, "legacy") as client:
        with anyio.move_on_after(0.2) as patience:
            await client.call_tool("wait", {"seconds": 600})
        assert patience.cancelled_caught
        assert (await client.call_tool("echo", {"text": "a"})).is_error is False


def svg_of(icon: dict[str, Any]) -> str:
    kind, _, data = icon["src"].partition(",")
    assert (kind, icon["mimeType"]) == ("data:image/svg+xml;base64", "image/svg+xml")
    return b64decode(data).decode()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_the_handshake_is_spoken(home: Home, version: str) -> None:
    with RelayClient(home) as client:
        welcome = client.ask(0, "initialize", LEGACY | {"protocolVersion": version})["result"]
        assert welcome["protocolVersion"] == version
        about = welcome["serverInfo"]
        (icon,) = about.pop("icons")
        assert svg_of(icon).startswith("<svg ")
        assert about == {"name": "ao-mcp", "title": "Agent Orchestrator", "version": "0.1.0"}
        assert "tools" in client.ask(1, "tools/list")["result"]


def test_an_unknown_method_is_answered_as_such(home: Home) -> None:
    with RelayClient(home) as client:
        client.shake_hands()
        assert client.ask(1, "no/such/thing")["error"]["code"] == -32601


def test_annotations_say_what_a_tool_does(home: Home) -> None:
    with RelayClient(home) as client:
        client.shake_hands()
        tools = {tool["name"]: tool for tool in client.ask(1, "tools/list")["result"]["tools"]}
    assert tools["echo"]["annotations"] == {
        "readOnlyHint": True,
        "openWorldHint": False,
    }
    assert tools["fail"]["annotations"]["destructiveHint"] is True


@pytest.fixture(scope="module")
def toolbox() -> Toolbox:
    return Toolbox(Service(None, OPERATIONS, "", "0", None))  # type: ignore[arg-type]  # no calls


def test_the_real_tools_are_few_and_fit_their_budget(toolbox: Toolbox) -> None:
    assert len(toolbox.tools(Role.LEAD)) <= 16
    assert listing_size(toolbox) <= 20 * 1024


def test_every_real_schema_is_valid_closed_and_free_of_references(toolbox: Toolbox) -> None:
    for tool in toolbox.tools(Role.LEAD):
        for schema in (tool.input_schema, tool.output_schema):
            assert schema is not None
            Draft202012Validator.check_schema(schema)
            assert "$ref" not in json.dumps(schema)
        assert tool.input_schema["additionalProperties"] is False


def test_every_real_tool_says_what_it_and_its_arguments_are_for(toolbox: Toolbox) -> None:
    for tool in toolbox.tools(Role.LEAD):
        assert tool.title
        assert tool.description
        assert tool.annotations


def test_clients_are_told_which_tools_to_show_at_once_and_how_long_an_answer_may_be(
    toolbox: Toolbox,
) -> None:
    told = {tool.name: tool.meta for tool in toolbox.tools(Role.LEAD, Offer(chosen("all")))}
    at_once = {"anthropic/alwaysLoad": True}
    assert {name: meta for name, meta in told.items() if meta is not None} == {
        "spawn": at_once,
        "list": at_once,
        "wait": at_once,
        "read": {"anthropic/maxResultSizeChars": MOST},
    }
    assert len(told) > 20
    assert not [tool.name for tool in toolbox.tools(Role.WORKER) if tool.meta]


class Leaf(BaseModel):
    """A leaf."""

    title: str
    note: Annotated[str | None, Field(description="A note.")] = None


class Tree(BaseModel):
    """A tree."""

    title: str
    leaf: Leaf
    leaves: list[Leaf] = []
    parent: "Tree | None" = None
    description: int | str | None = None
    empty: str | None


SHOWN: list[dict[str, Any]] = [
    {"title": "t", "leaf": {"title": "l"}, "leaves": [{"title": "x", "note": "n"}]},
    {"title": "t", "leaf": {"title": "l"}, "parent": {"title": "p", "leaf": {"title": "l"}}},
]


@pytest.mark.parametrize("shown", SHOWN)
def test_a_dumped_reply_fits_its_schema(shown: dict[str, Any]) -> None:
    empty = {"empty": None}
    parent = shown["parent"] | empty if "parent" in shown else None
    tree = Tree.model_validate(shown | empty | {"parent": parent})
    dumped = tree.model_dump(mode="json", exclude_none=True)
    validator = Draft202012Validator(output_schema(Tree))
    assert validator.is_valid(dumped)  # pyright: ignore[reportUnknownMemberType]


def test_names_that_look_like_schema_words_are_kept() -> None:
    assert {"title", "description"} <= output_schema(Tree)["properties"].keys()
    assert input_schema(Leaf) == {
        "properties": {
            "title": {"type": "string"},
            "note": {"type": "string", "description": "A note."},
        },
        "required": ["title"],
        "type": "object",
    }


def test_a_schema_that_holds_itself_keeps_one_definition() -> None:
    schema = output_schema(Tree)
    assert list(schema["$defs"]) == ["Tree"]
    assert_no_titles(schema)


def assert_no_titles(schema: dict[str, Any]) -> None:
    assert not isinstance(schema.get("title"), str)
    below: Sequence[Any] = [*schema.values(), *schema.get("properties", {}).values()]
    for one in below:
        if isinstance(one, dict):
            assert_no_titles(one)  # pyright: ignore[reportUnknownArgumentType]
