"""The four APIs that agents speak to models by: what they ask, and how they are answered.

Each dialect reads what it needs of a request, and refuses one that its real API would refuse: a
tool without a schema, a result of no call, a call without its result.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, Field, JsonValue

Frame = Mapping[str, Any]
Arguments = dict[str, Any]
TOKENS = 10  # that each answer says its question has taken


class Wrong(Exception):
    """A request that the real API would refuse as well; says why."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as the client offers it to the model."""

    name: str
    space: str = ""  # of names, where tools are offered by such
    takes: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False)  # its schema


@dataclass(frozen=True, slots=True)
class Made:
    """A call as it is written down in the conversation."""

    id: str
    offer: Offer
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, understood: the tools at hand, each call with its result, and how to answer.

    `told` is what was said to the model, in order: a text of the user's, or None for a result;
    `system` is what it was told to be; `body` all of it, as it came.
    """

    offers: Sequence[Offer]
    past: Sequence[tuple[Made, str]]
    stream: bool
    told: Sequence[str | None] = ()
    system: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says: some words, or one call."""

    number: int
    text: str = ""
    offer: Offer | None = None
    arguments: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        return self.called("call")

    def called(self, what: str) -> str:
        """A name that no other reply has: whoever counts what was used goes by it."""
        return f"{what}_{self.number}"

    @property
    def json(self) -> str:
        return json.dumps(self.arguments)


class Dialect(Protocol):
    """One API."""

    key: ClassVar[str]  # the header with the key
    named: ClassVar[bool]  # whether each streamed event has its name before it

    def read(self, path: str, body: bytes) -> Asked:
        """Understand a request; raises `Wrong` or a validation error."""
        ...

    def whole(self, reply: Reply) -> Frame:
        """The answer in one piece."""
        ...

    def frames(self, reply: Reply) -> Iterator[Frame | str]:
        """The answer as a stream."""
        ...


def paired(made: Iterable[Made], results: Iterable[tuple[str, str]]) -> list[tuple[Made, str]]:
    """Each call with its one result."""
    calls, texts = list(made), list(results)
    if sorted(one.id for one in calls) != sorted(id for id, _ in texts):
        raise Wrong("calls and results do not agree")
    by_id = dict(texts)
    return [(one, by_id[one.id]) for one in calls]


class Text(BaseModel):
    """A piece of content, of which only text is of use here."""

    text: str = ""


def words(content: "str | Sequence[Text] | None") -> str:
    """All text of some content."""
    return content if isinstance(content, str) else "\n".join(one.text for one in content or ())


# -- Anthropic Messages ----------------------------------------------------------------------------


class Block(Text):
    """A piece of a message."""

    type: str
    id: str = ""
    name: str = ""
    input: Arguments = {}
    tool_use_id: str = ""
    content: str | list[Text] = ""


class Said(BaseModel):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


def _blocks(said: Said) -> "list[Block]":
    content = said.content
    return [Block(type="text", text=content)] if isinstance(content, str) else content


class NamedTool(BaseModel):
    name: str
    input_schema: Arguments | None = None


class MessagesRequest(BaseModel):
    model: str
    max_tokens: int
    messages: list[Said] = Field(min_length=1)
    tools: list[NamedTool] = []
    stream: bool = False


class Messages:
    """`POST /v1/messages`."""

    key: ClassVar[str] = "x-api-key"
    named: ClassVar[bool] = True

    def read(self, path: str, body: bytes) -> Asked:
        asked = MessagesRequest.model_validate_json(body)
        blocks = [block for said in asked.messages for block in _blocks(said)]
        calls = [Made(one.id, Offer(one.name), one.input) for one in blocks
                 if one.type == "tool_use"]  # fmt: skip
        results = [(one.tool_use_id, words(one.content)) for one in blocks
                   if one.type == "tool_result"]  # fmt: skip
        offers = [Offer(tool.name, takes=tool.input_schema) for tool in asked.tools
                  if tool.input_schema is not None]  # fmt: skip
        told = [
            None if block.type == "tool_result" else block.text
            for said in asked.messages if said.role == "user"
            for block in _blocks(said)
        ]  # fmt: skip
        return Asked(offers, paired(calls, results), asked.stream, told)

    def whole(self, reply: Reply) -> Frame:
        return self._message(reply, [self._block(reply)], self._stop(reply))

    def frames(self, reply: Reply) -> Iterator[Frame | str]:
        block = self._block(reply)
        empty: Frame
        if reply.offer:
            empty = {**block, "input": dict[str, Any]()}
            delta = {"type": "input_json_delta", "partial_json": reply.json}
        else:
            empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": reply.text}
        yield {"type": "message_start", "message": self._message(reply, [], None)}
        yield {"type": "content_block_start", "index": 0, "content_block": empty}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        stop = {"stop_reason": self._stop(reply), "stop_sequence": None}
        yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 5}}
        yield {"type": "message_stop"}

    @staticmethod
    def _block(reply: Reply) -> Frame:
        if reply.offer is None:
            return {"type": "text", "text": reply.text}
        called = {"name": reply.offer.name, "input": reply.arguments}
        return {"type": "tool_use", "id": reply.id, **called}

    @staticmethod
    def _stop(reply: Reply) -> str:
        return "tool_use" if reply.offer else "end_turn"

    @staticmethod
    def _message(reply: Reply, content: list[Frame], stop: str | None) -> Frame:
        return {
            "id": reply.called("msg"), "type": "message", "role": "assistant",
            "model": "scripted", "content": content, "stop_reason": stop, "stop_sequence": None,
            "usage": {"input_tokens": TOKENS, "output_tokens": 5},
        }  # fmt: skip


