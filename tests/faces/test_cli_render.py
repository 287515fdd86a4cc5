"""What people see of a reply: plain in a pipe, coloured on a terminal, harmless in both."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ao_mcp.cli.blocks import Aside, Block, Facts, Table, Text, plain
from ao_mcp.cli.render import failed, render
from ao_mcp.cli.screen import renderable
from faces.cli_peer import played, says
from faces.terminal import Terminal

HOSTILE = "a\x1b]0;title\x07b\x1b[2Jc\u202ed"
LINE = {
    "session": "shop-1", "project": "shop", "status": "needs_input", "attention": "human",
    "why": "it asks", "title": "Sell", "issue": "7", "activity": "waiting_input", "ended": False,
}  # fmt: skip
MERGED: dict[str, Any] = {
    "session": "shop-1", "merged": True, "outcome": "landed", "target": "main", "method": "merge",
    "dry_run": False, "commit": "0123456789abcdef", "ref": None, "conflicts": [], "blockers": [],
}  # fmt: skip


def said(operation: str, reply: dict[str, Any]) -> str:
    return plain(render(operation, reply))


def asides(operation: str, reply: dict[str, Any]) -> list[str]:
    return [block.text for block in render(operation, reply) if isinstance(block, Aside)]


def drawn(*blocks: Block) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=60, color_system="standard")
    console.print(renderable(blocks))
    return stream.getvalue()


def test_an_unknown_reply_is_shown_by_its_shape() -> None:
    reply = {
        "said": "Done.", "dry_run": True, "nothing": None, "empty": [], "labels": ["a", "b"],
        "count": 0, "body": "one\ntwo", "inner": {"x": 1},
        "rows": [{"name": "n", "unused": None, "size": 1}, {"name": "long name", "size": 22}],
    }  # fmt: skip
    assert said("whatever", reply) == (
        "Done.\n\n"
        "dry run:  yes\nlabels:   a, b\ncount:    0\n\n"
        "body:\none\ntwo\n\n"
        "inner:\n\nx:  1\n\n"
        "rows:\nNAME       SIZE\nn          1\nlong name  22"
    )


def test_one_table_alone_needs_no_heading() -> None:
    assert said("whatever", {"issues": [{"issue": "1"}]}) == "ISSUE\n1"
    assert said("whatever", {"issues": []}) == "Nothing."


def test_the_team_is_a_table_that_says_who_must_act() -> None:
    rests = LINE | {"attention": "none", "why": ""}
    reply = {"projects": [], "sessions": [LINE, rests], "next": "shop-2"}
    assert said("list", reply) == (
        "SESSION  STATUS       ACTIVITY       NEEDS           ISSUE  TITLE\n"
        "shop-1   needs_input  waiting_input  human: it asks  7      Sell\n"
        "shop-1   needs_input  waiting_input                  7      Sell"
    )
    assert asides("list", reply) == ["more: --cursor shop-2"]


def test_who_waits_in_the_queue_says_so_though_nobody_must_act() -> None:
    waits = LINE | {"attention": "none", "why": "queued, place 1 of 2"}
    reply = {"projects": [], "sessions": [waits], "next": None}
    assert "  queued, place 1 of 2  7 " in said("list", reply)


def test_projects_are_named_where_there_are_several() -> None:
    reply = {"projects": [], "sessions": [LINE, LINE | {"project": "bank"}], "next": None}
    assert said("list", reply).startswith("PROJECT  SESSION")
    assert said("list", {"projects": [], "sessions": []}).startswith("No workers.")


def test_wide_letters_keep_the_columns_in_line() -> None:
    table = Table(("a", "b"), (("日本", "x"), ("cafe\u0301", "y"), ("plain", "z")))
    assert plain([table]) == "A      B\n日本   x\ncafe\u0301   y\nplain  z"


def test_one_session_leads_with_what_it_needs() -> None:
    shown = LINE | {
        "question": "Which?", "attach": ["tmux", "attach"], "workspace_gone": False,
        "messages": [{"message": "m1", "state": "queued", "reason": "busy", "text": "go"}],
        "permissions_pending": [{"request": "r1", "tool": "Bash", "arguments": "ls", "since": "t"}],
    }  # fmt: skip
    lines = said("show", shown).splitlines()
    assert lines[0] == "shop-1: Sell"
    assert [line.split(":")[0] for line in lines[2:5]] == ["status", "needs", "question"]
    assert not any("workspace gone" in line for line in lines)
    assert lines.index("permissions pending:") < lines.index("messages:")
    assert asides("show", shown) == ["attach: ao attach shop-1"]


def test_what_was_read_is_text_and_nothing_else() -> None:
    reply = {"text": "[bold]$ ls\nfile  \n", "cursor": "12", "total": 99}
    assert said("read", reply) == "[bold]$ ls\nfile  "
    assert asides("read", reply) == ["more: --cursor 12 (of 99)"]


def test_a_wait_tells_whether_it_came_to_something() -> None:
    news = {"reached": False, "cursor": 7, "changed": [], "events": ["7 10:00:00 note x"]}
    assert said("wait", news) == "Not yet.\n\n7 10:00:00 note x"
    assert said("wait", news | {"reached": True, "changed": [LINE]}).startswith("SESSION")
    assert asides("wait", news) == ["go on: --cursor 7"]


@pytest.mark.parametrize(
    ("change", "told", "wrong"),
    [
        ({}, "shop-1 was merged into main as 0123456789ab.", False),
        ({"outcome": "already"}, "shop-1 is in main already.", False),
        ({"merged": False, "dry_run": True}, "shop-1 would be merged into main.", False),
        (
            {"merged": False, "outcome": "conflict", "conflicts": ["a.txt", "b.txt"]},
            "shop-1 was not merged into main: conflict.\n\nconflicts:\n  a.txt\n  b.txt",
            True,
        ),
        (
            {"merged": False, "dry_run": True, "outcome": "conflict", "conflicts": ["a.txt"]},
            "shop-1 would not be merged into main: conflict.\n\nconflicts:\n  a.txt",
            True,
        ),
        (
            {"merged": False, "outcome": "ready", "ref": "refs/ao/x", "blockers": ["dirty"]},
            "shop-1 was not merged into main: ready.\n\nblockers:\n  dirty\n\n"
            "The finished result waits at refs/ao/x.",
            True,
        ),
    ],
)
def test_a_merge_says_what_became_of_the_work(
    change: dict[str, Any], told: str, wrong: bool
) -> None:
    assert said("merge", MERGED | change) == told
    assert failed("merge", MERGED | change) is wrong


def test_a_message_that_did_not_arrive_is_a_failure() -> None:
    assert failed("send", {"state": "failed"})
    assert failed("answer", {"state": "uncertain"})
    assert not failed("send", {"state": "queued"})
    assert not failed("show", {"state": "failed"})


def test_the_end_of_a_worker_says_where_its_work_is() -> None:
    killed = {
        "session": "shop-1", "status": "killed", "salvage": "refs/ao/h/shop-1/1",
        "archive": "a.tar",
        "workspace_removed": False, "kept_because": "a file is open",
    }  # fmt: skip
    assert said("kill", killed) == (
        "shop-1 has ended.\n"
        "What was not committed is saved at refs/ao/h/shop-1/1.\n"
        "What git would not keep is saved in a.tar.\n"
        "Its workspace stays: a file is open."
    )
    assert asides("kill", killed) == ["back again: ao restore shop-1"]


@pytest.mark.parametrize(
    "block",
    [
        Text(HOSTILE),
        Facts((("name", HOSTILE),)),
        Table(("name",), ((HOSTILE,),)),
        Table(("name",), (("a\nb\tcd",),)),
    ],
)
def test_nothing_untrusted_commands_a_terminal(block: Block) -> None:
    for shown in (plain([block]), drawn(block)):
        assert not set(shown) & set("\x07\u202e\t")
        assert "]0;title" not in shown
        assert "[2J" not in shown
    assert "\x1b" not in plain([block])


def test_markup_in_text_of_others_stays_text() -> None:
    assert "[red]x[/red]" in drawn(Text("[red]x[/red]"), Table(("t",), (("[red]x[/red]",),)))


def test_colour_is_for_terminals(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "AO_HOME": str(tmp_path / "h"), "XDG_RUNTIME_DIR": str(tmp_path)}
    reply = {"projects": [], "sessions": [LINE | {"title": HOSTILE}], "next": "shop-1"}
    with played(tmp_path / "h", env) as peer:
        peer.answer = says(reply)
        with Terminal("list", env=env) as terminal:
            seen = terminal.until("--cursor shop-1")
            assert terminal.ended() == 0
        assert "\x1b[33mneeds_input" in seen
        assert "\x1b[1;31mhuman: it asks" in seen
        assert "]0;" not in seen
        with Terminal("list", env=env | {"NO_COLOR": "1"}) as terminal:
            assert "\x1b[33m" not in terminal.until("--cursor shop-1")
        with Terminal("list", "--json", env=env) as terminal:
            assert json.loads(terminal.until("\n}\r\n")) == reply
