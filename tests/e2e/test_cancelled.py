"""Whoever cancels a call over MCP, and repeats it under its key, finds that it was done once."""

import os
import shlex
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from ao_core.model.event import EventKind
from checker import check, rested
from faces.home import request
from mcp_client import Listener, listener
from team import CONFIG, Kind, Team, eventually, git

_SLOW = "#!/bin/sh\necho ran >> {ran}\nuntil [ -e {go} ]; do sleep 0.05; done\n"
_SETTINGS = """\
    postCreate: [{made}]
    gates:
      - {{name: slow, command: [{gate}]}}
    agent:"""
_DRAFT = 30_000_000  # bytes that no compression makes fewer, so that saving them takes a while


@dataclass(frozen=True, slots=True)
class Slow:
    """A command that goes on only when it is told to."""

    script: Path

    def write(self) -> None:
        at = {name: shlex.quote(str(self.script.with_suffix(f".{name}"))) for name in ("ran", "go")}
        self.script.write_text(_SLOW.format(**at))
        self.script.chmod(0o700)

    def runs(self) -> int:
        told = self.script.with_suffix(".ran")
        return len(told.read_text().splitlines()) if told.exists() else 0

    def go(self) -> None:
        self.script.with_suffix(".go").touch()


@pytest.fixture
def made(tmp_path: Path) -> Slow:
    return Slow(tmp_path / "made")


@pytest.fixture
def gate(tmp_path: Path) -> Slow:
    return Slow(tmp_path / "gate")


@pytest.fixture
def repository(tmp_path: Path, kind: Kind, made: Slow, gate: Slow) -> Path:
    for one in (made, gate):
        one.write()
    settings = _SETTINGS.format(made=made.script, gate=gate.script)
    config = CONFIG.replace("    agent:", settings)
    return Team.new_repository(tmp_path / "sample", kind.project(config))


class Lead:
    """Calls tools, and changes its mind."""

    def __init__(self, client: Listener) -> None:
        self._client, self._calls = client, count(1)

    def begin(self, tool: str, **arguments: object) -> int:
        call = next(self._calls)
        self._client.say(request(call, "tools/call", {"name": tool, "arguments": arguments}))
        return call

    def cancel(self, call: int) -> None:
        params = {"requestId": call, "reason": "enough"}
        method = "notifications/cancelled"
        self._client.say({"jsonrpc": "2.0", "method": method, "params": params})
        assert "result" in self._client.ask(f"after {call}", "ping")

    def end(self, call: int, tool: str, **arguments: object) -> dict[str, Any]:
        """What a call comes to, repeated for as long as it may be."""
        while True:
            answer = self._client.answers.get(timeout=30)
            assert answer["id"] == call, answer  # of what was cancelled nothing is heard
            told = answer["result"]["structuredContent"]
            if not (answer["result"].get("isError") and told["retryable"]):
                return told
            call = self.begin(tool, **arguments)


def test_what_is_cancelled_and_repeated_under_its_key_is_done_once(
    team: Team, made: Slow, gate: Slow
) -> None:
    with listener(team) as client:
        client.shake_hands()
        lead = Lead(client)
        worker = {"prompt": "Do this:\ndo: write a.txt a\ndo: commit a", "key": "once"}
        call = lead.begin("spawn", **worker)
        eventually(lambda: made.runs() == 1)
        lead.cancel(call)
        again = lead.begin("spawn", **worker)
        made.go()
        session = lead.end(again, "spawn", **worker)["session"]
        team.until_so(session, lambda now: (now["status"], now["state"]) == ("pr_open", "idle"))

        train = {"session": session, "key": "once"}
        call = lead.begin("merge", **train)
        eventually(lambda: gate.runs() == 1)
        lead.cancel(call)
        again = lead.begin("merge", **train)
        gate.go()
        assert lead.end(again, "merge", **train)["merged"]

        shown = team.until_so(team.spawn("do: say ready"), lambda now: now["state"] == "idle")
        (Path(shown["path"]) / "draft").write_bytes(os.urandom(_DRAFT))
        leave = {"session": shown["session"], "key": "once"}
        agent = team.agent(shown["session"])
        call = lead.begin("kill", **leave)
        eventually(lambda: not psutil.pid_exists(agent.pid))
        lead.cancel(call)
        killed = lead.end(lead.begin("kill", **leave), "kill", **leave)
        assert killed["salvage"]
    seen = rested(team)
    assert check(team) == []
    assert len(seen.sessions) == 2
    assert (made.runs(), gate.runs()) == (2, 1)
    assert git(team.repository, "rev-list", "--merges", "--count", "main") == "1"
    kinds = [event.kind for event in seen.journal]
    for kind in (EventKind.MERGE_COMPLETED, EventKind.SESSION_KILLED):
        assert kinds.count(kind) == 1, kind