# -- OpenAI Chat Completions -----------------------------------------------------------------------


class Function(BaseModel):
    name: str
    arguments: str


class ToolCall(BaseModel):
    id: str
    function: Function


class ChatMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Text] | None = None
    tool_calls: list[ToolCall] = []
    tool_call_id: str = ""


class Described(BaseModel):
    name: str
    parameters: Arguments = {}  # a function may take none


class ChatTool(BaseModel):
    type: Literal["function"]
    function: Described


class ChatRequest(BaseModel):
    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    tools: list[ChatTool] = []
    stream: bool = False


class Chat:
    """`POST /v1/chat/completions`."""

    key: ClassVar[str] = "authorization"
    named: ClassVar[bool] = False

    def read(self, path: str, body: bytes) -> Asked:
        asked = ChatRequest.model_validate_json(body)
        calls = [
            Made(one.id, Offer(one.function.name), json.loads(one.function.arguments))
            for message in asked.messages
            for one in message.tool_calls
        ]
        results = [(one.tool_call_id, words(one.content)) for one in asked.messages
                   if one.role == "tool"]  # fmt: skip
        offers = [Offer(one.function.name, takes=one.function.parameters) for one in asked.tools]
        told = [
            words(one.content) if one.role == "user" else None
            for one in asked.messages if one.role in ("user", "tool")
        ]  # fmt: skip
        system = "\n".join(words(one.content) for one in asked.messages if one.role == "system")
        return Asked(offers, paired(calls, results), asked.stream, told, system)

    def whole(self, reply: Reply) -> Frame:
        message = {"role": "assistant", **self._delta(reply)}
        choice = {"index": 0, "message": message, "finish_reason": self._end(reply)}
        return {**self._head(reply, "chat.completion"), "choices": [choice], "usage": self._usage()}

    def frames(self, reply: Reply) -> Iterator[Frame | str]:
        head = self._head(reply, "chat.completion.chunk")
        first = {"role": "assistant", **self._delta(reply)}
        yield {**head, "choices": [{"index": 0, "delta": first, "finish_reason": None}]}
        yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": self._end(reply)}]}
        yield {**head, "choices": [], "usage": self._usage()}
        yield "[DONE]"

    @staticmethod
    def _delta(reply: Reply) -> Frame:
        if reply.offer is None:
            return {"content": reply.text}
        function = {"name": reply.offer.name, "arguments": reply.json}
        call = {"index": 0, "id": reply.id, "type": "function", "function": function}
        return {"content": None, "tool_calls": [call]}

    @staticmethod
    def _end(reply: Reply) -> str:
        return "tool_calls" if reply.offer else "stop"

    @staticmethod
    def _head(reply: Reply, kind: str) -> Frame:
        return {"id": reply.called("chat"), "object": kind, "created": 1, "model": "scripted"}

    @staticmethod
    def _usage() -> Frame:
        return {"prompt_tokens": TOKENS, "completion_tokens": 5, "total_tokens": TOKENS + 5}


# -- OpenAI Responses ------------------------------------------------------------------------------


class Item(BaseModel):
    """A piece of the conversation."""

    type: str = "message"
    role: str = ""
    content: str | list[Text] | None = None
    call_id: str = ""
    name: str = ""
    namespace: str = ""
    arguments: str = "{}"
    output: str | list[Text] = ""


class Listed(BaseModel):
    """A tool, or a space with tools of its own."""

    type: str
    name: str = ""
    parameters: Arguments | None = None
    tools: "list[Listed]" = []


class ResponsesRequest(BaseModel):
    model: str
    input: list[Item] = Field(min_length=1)
    tools: list[Listed] = []
    stream: Literal[True]


