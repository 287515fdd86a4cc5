"""What Codex says by its log, and what its permission hook makes of it."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ao_core.drive.asking import about, wish_of
from ao_core.engine.policy import judge
from ao_core.model.activity import ActivityState
from ao_core.model.rule import Verdict
from ao_core.model.session import PermissionMode
from ao_core.model.usage import Usage
from ao_core.plugin import Scope
from ao_core.slots.agent import Launch, Look, Turn
from ao_core.testing.clock import FakeClock
from ao_plugins._permit_codex import wished
from ao_plugins.agent.codex import Codex, CodexConfig
from plugins.agent.codex_log import AT, ID, begun, line, write_log
from plugins.agent.recorded import SAMPLES, screen

ACTIVE, BLOCKED = ActivityState.ACTIVE, ActivityState.BLOCKED
PATCH = "*** Begin Patch\n*** Update File: a.py\n+*** Add File: no\n*** Add File: b/c.py\n+x"
APPLY = f"apply_patch <<'EOF'\n{PATCH}\nEOF"
_COMMIT = 'echo hello > hello.txt && git add hello.txt && git commit -q -m "say hello"'


@pytest.fixture
def agent(tmp_path: Path) -> Codex:
    return Codex(CodexConfig(), Scope(tmp_path / "state", "app", clock=FakeClock()))


@pytest.fixture
def started(tmp_path: Path) -> Launch:
    (tmp_path / "workspace").mkdir()
    prompt = tmp_path / "task.md"
    return Launch("app-1", "app", tmp_path / "workspace", tmp_path, "", prompt, prompt)


@pytest.fixture
def look(started: Launch) -> Look:
    return Look(started, True, AT, AT - timedelta(hours=1))


def shell(command: str, folder: str = "") -> Mapping[str, Any]:
    """A call of its shell, as its log has it."""
    given = {"cmd": command, **({"workdir": folder} if folder else {})}
    return {"type": "function_call", "call_id": "c", "arguments": json.dumps(given)}


def ruled(told: Mapping[str, Any], workspace: Path) -> Verdict:
    """What the policy makes of it, by the way that its hook takes."""
    tool, given = wished(told)
    kind = "execute" if tool == "Bash" else tool
    params = {"toolCall": {"kind": kind, "title": tool, "rawInput": given}}
    assert about(params)
    return judge(wish_of(params), workspace, PermissionMode.DEFAULT).verdict


async def test_its_log_tells_who_it_is_what_was_said_and_used(
    agent: Codex, started: Launch
) -> None:
    launch = replace(started, native_id=ID)
    write_log(launch, (SAMPLES / "codex" / "rollout.jsonl").read_text())
    info = await agent.info(launch)
    assert info is not None
    assert (info.native_id, info.summary) == (ID, None)
    assert info.usage == Usage(60, 30, None)
    assert not agent.counts  # so it is asked by protocol, too
    turns = await agent.turns(launch)
    assert [(one.role, one.tools) for one in turns[:3]] == [
        ("user", ()),
        ("assistant", ("CommandExecution " + _COMMIT,)),
        ("assistant", ()),
    ]
    assert turns[0].text.startswith("Remember the word")
    assert turns[-1] == Turn(
        "assistant", "That is all.", datetime(2026, 11, 21, 22, 8, 58, 412_000, UTC)
    )
    assert turns[-2].tools == ("McpToolCall report",)
    assert await agent.turns(launch, 1) == turns[-1:]
    assert await agent.turns(launch, 0) == ()


@pytest.mark.parametrize(
    ("payload", "state", "detail", "over"),
    [
        ({"type": "task_started"}, ACTIVE, None, False),
        ({"type": "task_complete", "last_agent_message": "So."}, "ready", "So.", False),
        ({"type": "task_complete", "error": {"message": "No."}}, BLOCKED, "No.", False),
        ({"type": "task_complete", "error": {"x": 1}}, BLOCKED, "its turn failed", False),
        ({"type": "turn_aborted", "reason": "interrupted"}, "ready", None, True),
    ],
)
async def test_the_end_of_its_log_tells_what_it_does(
    agent: Codex, look: Look, payload: Any, state: str, detail: str, over: bool
) -> None:
    text = begun(look.launch) + line(AT, "event_msg", type="task_started")
    write_log(look.launch, text + line(AT + timedelta(seconds=1), "event_msg", **payload))
    found = await agent.native(look)
    assert found is not None
    assert (found.state, found.detail, found.over) == (state, detail, over)
    assert found.at == AT + timedelta(seconds=1)


async def test_what_it_does_in_a_turn_moves_its_log_and_what_comes_after_does_not(
    agent: Codex, look: Look
) -> None:
    later = line(AT + timedelta(minutes=1), "response_item", type="function_call")
    start = begun(look.launch) + line(AT, "event_msg", type="task_started")
    write_log(look.launch, start + later)
    found = await agent.native(look)
    assert found is not None
    assert (found.state, found.at) == (ACTIVE, AT + timedelta(minutes=1))
    write_log(look.launch, start + line(AT, "event_msg", type="task_complete") + later, "another")
    other = replace(look, launch=replace(look.launch, native_id="another"))
    again = await agent.native(other)
    assert again is not None
    assert again.state is ActivityState.READY


async def test_a_damaged_log_is_read_as_far_as_it_goes(agent: Codex, look: Look) -> None:
    junk = 'junk\n[]\n{"timestamp": 5}\n{"timestamp": "2026-11-21T22:00:00Z", "payload": 7}\n'
    odd = line(AT, "event_msg", type="item_completed", item={"type": "AgentMessage"})
    huge = line(AT, "event_msg", type="token_count", info={"x": "y" * 200_000})
    wrong = ({"input_tokens": -1, "output_tokens": 5}, {"input_tokens": 5, "output_tokens": "a"})
    counts = [{"total_token_usage": one} for one in (None, *wrong)]
    count = "".join(line(AT, "event_msg", type="token_count", info=one) for one in counts)
    text = begun(look.launch) + junk + odd + huge + count
    write_log(look.launch, text + line(AT, "event_msg", type="task_complete") + '{"half')
    found = await agent.native(look)
    assert found is not None
    assert found.state is ActivityState.READY
    info = await agent.info(look.launch)
    assert info is not None
    assert info.usage == Usage()


async def test_without_its_log_the_screen_tells(agent: Codex, look: Look) -> None:
    found = await agent.activity(replace(look, screen=screen("codex", "working")))
    assert found is not None
    assert found.state is ACTIVE


async def test_a_log_whose_name_is_not_known_is_found_by_its_folder_and_its_age(
    agent: Codex, started: Launch
) -> None:
    elsewhere = line(AT, "session_meta", id="other", cwd="/somewhere/else")
    write_log(started, elsewhere, "01a20029-0000-70d0-96b3-dcbba5787f61")
    log = write_log(started, begun(started))
    info = await agent.info(started)
    assert info is not None
    assert info.native_id == ID
    os.utime(log, (0, 0))  # of a session that had this folder before
    assert await agent.info(started) is None


@pytest.mark.parametrize(
    ("folder", "verdict"), [(".", Verdict.ALLOW), ("sub", Verdict.ALLOW), ("..", Verdict.ASK)]
)
def test_a_command_is_judged_where_it_would_run(
    started: Launch, folder: str, verdict: Verdict
) -> None:
    told = {
        "tool_name": "Bash",
        "tool_input": {"command": "git add a.py", "description": "because"},
        "cwd": str(started.workspace / folder),
    }
    assert ruled(told, started.workspace) is verdict


@pytest.mark.parametrize(
    ("call", "verdict"),
    [
        ({"type": "custom_tool_call", "input": PATCH}, Verdict.ALLOW),
        (shell(APPLY), Verdict.ALLOW),
        (shell(APPLY, "sub"), Verdict.ALLOW),
        (shell(APPLY, "/somewhere/else"), Verdict.ASK),
        (shell(f"cd ..; {APPLY}"), Verdict.ASK),
        (shell("true"), Verdict.ASK),
        ({"type": "function_call", "arguments": "junk"}, Verdict.ASK),
    ],
)
def test_a_patch_is_judged_where_its_paths_lead(
    started: Launch, call: Any, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_plugins._permit_codex._LATE", 0.0)
    earlier = {**shell(f"cd /; {PATCH}"), "call_id": "old"}
    over = {"type": "function_call_output", "call_id": "old"}
    lines = [line(AT, "response_item", **one) for one in (earlier, over, call)]
    log = write_log(started, begun(started) + "".join(lines))
    told = {
        "tool_name": "apply_patch",
        "tool_input": {"command": PATCH},
        "cwd": str(started.workspace),
        "transcript_path": str(log),
    }
    assert wished(told)[1]["paths"] == ["a.py", "b/c.py"]
    assert ruled(told, started.workspace) is verdict


def test_two_calls_with_the_same_patch_are_not_judged(
    started: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_plugins._permit_codex._LATE", 0.0)
    calls = [shell(f"apply_patch '{PATCH}'", one) for one in ("a", "b")]
    log = write_log(started, "".join(line(AT, "response_item", **one) for one in calls))
    told = {
        "tool_name": "apply_patch",
        "tool_input": {"command": PATCH},
        "cwd": str(started.workspace),
        "transcript_path": str(log),
    }
    assert ruled(told, started.workspace) is Verdict.ASK


def test_what_another_servers_tool_calls_its_command_is_not_judged(started: Launch) -> None:
    told = {
        "tool_name": "mcp__far__run",
        "tool_input": {"command": "git status"},
        "cwd": str(started.workspace),
    }
    assert ruled(told, started.workspace) is Verdict.ASK
