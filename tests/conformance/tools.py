"""The suite's tools that answer at once, tell of progress, or ask in the era of handshakes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import anyio
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolResult,
    CreateMessageResult,
    ElicitRequest,
    ElicitResult,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from ao_mcp.mcp.desk import Context
from conformance.contents import PICTURE, SOUND, embedded, said
from conformance.rounds import ROUNDS, form, sample

Given: TypeAlias = Mapping[str, Any]
Tool: TypeAlias = Callable[[Context, Given], Awaitable[CallToolResult]]
_MOMENT = 0.05  # seconds that the suite wants between two notifications


def _at_once(result: CallToolResult) -> Tool:
    async def answer(context: Context, given: Given) -> CallToolResult:
        return result

    return answer


async def _log(context: Context, words: str) -> None:
    """In the stateless era nobody is told who has not asked to be."""
    if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return
    params = LoggingMessageNotificationParams(level="info", data=words)
    await context.session.send_notification(
        LoggingMessageNotification(params=params), related_request_id=context.request_id
    )


async def _logging(context: Context, given: Given) -> CallToolResult:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await _log(context, words)
        await anyio.sleep(_MOMENT)
    return said("Logged.")


async def _progress(context: Context, given: Given) -> CallToolResult:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100)
        await anyio.sleep(_MOMENT)
    return said("Done.")


async def _reconnection(context: Context, given: Given) -> CallToolResult:
    """The stream is closed in the middle of the call; the answer waits for who comes again."""
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    await anyio.sleep(2 * _MOMENT)
    return said("You came again.")


async def _sampling(context: Context, given: Given) -> CallToolResult:
    result = await context.session.send_request(
        sample(given["prompt"]), CreateMessageResult, metadata=_within(context)
    )
    return said(f"LLM response: {result.content.model_dump_json()}")


def _eliciting(ask: Callable[[Given], ElicitRequest]) -> Tool:
    async def elicit(context: Context, given: Given) -> CallToolResult:
        result = await context.session.send_request(
            ask(given), ElicitResult, metadata=_within(context)
        )
        return said(f"Elicitation completed: action={result.action}, content={result.content}")

    return elicit


def _within(context: Context) -> ServerMessageMetadata:
    return ServerMessageMetadata(related_request_id=context.request_id)


async def _missing(context: Context, given: Given) -> CallToolResult:
    known = context.session.client_capabilities
    if known is None or known.sampling is None:
        lacking: Given = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "Sampling is needed.", dict(lacking))
    return said("It can be asked.")


def _user(given: Given) -> ElicitRequest:
    words = {"type": "string"}
    return form(given["message"], username=words, email=words)


def _defaults(given: Given) -> ElicitRequest:
    return form(
        "Who are you?",
        name={"type": "string", "default": "John Doe"},
        age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={
            "type": "string", "enum": ["active", "inactive", "pending"], "default": "active",
        },
        verified={"type": "boolean", "default": True},
    )  # fmt: skip


def _enums(given: Given) -> ElicitRequest:
    plain = ["option1", "option2", "option3"]
    titled = [
        {"const": f"value{number}", "title": f"{word} Option"}
        for number, word in enumerate(("First", "Second", "Third"), 1)
    ]
    return form(
        "Which?",
        untitledSingle={"type": "string", "enum": plain},
        titledSingle={"type": "string", "oneOf": titled},
        legacyEnum={
            "type": "string", "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        untitledMulti={"type": "array", "items": {"type": "string", "enum": plain}},
        titledMulti={"type": "array", "items": {"anyOf": titled}},
    )  # fmt: skip


_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}
_DIALECT: Mapping[str, Any] = {  # with everything that a careless server strips
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef", "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"}, "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"}, "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}  # fmt: skip


def _taking(name: str, **more: str) -> Mapping[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string", **more}}, "required": [name]}


_MIXED = said(
    "Multiple content types test:", PICTURE,
    embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
)  # fmt: skip
TOOLS: Mapping[str, Tool] = {
    "test_simple_text": _at_once(said("This is a simple text response for testing.")),
    "test_image_content": _at_once(said(PICTURE)),
    "test_audio_content": _at_once(said(SOUND)),
    "test_embedded_resource": _at_once(
        said(embedded("test://embedded-resource", "This is an embedded resource content."))
    ),
    "test_multiple_content_types": _at_once(_MIXED),
    "test_error_handling": _at_once(
        said("This tool intentionally returns an error for testing", is_error=True)
    ),
    "test_tool_with_logging": _logging,
    "test_logging_tool": _logging,
    "test_tool_with_progress": _progress,
    "test_reconnection": _reconnection,
    "test_sampling": _sampling,
    "test_elicitation": _eliciting(_user),
    "test_elicitation_sep1034_defaults": _eliciting(_defaults),
    "test_elicitation_sep1330_enums": _eliciting(_enums),
    "test_missing_capability": _missing,
    "test_header": _at_once(said("The header agrees.")),
    "json_schema_2020_12_tool": _at_once(said("Listed.")),
}
_TAKES: Mapping[str, Mapping[str, Any]] = {
    "test_sampling": _taking("prompt"),
    "test_elicitation": _taking("message"),
    "test_header": _taking("region", **{"x-mcp-header": "Region"}),
    "json_schema_2020_12_tool": _DIALECT,
}
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    name: _TAKES.get(name, _NOTHING) for name in (*TOOLS, *ROUNDS) if not name.endswith("_prompt")
}
