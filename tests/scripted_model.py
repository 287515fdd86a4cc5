"""A model that does what it is told, behind the chat API many agents speak. For tests, on loopback.

The last thing the user said decides: `RUN: <command>` becomes one call of the agent's shell tool,
and once its result is there, or without such a line, some text. Anything but the requests agents
make is refused.
"""

import json
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "a-key-for-tests"
_RUN = re.compile(r"RUN: (.+)")
_SHELLS = re.compile(r"(^|_)(shell|bash)$")


@dataclass
class ScriptedModel:
    """What was asked, and where."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def prompts(self) -> list[str]:
        """What the user said last, each time something was asked with tools at hand."""
        return [last_said(one["messages"]) for one in self.asked if one.get("tools")]

    def offered(self) -> list[str]:
        """The names of the tools the agent has."""
        listed: list[list[dict[str, Any]]] = [
            tools for one in self.asked if (tools := one.get("tools"))
        ]
        return [str(tool["function"]["name"]) for tools in listed[-1:] for tool in tools]

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The next message of the model."""
        self.asked.append(body)
        messages, shell = body["messages"], shell_of(body)
        wanted = _RUN.search(last_said(messages))
        if wanted and shell and messages[-1]["role"] != "tool":
            arguments = json.dumps({"command": wanted[1], "description": "as told"})
            function = {"name": shell, "arguments": arguments}
            call = {"index": 0, "id": f"call_{len(self.asked)}", "type": "function"}
            return {
                "role": "assistant",
                "content": None,
                "tool_calls": [{**call, "function": function}],
            }
        return {"role": "assistant", "content": "All done." if wanted else "Noted."}


def last_said(messages: list[dict[str, Any]]) -> str:
    """The user's last words."""
    said = [one["content"] for one in messages if one["role"] == "user"]
    return "\n".join(text_of(said[-1])) if said else ""


def text_of(content: Any) -> Iterator[str]:
    """The texts of a message, which may be one or several."""
    yield from [content] if isinstance(content, str) else [one.get("text", "") for one in content]


def shell_of(body: dict[str, Any]) -> str | None:
    """The agent's tool that runs commands."""
    tools: list[dict[str, Any]] = body.get("tools") or []
    names = [str(one["function"]["name"]) for one in tools]
    return next((name for name in names if _SHELLS.search(name)), None)


@contextmanager
def scripted_model() -> Generator[ScriptedModel]:
    """Serve it while the block lasts."""
    model = ScriptedModel()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            if self.path.rstrip("/") != "/v1/models":
                return self.send_error(404)
            self.put({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path != "/v1/chat/completions":
                return self.send_error(404)
            if self.headers.get("authorization") != f"Bearer {KEY}":
                return self.send_error(401)
            message = model.answer(body)
            self.stream(message) if body.get("stream") else self.put(whole(message))

        def put(self, value: object) -> None:
            self.send(json.dumps(value).encode(), "application/json")

        def stream(self, message: dict[str, Any]) -> None:
            end = "tool_calls" if message.get("tool_calls") else "stop"
            parts = [chunk(message, None), chunk({}, end), chunk(None, None)]
            lines = [f"data: {json.dumps(part)}\n\n" for part in parts]
            self.send("".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream")

        def send(self, data: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def chunk(delta: dict[str, Any] | None, end: str | None) -> dict[str, Any]:
    """One part of a streamed answer; the last has the usage and no choice."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": end}]
    used = {"usage": USAGE} if delta is None else {}
    return {**HEAD, "object": "chat.completion.chunk", "choices": choices, **used}


def whole(message: dict[str, Any]) -> dict[str, Any]:
    """An answer in one piece."""
    end = "tool_calls" if message.get("tool_calls") else "stop"
    choice = {"index": 0, "message": message, "finish_reason": end}
    return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}


HEAD = {"id": "chat_1", "created": 1, "model": "scripted"}
