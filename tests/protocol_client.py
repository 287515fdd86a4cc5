"""A strict client of the Agent Client Protocol: every line has to be what the schema says."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from acp import schema
from pydantic import BaseModel

Said: TypeAlias = Mapping[str, Any]

ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "GIT_CONFIG_GLOBAL": "/dev/null"}
DEADLINE = 20.0
_ANSWERS: Mapping[str, type[BaseModel]] = {
    "initialize": schema.InitializeResponse,
    "session/new": schema.NewSessionResponse,
    "session/load": schema.LoadSessionResponse,
    "session/set_mode": schema.SetSessionModeResponse,
    "session/prompt": schema.PromptResponse,
}
_TOLD: Mapping[str, type[BaseModel]] = {
    "session/update": schema.SessionNotification,
    "session/request_permission": schema.RequestPermissionRequest,
}


def conform(model: type[BaseModel], said: Said) -> None:
    """It is valid, and nothing of it was passed over or put right."""
    found = model.model_validate(said)
    assert found.model_dump(mode="json", by_alias=True, exclude_unset=True) == said


@dataclass
class Client:
    """Drives one worker. What came, other than answers, is in `updates` and `asked`."""

    workspace: Path
    flags: tuple[str, ...] = ()
    session: str = ""
    modes: Said = field(default_factory=dict[str, Any])
    updates: list[Said] = field(default_factory=list[Said])
    asked: list[Said] = field(default_factory=list[Said])
    _sent: dict[int, str] = field(default_factory=dict[int, str])
    _answers: dict[int | None, Said] = field(default_factory=dict[int | None, Said])

    def __post_init__(self) -> None:
        self.reading = threading.Event()
        self.reading.set()
        argv = [sys.executable, "-I", "-m", "ao_plugins.agent._worker", "--acp", *self.flags]
        env = ENV | {"AO_SPOOL": str(self.workspace.parent / "spool")}
        self.process = subprocess.Popen(
            argv, cwd=self.workspace, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)
            self.reading.wait(DEADLINE)
        self._lines.put(b"")

    # -- what is said ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, **said: object) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **said}).encode() + b"\n")

    def request(self, method: str, **params: object) -> int:
        id = 100 + len(self._sent)
        self._sent[id] = method
        self.send(id=id, method=method, params=params)
        return id

    def call(self, method: str, **params: object) -> Said:
        return self.result(self.request(method, **params))

    def start(self) -> "Client":
        self.call("initialize", protocolVersion=1, clientCapabilities={})
        opened = self.call("session/new", cwd=str(self.workspace), mcpServers=[])
        self.session, self.modes = opened["sessionId"], opened["modes"]
        return self

    def load(self, session: str) -> "Client":
        self.call("initialize", protocolVersion=1, clientCapabilities={})
        self.session = session
        loaded = self.call(
            "session/load", sessionId=session, cwd=str(self.workspace), mcpServers=[]
        )
        self.modes = loaded["modes"]
        return self

    def begin(self, *texts: str) -> int:
        blocks = [{"type": "text", "text": text} for text in texts]
        return self.request("session/prompt", sessionId=self.session, prompt=blocks)

    def prompt(self, *texts: str) -> Said:
        return self.result(self.begin(*texts))

    def cancel(self) -> None:
        self.send(method="session/cancel", params={"sessionId": self.session})

    def choose(self, asked: Said, option: str) -> None:
        outcome = {"outcome": "selected", "optionId": option}
        self.send(id=asked["id"], result={"outcome": outcome})

    # -- what comes --------------------------------------------------------------------------------

    def result(self, id: int) -> Said:
        answer = self.answer(id)
        assert "result" in answer, answer
        conform(_ANSWERS[self._sent[id]], answer["result"])
        return answer["result"]

    def error(self, id: int | None) -> Said:
        answer = self.answer(id)
        assert "result" not in answer, answer
        conform(schema.Error, answer["error"])
        return answer["error"]

    def answer(self, id: int | None) -> Said:
        self.until(lambda: id in self._answers)
        return self._answers.pop(id)

    def permission(self) -> Said:
        self.until(lambda: bool(self.asked))
        return self.asked.pop(0)

    def until(self, there: Callable[[], bool]) -> None:
        while not there():
            assert self.take(), "it ended before"

    def told(self, kind: str, **values: object) -> Said:
        """Wait for an update of this kind with these values."""
        wanted = {"sessionUpdate": kind, **values}

        def found() -> list[Said]:
            return [update for update in self.updates if wanted.items() <= update.items()]

        self.until(lambda: bool(found()))
        return found()[0]

    def take(self) -> bool:
        """Read one line; False at the end."""
        line = self._lines.get(timeout=DEADLINE)
        if not line:
            return False
        assert line.endswith(b"\n")
        said = json.loads(line)
        assert said.pop("jsonrpc") == "2.0"
        if "method" in said:
            conform(_TOLD[said["method"]], said["params"])
            assert said["params"]["sessionId"] == self.session or not self.session
            self._keep(said)
        else:
            assert said.keys() in ({"id", "result"}, {"id", "error"})
            self._answers[said["id"]] = said
        return True

    def _keep(self, said: Said) -> None:
        if said["method"] == "session/update":
            assert "id" not in said
            self.updates.append(said["params"]["update"])
        else:
            self.asked.append(said)

    def end(self) -> int:
        """Close its input; its status."""
        assert self.process.stdin
        self.process.stdin.close()
        while self.take():
            pass
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()

    # -- what it amounts to ------------------------------------------------------------------------

    def texts(self, kind: str = "agent_message_chunk") -> str:
        chunks = [update for update in self.updates if update["sessionUpdate"] == kind]
        return "".join(chunk["content"]["text"] for chunk in chunks)

    def tools(self) -> dict[str, Said]:
        """Each tool call as it stands after all of its updates."""
        calls: dict[str, Said] = {}
        for update in self.updates:
            if update["sessionUpdate"] == "tool_call":
                assert update["toolCallId"] not in calls
            if update["sessionUpdate"] in ("tool_call", "tool_call_update"):
                id = update["toolCallId"]
                calls[id] = {**calls.get(id, {}), **update}
        return calls

    def plan(self) -> list[str]:
        plans = [update for update in self.updates if update["sessionUpdate"] == "plan"]
        return [entry["status"] for entry in plans[-1]["entries"]] if plans else []


@contextmanager
def connected(workspace: Path, *flags: str) -> Generator[Client]:
    """A client of a worker that ends with the block."""
    client = Client(workspace, flags)
    try:
        yield client
    finally:
        client.close()
