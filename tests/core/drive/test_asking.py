"""What a permission request of the protocol comes to, under the shipped policy."""

from pathlib import Path
from typing import Any

import pytest

from ao_core.drive.asking import about, outcome, wish_of
from ao_core.engine.policy import judge
from ao_core.model.rule import Verdict
from ao_core.model.session import PermissionMode
from ao_core.store.records import Decision

ALLOW, ASK = Verdict.ALLOW, Verdict.ASK
COMMANDS = [("make", "test")]


def asked(kind: str | None = None, raw: Any = None, **call: Any) -> dict[str, Any]:
    return {"toolCall": {"toolCallId": "t", "kind": kind, "rawInput": raw, **call}, "options": []}


@pytest.mark.parametrize(
    ("params", "verdict"),
    [
        (asked("execute", {"command": "make test"}), ALLOW),
        (asked("execute", {"command": ["make", "test"]}), ALLOW),
        (asked("execute", {"command": "make test; rm -rf /"}), ASK),
        (asked("execute", {"command": ["bash", "-lc", "make test"]}), ASK),
        (asked("execute", {"command": "make test", "cwd": "/etc"}), ASK),
        (asked("execute", {"command": "make test", "cwd": "."}), ALLOW),
        (asked("execute", {"command": 7}), ASK),
        (asked("execute", {}), ASK),
        (asked("execute", "make test"), ASK),
        (asked("read", {"command": "rm -rf ."}), ASK),
        (asked("execute", {"command": "cat", "args": ["a.txt"]}), ALLOW),
        (asked("execute", {"command": "cat", "args": ["/etc/passwd"]}), ASK),
        (asked("execute", {"command": "cat a.txt", "args": ["b.txt"]}), ASK),
        (asked("execute", {"args": ["rm"]}), ASK),
        (asked("execute", {"command": "cat", "args": "a.txt"}), ASK),
        (asked("execute", {"command": "ls", "cmd": "rm -rf ."}), ASK),
        (asked("execute", {"command": "pwd", "script": "rm -rf ."}), ASK),
        (asked("execute", {"command": "pwd", "argv": ["rm", "-rf", "."]}), ASK),
        (asked("execute", {"command": "pwd", "env": {"PATH": "/evil"}}), ASK),
        (asked("execute", {"command": "pwd", "cwd": ["/etc"]}), ASK),
        (asked("execute", {"command": "pwd", "description": "look", "timeout": 5}), ALLOW),
        (asked("edit", {"path": "a.txt", "paths": ["/etc/passwd"]}), ASK),
        (asked("edit", {"path": "a.txt", "new_path": "/etc/passwd"}), ASK),
        (asked("edit", {"path": "a.txt", "changes": {"/etc/passwd": "x"}}), ASK),
        (asked("edit", {"path": "a/" * 2_500 + "../" * 2_501}), ASK),
        (asked("edit", {"path": "a.txt"}, locations={"path": "/etc/passwd"}), ASK),
        (asked("edit", {"path": "a.txt"}, locations=["/etc/passwd"]), ASK),
        (asked("edit", {"paths": ["a.txt", "b/c.txt"]}), ALLOW),
        (asked("edit", {"paths": ["a.txt", "/etc/passwd"]}), ASK),
        (asked("edit", {"paths": []}), ASK),
        (asked("edit", {"path": "a.txt", "paths": "/etc/passwd"}), ASK),
        (asked("edit", {"path": "a.txt", "paths": [5]}), ASK),
        (asked("edit", {"path": "a.txt"}, locations=[{"path": ["/etc/passwd"]}]), ASK),
        (asked("edit", ["a.txt"]), ASK),
        (asked("edit", {"path": "a.txt", "content": "x"}), ALLOW),
        (asked("edit", {"path": "a.txt", "content": {"/etc/passwd": "x"}}), ASK),
        (asked("edit", {"path": "a.txt", "description": {"path": "/etc"}}), ASK),
        (asked("edit", {"path": "a.txt", "diff": "+++ /etc/passwd"}), ASK),
        (asked("execute", {"command": "make test", "commands": ["make test"]}), ALLOW),
        (asked("execute", {"command": "make test", "commands": ["rm -rf ."]}), ASK),
        (asked("execute", {"command": "make test", "commands": "make test"}), ASK),
        (asked("execute", {"command": ["make", "test"], "commands": ["make"]}), ASK),
        (asked("execute", {"commands": ["make test"]}), ASK),
        (asked("edit", {"fileName": "a.txt", "diff": "--- a/a.txt\n+++ b/a.txt\n"}), ALLOW),
        (asked("edit", {"fileName": "/etc/passwd", "diff": "+++ b/etc/passwd"}), ASK),
        (asked("edit", {"filepath": "a.txt", "diff": "--- a.txt\t1\n+++ a.txt\t2\n-x"}), ALLOW),
        (asked("edit", {"filepath": "a.txt", "diff": "--- /dev/null\n+++ a.txt\n+x"}), ALLOW),
        (asked("edit", {"filepath": "a.txt", "diff": "Index: ../b\n"}), ASK),
        (asked("edit", {"filepath": "a.txt", "diff": "rename to /etc/passwd"}), ASK),
        (asked("edit", {"filepath": "a.txt", "diff": "*** Update File: .git/config"}), ASK),
        (asked("edit", {"filepath": "a.txt", "diff": ["+++ /etc/passwd"]}), ASK),
        (asked("edit", {"path": "a.txt"}, locations=[{"uri": "file:///etc/passwd"}]), ASK),
        (asked("edit", {"path": "a.txt"}, locations=[{"path": "a.txt", "line": 3}]), ALLOW),
        (asked("edit", {"path": "a.txt"}, content="/etc/passwd"), ASK),
        (asked("execute", {"command": "cat", "args": ["a.txt; rm -rf src"]}), ASK),
        (asked("execute", {"command": ["cat", "a.txt; rm -rf src"]}), ASK),
        (asked("edit", {"path": "link/passwd"}), ALLOW),
        (asked("edit", {"path": "link/passwd", "cwd": "sub"}), ASK),
        (asked("read", {"path": "a.txt", "cwd": "sub"}), ALLOW),
        (asked("execute", {"command": "cat link/passwd", "cwd": "sub"}), ASK),
        (asked("execute", {"command": "cat link/passwd"}), ALLOW),
        (asked("execute", {"command": "cat a.txt", "cwd": "sub"}), ALLOW),
        (asked("execute", {"command": "cat a.txt", "cwd": "sub", "workdir": "/etc"}), ASK),
        (asked("edit", {"path": "a.txt"}), ALLOW),
        (asked("edit", {"path": "a.txt"}, locations=[{"path": "/etc/passwd"}]), ASK),
        (asked("edit", {}, content=[{"type": "diff", "path": "../b", "newText": ""}]), ASK),
        (asked("edit", {"file_path": ".git/config"}), ASK),
        (asked("edit", {}), ASK),
        (asked("delete", {"path": "a.txt"}), ALLOW),
        (asked("move", {"path": "a.txt"}), ASK),
        (asked("fetch", {"url": "https://example.invalid"}), ASK),
        (asked("other", {}), ASK),
        (asked("other", {"note": "so", "state": "done"}, title="mcp__ao__report"), ALLOW),
        (asked("other", {}, title="ao_inbox"), ALLOW),
        (asked("other", {"note": "so", "path": "/etc"}, title="mcp__ao__report"), ASK),
        (asked("other", {"note": "so"}, title="mcp__ao__reports"), ASK),
        (asked("other", {"tool_name": "Bash"}, title="mcp__ao__approve"), ASK),
        (asked("other", None, title="mcp__ao__inbox"), ASK),
        (asked("execute", {"command": "rm -rf ."}, title="mcp__ao__report"), ASK),
        (asked(None, None), ASK),
        ({}, ASK),
        ({"toolCall": ["odd"]}, ASK),
    ],
)
def test_what_the_agent_claims_is_judged_by_its_strictest_part(
    params: dict[str, Any], verdict: Verdict, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "link").symlink_to("/etc")
    ruling = judge(wish_of(params), tmp_path, PermissionMode.DEFAULT, COMMANDS)
    assert ruling.verdict is verdict, ruling