class Responses:
    """`POST /v1/responses`, always as a stream."""

    key: ClassVar[str] = "authorization"
    named: ClassVar[bool] = True

    def read(self, path: str, body: bytes) -> Asked:
        asked = ResponsesRequest.model_validate_json(body)
        calls = [
            Made(one.call_id, Offer(one.name, one.namespace), json.loads(one.arguments))
            for one in asked.input
            if one.type == "function_call"
        ]
        results = [(one.call_id, words(one.output)) for one in asked.input
                   if one.type == "function_call_output"]  # fmt: skip
        told = [
            words(one.content) if one.type == "message" else None
            for one in asked.input
            if one.type == "function_call_output" or (one.type, one.role) == ("message", "user")
        ]
        return Asked(list(self._offers(asked.tools)), paired(calls, results), asked.stream, told)

    def _offers(self, tools: Iterable[Listed], space: str = "") -> Iterator[Offer]:
        for tool in tools:
            if tool.type == "namespace":
                yield from self._offers(tool.tools, tool.name)
            elif tool.type == "function" and tool.parameters is not None:
                yield Offer(tool.name, space, tool.parameters)

    def whole(self, reply: Reply) -> Frame:
        raise Wrong("it is always streamed")

    def frames(self, reply: Reply) -> Iterator[Frame | str]:
        item, id = self._item(reply), reply.called("resp")
        yield {"type": "response.created", "response": {"id": id}}
        yield {"type": "response.output_item.added", "output_index": 0, "item": item}
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}
        usage = {"input_tokens": TOKENS, "output_tokens": 5, "total_tokens": TOKENS + 5}
        done = {"id": id, "status": "completed", "output": [item], "usage": usage}
        yield {"type": "response.completed", "response": done}

    @staticmethod
    def _item(reply: Reply) -> Frame:
        if reply.offer is None:
            words = {"type": "output_text", "text": reply.text}
            content = [{**words, "annotations": list[Any]()}]
            named = {"type": "message", "id": reply.called("msg")}
            return {**named, "role": "assistant", "content": content}
        space = {"namespace": reply.offer.space} if reply.offer.space else {}
        called = {"name": reply.offer.name, "arguments": reply.json, **space}
        return {"type": "function_call", "id": reply.called("fc"), "call_id": reply.id, **called}


# -- Gemini ----------------------------------------------------------------------------------------


class GeminiCall(BaseModel):
    name: str
    args: Arguments = {}


class GeminiResult(BaseModel):
    name: str
    response: JsonValue


class Part(BaseModel):
    text: str = ""
    functionCall: GeminiCall | None = None
    functionResponse: GeminiResult | None = None


class Content(BaseModel):
    role: Literal["user", "model"] = "user"
    parts: list[Part]


class Declared(BaseModel):
    name: str
    parametersJsonSchema: Arguments = {}
    parameters: Arguments = {}


class GeminiTool(BaseModel):
    functionDeclarations: list[Declared] = []


class GeminiRequest(BaseModel):
    contents: list[Content] = Field(min_length=1)
    tools: list[GeminiTool] = []


class Gemini:
    """`POST /v1beta/models/…:generateContent`. Results follow their calls; ids are not sent."""

    key: ClassVar[str] = "x-goog-api-key"
    named: ClassVar[bool] = False

    def read(self, path: str, body: bytes) -> Asked:
        asked = GeminiRequest.model_validate_json(body)
        parts = [part for content in asked.contents for part in content.parts]
        made = [one.functionCall for one in parts if one.functionCall]
        given = [one.functionResponse for one in parts if one.functionResponse]
        if [one.name for one in made] != [one.name for one in given]:
            raise Wrong("calls and results do not agree")
        past = [
            (Made("", Offer(call.name), call.args), told(result.response))
            for call, result in zip(made, given, strict=True)
        ]
        offers = [
            Offer(one.name, takes=one.parametersJsonSchema or one.parameters)
            for tool in asked.tools for one in tool.functionDeclarations
        ]  # fmt: skip
        said = [
            None if part.functionResponse else part.text
            for content in asked.contents if content.role == "user"
            for part in content.parts
        ]  # fmt: skip
        return Asked(offers, past, "streamGenerateContent" in path, said)

    def whole(self, reply: Reply) -> Frame:
        part: Frame = {"text": reply.text}
        if reply.offer:
            part = {"functionCall": {"name": reply.offer.name, "args": reply.arguments}}
        content = {"role": "model", "parts": [part]}
        usage = {
            "promptTokenCount": TOKENS,
            "candidatesTokenCount": 5,
            "totalTokenCount": TOKENS + 5,
        }
        candidate = {"content": content, "finishReason": "STOP", "index": 0}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "scripted"}

    def frames(self, reply: Reply) -> Iterator[Frame | str]:
        yield self.whole(reply)


def told(response: JsonValue) -> str:
    """What a result says: the text in it, wherever the client has put it."""
    if isinstance(response, str):
        return response
    inside = response.values() if isinstance(response, dict) else response
    if isinstance(inside, Iterable):
        return "\n".join(map(told, inside))
    return json.dumps(response)
