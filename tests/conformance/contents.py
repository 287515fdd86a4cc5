"""The suite's own texts, pictures and sounds, as it expects to find them."""

import base64
import io
import json
import struct
import wave
import zlib
from collections.abc import Mapping
from typing import Any

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    GetPromptResult,
    ImageContent,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
    Tool,
)

TEXT, BINARY, WATCHED = "test://static-text", "test://static-binary", "test://watched-resource"
RESOURCES = (
    Resource(uri=TEXT, name="static-text", description="A text.", mime_type="text/plain"),
    Resource(uri=BINARY, name="static-binary", description="A picture.", mime_type="image/png"),
    Resource(uri=WATCHED, name="watched", description="A followed one.", mime_type="text/plain"),
)
TEMPLATE = ResourceTemplate(
    uri_template="test://template/{id}/data", name="template", description="Data by its id.",
    mime_type="application/json",
)  # fmt: skip
_BEFORE, _AFTER = "test://template/", "/data"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _picture() -> str:
    """One red pixel."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0\xff\0\0")), (b"IEND", b""))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*one) for one in parts)).decode()


def _sound() -> str:
    """A moment of silence."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 8)
    return base64.b64encode(made.getvalue()).decode()


PICTURE = ImageContent(data=_picture(), mime_type="image/png")
SOUND = AudioContent(data=_sound(), mime_type="audio/wav")


def text(words: str) -> TextContent:
    return TextContent(text=words)


def embedded(uri: str, words: str, mime: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime, text=words))


def said(*blocks: str | ContentBlock, is_error: bool = False) -> CallToolResult:
    """What a tool answers."""
    found = [text(one) if isinstance(one, str) else one for one in blocks]
    return CallToolResult(content=found, is_error=is_error)


def tools(schemas: Mapping[str, Mapping[str, Any]]) -> list[Tool]:
    """How they are listed."""
    return [
        Tool(name=name, description="One of the suite's.", input_schema=dict(schema))
        for name, schema in schemas.items()
    ]


def read(uri: str) -> ReadResourceResult | None:
    """One of the suite's resources."""
    if uri == BINARY:
        blob = BlobResourceContents(uri=uri, mime_type="image/png", blob=PICTURE.data)
        return ReadResourceResult(contents=[blob])
    mime, words = "text/plain", "This is the content of the static text resource."
    if uri.startswith(_BEFORE) and uri.endswith(_AFTER):
        name = uri.removeprefix(_BEFORE).removesuffix(_AFTER)
        told = {"id": name, "templateTest": True, "data": f"Data for ID: {name}"}
        mime, words = "application/json", json.dumps(told)
    elif uri not in (TEXT, WATCHED):
        return None
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=mime, text=words)])


def _prompt(name: str, *asks: str) -> Prompt:
    arguments = [PromptArgument(name=one, description=one, required=True) for one in asks]
    return Prompt(name=name, description="One of the suite's.", arguments=arguments)


PROMPTS = (
    _prompt("test_simple_prompt"),
    _prompt("test_prompt_with_arguments", "arg1", "arg2"),
    _prompt("test_prompt_with_embedded_resource", "resourceUri"),
    _prompt("test_prompt_with_image"),
    _prompt("test_input_required_result_prompt"),
)


def spoken(*blocks: ContentBlock) -> GetPromptResult:
    """A prompt, filled in."""
    return GetPromptResult(messages=[PromptMessage(role="user", content=one) for one in blocks])


def prompt(name: str, given: Mapping[str, str]) -> GetPromptResult | None:
    """One of the suite's prompts."""
    match name:
        case "test_simple_prompt":
            return spoken(text("This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            words = f"arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"
            return spoken(text(f"Prompt with arguments: {words}"))
        case "test_prompt_with_embedded_resource":
            one = embedded(given.get("resourceUri", TEXT), "Embedded resource content for testing.")
            return spoken(one, text("Please process the embedded resource above."))
        case "test_prompt_with_image":
            return spoken(PICTURE, text("Please analyze the image above."))
        case _:
            return None