OPTIONS = [
    {"optionId": "always", "kind": "allow_always", "name": "Always"},
    {"optionId": "once", "kind": "allow_once", "name": "Yes"},
    {"optionId": "no", "kind": "reject_once", "name": "No"},
]


@pytest.mark.parametrize(
    ("options", "decision", "chosen"),
    [
        (OPTIONS, Decision.ALLOW, "once"),
        (OPTIONS[:1], Decision.ALLOW, "always"),
        (OPTIONS, Decision.DENY, "no"),
        (OPTIONS[:2], Decision.DENY, None),
        (OPTIONS, None, None),
        ([], Decision.ALLOW, None),
        (["odd", {"kind": "allow_once"}], Decision.ALLOW, None),
    ],
)
def test_an_answer_is_one_of_the_options_or_cancels(
    options: list[Any], decision: Decision | None, chosen: str | None
) -> None:
    selected = {"outcome": "selected", "optionId": chosen} if chosen else {"outcome": "cancelled"}
    assert outcome({"options": options}, decision) == {"outcome": selected}


def test_what_it_is_about_says_title_and_input() -> None:
    assert about(asked("execute", {"command": "rm x"}, title="Run it")) == "rm x"
    assert about(asked("execute", {"command": ["rm", "a b"]})) == "rm 'a b'"
    elsewhere = {"command": "rm x", "cwd": "/etc"}
    assert about(asked("execute", elsewhere)) == '{"command": "rm x", "cwd": "/etc"}'
    assert about(asked("edit", {"path": "x"}, title="Write x")) == 'Write x {"path": "x"}'
    assert about({}) == "nothing is said about it"


def test_whatever_is_part_of_it_is_shown() -> None:
    with_more = {"command": "cat", "args": ["/etc/passwd"]}
    assert about(asked("execute", with_more)) == '{"command": "cat", "args": ["/etc/passwd"]}'
    long = "make " + "x" * 9_000 + "; rm -rf /"
    assert about(asked("execute", {"command": long})) == long
    odd = about(asked("edit", {"path": "a"}, locations=[{"path": "a"}, {"path": "/etc/b"}]))
    assert odd == '{"path": "a"} (/etc/b)'
    mixed = {"command": ["rm", 7, "a"]}
    assert '"rawInput": {"command": ["rm", 7, "a"]}' in about(asked("execute", mixed))
    for odd in ({"path": "/etc/passwd"}, ["/etc/passwd"], [{"uri": "/etc/passwd"}]):
        assert "/etc/passwd" in about(asked("edit", {"path": "a.txt"}, locations=odd))
    assert "rm -rf" in about(asked("edit", {"path": "a.txt"}, content="rm -rf"))
