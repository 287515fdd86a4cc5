"""What agents' own hooks run: the script that leaves word, and the program that asks."""

import io
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from ao_core import spool, wire
from ao_core.errors import EngineUnreachable, Refused
from ao_core.spool import HookKind
from ao_plugins import _permit, _permit_dialects
from ao_plugins._hooks import hook_in, leaves_word, settings

COMMAND = {"command": "make all"}
ENDED = "2026-11-21T12:00:00+00:00"


def told(log: Path | None = None) -> str:
    said = {"tool_name": "Bash", "tool_input": COMMAND, "transcript_path": str(log or "")}
    return json.dumps(said)


def use(id: str, given: Mapping[str, Any] = COMMAND) -> dict[str, Any]:
    part = {"type": "tool_use", "id": id, "name": "Bash", "input": given}
    return {"type": "assistant", "message": {"content": [part]}}


def result(id: str) -> dict[str, Any]:
    part = {"type": "tool_result", "tool_use_id": id, "content": "so"}
    return {"type": "user", "timestamp": ENDED, "message": {"content": [part]}}


def write(log: Path, *lines: Mapping[str, Any]) -> Path:
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return log


# -- leaving word ----------------------------------------------------------------------------------


def test_a_hook_leaves_what_it_is_told_and_says_nothing(tmp_path: Path) -> None:
    script = hook_in(tmp_path / "a folder")
    (folder := tmp_path / "spool").mkdir()
    for _ in range(2):
        done = subprocess.run(
            ["sh", "-c", leaves_word(script, "Stop")], input=b'{"a": "b"}', check=True,
            capture_output=True, env={"AO_SPOOL": str(folder), "PATH": os.environ["PATH"]},
        )  # fmt: skip
        assert (done.stdout, done.stderr) == (b"", b"")
    files = spool.pending(folder)
    assert len(files) == 2
    assert [spool.read_raw(one).hook for one in files] == ["Stop", "Stop"]
    assert spool.read_raw(files[0]).payload == {"a": "b"}
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("where", ["", "/nowhere"])
def test_a_hook_with_nowhere_to_leave_word_does_no_harm(tmp_path: Path, where: str) -> None:
    command = ["sh", "-c", leaves_word(hook_in(tmp_path), "Stop")]
    env = {"AO_SPOOL": where, "PATH": os.environ["PATH"]}
    done = subprocess.run(command, input=b"{}", check=True, capture_output=True, env=env)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_the_script_is_written_once_and_mended(tmp_path: Path) -> None:
    script = hook_in(tmp_path)
    before = script.stat().st_ino
    assert hook_in(tmp_path).stat().st_ino == before
    script.write_text("exit 1\n")
    assert "AO_SPOOL" in hook_in(tmp_path).read_text()


def test_settings_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = settings(tmp_path, "x.json", {"a": 1})
    assert path.stat().st_mode & 0o077 == 0


# -- asking ----------------------------------------------------------------------------------------


@pytest.fixture
def spooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setenv("AO_SPOOL", str(folder))
    monkeypatch.setenv("AO_SOCKET", "/nowhere")
    monkeypatch.setenv("AO_TOKEN", "t")
    monkeypatch.setattr("sys.argv", ["_permit", "claude"])
    monkeypatch.setattr(_permit_dialects, "_LATE", 0.05)
    monkeypatch.setattr(_permit, "_LOOK", 0.02)
    monkeypatch.setattr(_permit, "_PARENT", os.getppid())
    return folder


def asking(monkeypatch: pytest.MonkeyPatch, said: str, answer: Any) -> list[Mapping[str, Any]]:
    """Have it ask; what it asked the engine. `answer` is called for each request."""
    asked: list[Mapping[str, Any]] = []

    def call(
        socket: str, preamble: wire.Preamble, method: str, params: Any, deadline: float
    ) -> Any:
        assert (method, preamble.role, preamble.token) == ("approve", "worker", "t")
        asked.append(params)
        return answer()

    monkeypatch.setattr(wire, "call", call)
    monkeypatch.setattr("sys.stdin", io.StringIO(said))
    assert _permit.main() == 0
    return asked


@pytest.mark.parametrize(
    ("reply", "decision"),
    [
        ({"behavior": "allow"}, {"behavior": "allow"}),
        ({"behavior": "deny", "message": "No."}, {"behavior": "deny", "message": "No."}),
    ],
)
def test_the_engines_answer_is_the_agents(
    spooled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, reply: Any, decision: Any,
) -> None:  # fmt: skip
    log = write(tmp_path / "log", use("one"), result("one"), use("two"))
    (asked,) = asking(monkeypatch, told(log), lambda: reply)
    assert asked == {"tool_name": "Bash", "input": COMMAND, "tool_use_id": "two"}
    said = json.loads(capsys.readouterr().out)["hookSpecificOutput"]
    assert said == {"hookEventName": "PermissionRequest", "decision": decision}
    assert spool.pending(spooled) == []


def test_an_engine_that_is_away_is_asked_again_under_the_same_id(
    spooled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replies: list[Any] = [EngineUnreachable("gone"), {"behavior": "allow"}]

    def answer() -> Any:
        one = replies.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    asked = asking(monkeypatch, told(), answer)
    assert len({one["tool_use_id"] for one in asked}) == 1
    assert len(asked) == 2
    assert "allow" in capsys.readouterr().out


@pytest.mark.parametrize("reply", [{}, {"behavior": "perhaps"}, Refused("no")])
def test_without_an_answer_the_agents_own_dialog_stays_and_is_told_of(
    spooled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reply: Any
) -> None:
    def answer() -> Any:
        if isinstance(reply, Exception):
            raise reply
        return reply

    asked = asking(monkeypatch, told(), answer)
    assert capsys.readouterr().out == ""
    (file,) = spool.pending(spooled)
    event = spool.read(file)
    assert (event.kind, event.id) == (HookKind.PERMISSION_ASKED, asked[0]["tool_use_id"])
    assert event.arguments == json.dumps(COMMAND)


def test_with_its_agent_a_question_is_over(
    spooled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    never = threading.Event()

    def answer() -> Any:
        monkeypatch.setattr("os.getppid", lambda: 1)
        never.wait(20)
        return {"behavior": "allow"}

    began = monotonic()
    asking(monkeypatch, told(), answer)
    never.set()
    assert monotonic() - began < 10
    assert capsys.readouterr().out == ""
    assert spool.pending(spooled) == []  # there is no dialog to tell of


def test_what_is_answered_at_the_keyboard_is_over_here_as_well(
    spooled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    log, never = write(tmp_path / "log", use("one")), threading.Event()

    def answer() -> Any:
        write(log, use("one"), result("one"))
        never.wait(10)
        return {"behavior": "allow"}

    asking(monkeypatch, told(log), answer)
    never.set()
    assert capsys.readouterr().out == ""
    (file,) = spool.pending(spooled)
    event = spool.read(file)
    assert (event.kind, event.id) == (HookKind.PERMISSION_ENDED, "one")
    assert event.at.isoformat() == ENDED  # so what came after it is not taken for earlier
