"""A conversation's news as lines: each thing once, readable, and nothing a terminal obeys."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ao_core.drive.transcript import Part, Transcript
from ao_core.errors import Several, WrongState
from ao_mcp.cli.meaning import Call, Word, complaint, meant, receipt
from ao_mcp.cli.prose import renderable
from ao_mcp.cli.telling import Line, Teller


class Told:
    """A teller that hears of a transcript."""

    def __init__(self) -> None:
        self.transcript = Transcript()
        self.teller = Teller("sam-1")
        self.after = 0
        self.standing: dict[str, Any] = {
            "status": "working", "turn": True, "ended": False, "life": 1,
            "question": None, "permissions": [],
        }  # fmt: skip

    def lines(self, **standing: Any) -> list[Line]:
        """What is new."""
        self.standing |= standing
        since = self.transcript.since(self.after)
        items = [
            {"number": one.number, "changed": one.changed, "part": str(one.part),
             "text": one.text, "state": one.state, "detail": one.detail}
            for one in since
        ]  # fmt: skip
        self.after = max([self.after, *(one.changed for one in since)])
        return self.teller.told({**self.standing, "items": items})

    def texts(self, **standing: Any) -> list[str]:
        return [f"{one.mark or ' '} {one.text}".rstrip() for one in self.lines(**standing)]


def shown(*lines: Line, width: int = 60) -> str:
    """As a terminal would have it, without colours."""
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(renderable(lines))
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


# -- texts ----------------------------------------------------------------------------------------


def test_a_text_is_told_by_whole_lines_and_its_rest_when_it_ends() -> None:
    told = Told()
    told.transcript.chunk(Part.AGENT, "one\ntw")
    assert told.texts() == ["● one"]
    told.transcript.chunk(Part.AGENT, "o\n\nthree")
    assert told.texts() == ["  two"]
    assert told.texts() == []
    assert told.texts(turn=False) == ["", "  three"]


def test_a_text_ends_where_something_else_begins() -> None:
    told = Told()
    told.transcript.chunk(Part.AGENT, "first")
    assert told.texts() == []
    told.transcript.add(Part.USER, "next")
    assert told.texts() == ["● first", "", "> next"]


@pytest.mark.parametrize(
    ("origin", "shown"),
    [("person", "> do it"), ("lead", "> lead: do it"), ("app-2", "> app-2: do it")],
)
def test_the_line_that_proves_whom_it_is_from_is_no_part_of_what_people_see(
    origin: str, shown: str
) -> None:
    told = Told()
    told.transcript.add(Part.USER, f"[from {origin} · msg-18ea-ab · 0123456789abcdef0123]\ndo it")
    assert told.texts() == ["", shown]
    told.transcript.add(Part.USER, "x\n[from lead · msg-18ea-ab · 0123]\ny")
    assert told.texts() == ["", "> x", "  [from lead · msg-18ea-ab · 0123]", "  y"]


def test_a_tool_that_moves_while_the_agent_speaks_does_not_end_its_text() -> None:
    told = Told()
    told.transcript.set(Part.TOOL, "t", "build", "pending")
    told.transcript.chunk(Part.AGENT, "half ")
    assert told.texts() == ["+ build [pending]"]
    told.transcript.set(Part.TOOL, "t", "build", "completed", "ok")
    told.transcript.chunk(Part.AGENT, "whole\n")
    assert told.texts() == ["✓ build [completed]  ok", "● half whole"]


@given(st.lists(st.sampled_from(["a", "b c", "\n", "\n\n", "x\ny", "```\n"]), max_size=30))
def test_however_a_text_is_cut_the_same_lines_come_of_it(chunks: list[str]) -> None:
    pieces, whole = Told(), Told()
    found: list[str] = []
    for chunk in chunks:
        pieces.transcript.chunk(Part.AGENT, chunk)
        found += [line.text for line in pieces.lines()]
    found += [line.text for line in pieces.lines(turn=False)]
    whole.transcript.chunk(Part.AGENT, "".join(chunks))
    assert found == [line.text for line in whole.lines(turn=False)]


def test_of_a_long_past_the_last_hundred_things_are_told() -> None:
    told = Told()
    for number in range(130):
        told.transcript.add(Part.NOTE, f"n{number}")
    texts = told.texts()
    assert texts[0] == "… 30 earlier; `ao read sam-1 turns` has them"
    assert texts[1:] == [f"* n{number}" for number in range(30, 130)]
    told.transcript.items[0].text = "other"
    assert told.texts() == []


def test_an_agent_that_was_brought_back_begins_anew() -> None:
    told = Told()
    told.transcript.add(Part.USER, "before")
    told.lines()
    told.transcript, told.after = Transcript(), 0
    told.transcript.add(Part.USER, "after")
    assert told.texts(life=2)[-1] == "> after"
    assert told.texts(life=2) == []


# -- other things ---------------------------------------------------------------------------------


def test_a_tool_is_one_line_for_each_of_its_states() -> None:
    told = Told()
    told.transcript.set(Part.TOOL, "t", "write a.txt", "pending")
    assert told.texts() == ["+ write a.txt [pending]"]
    told.transcript.set(Part.TOOL, "t", "", "", "more of it")
    assert told.texts() == []
    told.transcript.set(Part.TOOL, "t", "", "failed", "no\nroom")
    assert told.texts() == ["✗ write a.txt [failed]  no room"]


def test_a_plan_is_a_short_list_once_for_each_change() -> None:
    told = Told()
    steps = [f"[pending] step {number}" for number in range(10)]
    told.transcript.set(Part.PLAN, "plan", "\n".join(["[in_progress] begin", *steps]))
    texts = told.texts()
    assert texts[:2] == ["= plan: 0 of 11 done", "  ▸ begin"]
    assert texts[-1] == "  … 3 more"
    told.transcript.set(Part.PLAN, "plan", "\n".join(["[in_progress] begin", *steps]))
    assert told.texts() == []
    told.transcript.set(Part.PLAN, "plan", "[completed] begin\n[completed] end")
    assert told.texts() == ["= plan: 2 of 2 done"]


PERMISSION = {"request": "sam-1.a1", "tool": "run", "arguments": "make test\nmake it", "since": ""}


def test_a_permission_request_is_shown_once_with_all_it_is_about() -> None:
    told = Told()
    told.transcript.add(Part.PERMISSION, "make test", id="1", state="asked")
    assert told.texts(permissions=[PERMISSION]) == [
        "? sam-1 asks to use run:", "    make test", "    make it", "    request sam-1.a1",
    ]  # fmt: skip
    assert told.texts() == []
    told.transcript.set(Part.PERMISSION, "1", "", "allow_once")
    assert told.texts(permissions=[]) == ["? make test [allow_once]"]


def test_a_question_is_shown_once_and_not_twice_in_the_same_words() -> None:
    told = Told()
    told.transcript.chunk(Part.AGENT, "Red or blue?")
    open_ = {"status": "needs_input", "question": "Red or blue?", "turn": False}
    assert told.texts(**open_) == ["● Red or blue?", "? it waits for your answer"]
    assert told.texts() == []
    assert told.texts(question="Or green?") == ["? Or green?"]
    assert told.texts(status="working", question="Or green?") == []


def test_nothing_that_a_terminal_obeys_is_told() -> None:
    told, bad = Told(), "a\x1b[2J\x1b]0;title\x07\u202eb\x9b31m\r"
    told.transcript.add(Part.USER, bad)
    told.transcript.set(Part.TOOL, "t", bad, bad, bad)
    told.transcript.set(Part.PLAN, "p", f"[pending] {bad}")
    told.transcript.add(Part.NOTE, bad)
    told.transcript.add(Part.PERMISSION, bad, state=bad)
    told.transcript.chunk(Part.THOUGHT, bad)
    told.transcript.chunk(Part.AGENT, bad)
    asked = {"request": bad, "tool": bad, "arguments": bad, "since": bad}
    texts = told.texts(turn=False, permissions=[asked], question=bad, status="needs_input")
    assert len(texts) > 10
    assert all(letter.isprintable() for text in texts for letter in text)


# -- how it looks ---------------------------------------------------------------------------------


def test_marks_of_markdown_become_looks() -> None:
    told = Told()
    told.transcript.chunk(
        Part.AGENT, "# Title\n- one `x`\n  * two\n> said\n```py\n# no **title**\n```\n**bold**\n"
    )
    assert shown(*told.lines()) == (
        "● Title\n  • one x\n    • two\n  │ said\n  ```py\n  # no **title**\n  ```\n  bold"
    )


def test_a_long_line_is_wrapped_under_itself_and_a_folded_one_is_cut() -> None:
    long = " ".join(["word"] * 20)
    assert shown(Line(long, "●"), width=30).split("\n")[1].startswith("  word")
    assert shown(Line(long, "+", folded=True), width=30).endswith("…")
    assert "\n" not in shown(Line(long, "+", folded=True), width=30)


def test_what_looks_like_markup_of_ours_is_text() -> None:
    assert shown(Line("[red]no[/red] :smile:", prose=True)) == "  [red]no[/red] :smile:"


# -- what is typed --------------------------------------------------------------------------------

QUIET: dict[str, Any] = {"status": "idle", "permissions": [], "question": None}
ASKS: dict[str, Any] = {"status": "needs_input", "permissions": [], "question": "Which?"}
WAITS: dict[str, Any] = {"status": "needs_input", "permissions": [PERMISSION], "question": None}


@pytest.mark.parametrize(
    ("typed", "news", "means"),
    [
        ("", QUIET, None),
        ("  \n", QUIET, None),
        ("/help", ASKS, Word.HELP),
        (" /detach ", WAITS, Word.DETACH),
        ("hello", QUIET, Call("send", {"session": "sam-1", "message": "hello"})),
        ("y", QUIET, Call("send", {"session": "sam-1", "message": "y"})),
        ("a\n\nb", QUIET, Call("send", {"session": "sam-1", "message": "a\n\nb"})),
        ("/tmp/x is full", QUIET, Call("send", {"session": "sam-1", "message": "/tmp/x is full"})),
        ("blue", ASKS, Call("answer", {"session": "sam-1", "text": "blue"})),
        ("y", ASKS, Call("answer", {"session": "sam-1", "text": "y"})),
        ("not so fast", WAITS, Call("send", {"session": "sam-1", "message": "not so fast"})),
    ],
)
def test_a_line_means_what_the_moment_asks_for(
    typed: str, news: dict[str, Any], means: object
) -> None:
    assert meant("sam-1", typed, news) == means


@pytest.mark.parametrize(
    ("typed", "decision"), [("y", "allow"), ("YES", "allow"), ("n", "deny"), (" no ", "deny")]
)
def test_a_permission_is_answered_by_a_letter(typed: str, decision: str) -> None:
    asked = {"session": "sam-1", "decision": decision, "request": "sam-1.a1"}
    assert meant("sam-1", typed, WAITS) == Call("answer", asked)


def test_a_word_with_a_stroke_that_is_none_of_ours_is_not_sent() -> None:
    line = meant("sam-1", "/detahc", QUIET)
    assert isinstance(line, Line)
    assert "/help" in line.text


def test_a_receipt_says_how_far_it_came_and_why_no_further() -> None:
    queued = {"state": "queued", "reason": "a turn is under way"}
    assert [line.text for line in receipt(queued)] == ["queued: a turn is under way"]
    denied = {"state": "answered", "decision": "deny", "reason": "told to its hook"}
    assert [line.text for line in receipt(denied)] == ["denied"]
    late = {"state": "expired", "decision": "allow", "reason": None}
    assert [line.text for line in receipt(late)] == ["not allowed, the request had ended"]
    assert receipt({"session": "sam-1"}) == []


def test_a_complaint_names_every_problem_with_its_remedy() -> None:
    lines = complaint(Several([WrongState("It ended.", hint="Use `get_issue`."), WrongState("X.")]))
    assert [line.text for line in lines] == ["It ended. Use `get-issue`.", "X."]
