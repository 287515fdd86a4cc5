"""`ao attach` to an agent driven by protocol, on a terminal, with an engine that is played; and to
one in a terminal, whose host is played, too.
"""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ao_core.drive.transcript import Part
from ao_core.host_log import SAID, framed, take_frame
from ao_plugins.runtime._process import attach
from faces.cli_peer import played
from faces.glass import Glass
from faces.home import Home, eventually, temporary_home
from faces.talk_peer import Talk
from faces.terminal import AO


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with temporary_home() as made:
        yield made


@pytest.fixture
def talk(home: Home) -> Iterator[Talk]:
    one = Talk()
    with played(home.path, home.env) as peer:
        peer.answer = one.answer
        yield one
        one.stand()  # lets go of whoever still listens


@pytest.fixture
def glass(home: Home, talk: Talk) -> Iterator[Glass]:
    talk.add(Part.USER, "Say hello")
    talk.chunk("Hello **there**.")
    with Glass("attach", "sam-1", env=home.env) as one:
        one.until_shown("● Hello there.")
        yield one


def ao(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*AO, "attach", "sam-1", *arguments], env=home.env, cwd="/", capture_output=True,
        stdin=subprocess.DEVNULL, text=True, timeout=20, check=False,
    )  # fmt: skip


# -- what is shown --------------------------------------------------------------------------------


def test_it_shows_what_was_said_and_what_is_said_next(glass: Glass, talk: Talk) -> None:
    talk.stand(turn=True, status="working")
    talk.chunk("\nA whole line\nand ha")
    assert "and ha" not in glass.until_shown("A whole line")
    talk.chunk("lf of one.")
    talk.chunk("Let me see.", Part.THOUGHT)
    glass.until_shown("  and half of one.")
    talk.set(Part.TOOL, "t", "make test", "in_progress")
    glass.until_shown("+ make test [in_progress]")
    assert glass.style("Let me see").italics
    talk.set(Part.TOOL, "t", "", "completed", "12 passed")
    talk.set(Part.PLAN, "plan", "[completed] read\n[in_progress] write")
    glass.until_shown("▸ write")
    assert glass.above == [
        "* sam-1; /help says what can be typed",
        "> Say hello",
        "● Hello there.",
        "  A whole line",
        "  and half of one.",
        "… Let me see.",
        "+ make test [in_progress]",
        "✓ make test [completed]  12 passed",
        "= plan: 1 of 2 done",
        "  ▸ write",
    ]
    assert glass.style("there.").bold


def test_the_toolbar_tells_how_it_stands(glass: Glass, talk: Talk) -> None:
    glass.until_shown("sam-1 · idle · Ctrl-D leaves")
    talk.stand(status="working", turn=True, input_tokens=12345, output_tokens=67, cost_usd=0.125)
    glass.until_shown("sam-1 · working · turn under way · 12,345 in, 67 out · $0.12")


def test_nothing_an_agent_says_reaches_the_terminal_as_an_order(glass: Glass, talk: Talk) -> None:
    talk.add(Part.NOTE, "a\x1b]0;owned\x07b\x1b[2J\x1b[6nc\u202e")
    talk.add(Part.TOOL, "\x1b[31mred", state="\x1b[5mdone")
    talk.asks(("sam-1.\x1b[1m", "r\x1b[2Jm", "x\x1b[H\ny"))
    talk.stand(turn=False)
    glass.until_shown("request sam-1.")
    assert "* abc" in glass.above
    assert "> Say hello" in glass.above
    assert "owned" not in glass.seen
    assert glass.style("red").fg != "red"


def test_what_is_typed_stays_when_something_is_said(glass: Glass, talk: Talk) -> None:
    glass.press("half a th")
    glass.until_shown("> half a th")
    talk.add(Part.NOTE, "meanwhile")
    glass.until_shown("* meanwhile")
    glass.until_so(lambda: glass.typed == "> half a th")  # the line is drawn again below it
    glass.enter("ought")
    eventually(lambda: talk.heard("send") == [{"session": "sam-1", "message": "half a thought"}])


def test_a_narrower_window_is_written_as_wide_as_it_is(glass: Glass, talk: Talk) -> None:
    glass.resize(40)
    talk.add(Part.USER, " ".join(["word"] * 12))
    glass.until_so(lambda: [line for line in glass.above if "word" in line] == [
        "> word word word word word word word", "  word word word word word",
    ])  # fmt: skip


# -- what is typed --------------------------------------------------------------------------------


def test_a_line_is_sent_and_its_receipt_shown(glass: Glass, talk: Talk) -> None:
    glass.enter("Go on")
    glass.until_shown("→ accepted")
    assert talk.heard("send") == [{"session": "sam-1", "message": "Go on"}]
    glass.until_so(lambda: glass.typed == ">")


def test_a_line_in_a_turn_waits_and_says_so(glass: Glass, talk: Talk) -> None:
    talk.stand(status="working", turn=True)
    glass.until_shown("turn under way")
    talk.replies["send"] = {"state": "queued", "reason": "a turn is under way"}
    glass.enter("Then stop")
    glass.until_shown("→ waits for the turn to end: Then stop")
    glass.until_shown("→ queued: a turn is under way")


def test_lines_are_sent_in_the_order_they_were_typed(glass: Glass, talk: Talk) -> None:
    glass.press("one\rtwo\rthree\r")
    eventually(lambda: len(talk.heard("send")) == 3)
    assert [call["message"] for call in talk.heard("send")] == ["one", "two", "three"]


def test_what_is_pasted_is_one_message(glass: Glass, talk: Talk) -> None:
    glass.paste("first\n\nsecond")
    glass.until_shown("second")
    assert talk.heard("send") == []
    glass.enter("!")
    eventually(lambda: bool(talk.heard("send")))
    assert [call["message"] for call in talk.heard("send")] == ["first\n\nsecond!"]


def test_alt_enter_begins_another_line(glass: Glass, talk: Talk) -> None:
    glass.enter("a\x1b\rb")
    eventually(lambda: bool(talk.heard("send")))
    assert talk.heard("send")[0]["message"] == "a\nb"


def test_what_is_refused_is_said_and_nothing_ends(glass: Glass, talk: Talk) -> None:
    del talk.replies["send"]
    glass.enter("Hello?")
    glass.until_shown("! There is no send here.")
    glass.enter("/hlp")
    glass.until_shown("! There is no /hlp; /help says what there is.")
    glass.enter("/help")
    glass.until_shown("Alt-Enter begins another line")
    assert glass.process.poll() is None


# -- what it asks ---------------------------------------------------------------------------------


def test_permissions_are_answered_in_place_the_oldest_first(glass: Glass, talk: Talk) -> None:
    one, two = ("sam-1.a1", "run", "make test"), ("sam-1.b2", "edit", "Makefile")
    talk.asks(one, two)
    glass.until_shown("run (1 of 2) allow? [y/n]")
    assert "  request sam-1.b2" in glass.shown
    glass.enter("y")
    glass.until_shown("→ allowed")
    talk.asks(two)
    glass.until_so(lambda: glass.typed == "allow? [y/n]")
    talk.replies["answer"] = {"state": "answered", "decision": "deny"}
    glass.enter("n")
    glass.until_shown("→ denied")
    assert talk.heard("answer") == [
        {"session": "sam-1", "decision": "allow", "request": "sam-1.a1"},
        {"session": "sam-1", "decision": "deny", "request": "sam-1.b2"},
    ]
    talk.stand(permissions=[], status="working")
    glass.until_so(lambda: glass.typed == ">")


def test_an_answer_is_not_given_to_a_request_that_came_as_it_was_typed(
    glass: Glass, talk: Talk
) -> None:
    talk.asks(("sam-1.a1", "run", "make test"))
    glass.until_shown("allow? [y/n]")
    glass.press("y")
    glass.until_shown("allow? [y/n] y")
    talk.asks(("sam-1.b2", "run", "rm -rf /"))
    glass.until_shown("request sam-1.b2")
    glass.press("\r")
    glass.until_shown("! Another request came first")
    assert talk.heard("answer") == []
    glass.enter("n")
    eventually(lambda: [call["request"] for call in talk.heard("answer")] == ["sam-1.b2"])


def test_a_question_is_answered_by_the_next_line(glass: Glass, talk: Talk) -> None:
    talk.replies["answer"] = {"state": "accepted"}
    talk.stand(status="needs_input", question="Red or blue?")
    glass.until_shown("? Red or blue?")
    glass.until_so(lambda: glass.typed == "answer>")
    glass.enter("Blue")
    glass.until_shown("→ accepted")
    assert talk.heard("answer") == [{"session": "sam-1", "text": "Blue"}]
    assert talk.heard("send") == []


def test_ctrl_c_interrupts_a_turn_and_outside_of_one_says_how_to_leave(
    glass: Glass, talk: Talk
) -> None:
    glass.press("\x03")
    glass.until_shown("* No turn is under way. Ctrl-D or /detach leaves")
    assert talk.heard("interrupt") == []
    talk.stand(status="working", turn=True)
    glass.until_shown("Ctrl-C interrupts")
    glass.press("kept\x03")
    eventually(lambda: talk.heard("interrupt") == [{"session": "sam-1"}])
    assert glass.until_shown("> kept")
    assert glass.process.poll() is None


# -- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["\x04", "/detach\r"])
def test_leaving_ends_nothing_and_leaves_a_clean_terminal(
    glass: Glass, talk: Talk, leave: str
) -> None:
    assert glass.settings != glass.before
    glass.press(leave)
    assert glass.ended() == 0
    assert glass.settings == glass.before
    assert glass.above[-1] == "* left; sam-1 goes on"
    assert {method for method, _ in talk.calls} == {"show", "transcript"}


def test_what_was_entered_is_done_though_one_leaves_at_once(glass: Glass, talk: Talk) -> None:
    talk.asks(("sam-1.a1", "run", "make test"))
    glass.until_shown("allow? [y/n]")
    glass.press("first this\ry\r\x04")
    assert glass.ended() == 0
    assert [call["message"] for call in talk.heard("send")] == ["first this"]
    assert [call["decision"] for call in talk.heard("answer")] == ["allow"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_end_by_signal_leaves_a_clean_terminal_too(glass: Glass, number: int) -> None:
    glass.process.send_signal(number)
    assert glass.ended() == 128 + number
    assert glass.settings == glass.before


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ({"status": "killed", "reason": "manually_killed"}, 0),
        ({"status": "terminated", "reason": "agent_process_exited", "exit_status": 0}, 0),
        ({"status": "terminated", "reason": "agent_process_exited", "exit_status": 3}, 1),
        ({"status": "killed", "reason": "runtime_lost", "note": "its runtime was lost"}, 1),
        ({"status": "errored", "reason": "error_in_process"}, 1),
    ],
)
def test_when_the_agent_ends_it_says_so_and_leaves(
    glass: Glass, talk: Talk, shown: dict[str, Any], status: int
) -> None:
    talk.chunk("\nLast words")
    talk.end(**shown)
    assert glass.ended() == status
    why = shown.get("note") or shown["reason"].replace("_", " ")
    assert glass.above[-2:] == [
        "  Last words",
        f"* sam-1 has ended: {shown['status']} ({why}). `ao restore sam-1` brings it back.",
    ]
    assert glass.settings == glass.before


# -- without a terminal ---------------------------------------------------------------------------


def test_without_a_terminal_it_says_what_there_is(home: Home, talk: Talk) -> None:
    assert ao(home, "--print").stdout == "ao attach sam-1\n"
    told = json.loads(ao(home, "--json").stdout)
    assert told == {"command": ["ao", "attach", "sam-1"], "drive": "protocol"}
    refused = ao(home)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "`ao read sam-1`" in refused.stderr


def test_an_agent_that_has_ended_has_no_conversation_to_join(home: Home, talk: Talk) -> None:
    talk.end(status="killed", reason="manually_killed")
    refused = ao(home)
    assert refused.returncode == 1
    assert "sam-1 has no conversation to join: it is killed (manually_killed)." in refused.stderr
    assert "`ao restore sam-1`" in refused.stderr


def test_what_it_needs_is_loaded_by_it_alone() -> None:
    code = "import sys, ao_mcp.cli.attach, ao_mcp.cli.run; print(*sys.modules)"
    loaded = subprocess.run(
        [AO[0], "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"prompt_toolkit", "rich", "anyio", "asyncio"} & set(loaded)


# -- to one in a terminal -------------------------------------------------------------------------

HOSTED = (sys.executable, "-I", "-m", attach.__name__)
FULL, SHARED, OTHER = b"\0\xc8\0\x32", b"\0\x64\0\x3c", b"\0\x78\0\x3c"
_DYING = 0.2  # seconds in which a host sees to what is left, once its program has ended


class HostPeer:
    """A session host whose program ends when it is typed to, and whose past never comes whole."""

    def __init__(self, path: Path) -> None:
        self.path, self.asked = path, list[tuple[bytes, bytes]]()
        self.answer_to_keys = framed(b"x", b"status=0")
        self.last_words = b""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def was_asked(self, kind: bytes, data: bytes) -> bool:
        return (kind, data) in self.asked

    def is_attached_to(self) -> bool:
        return self.was_asked(b"a", bytes(8))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        inbox = bytearray()
        with client, suppress(OSError):
            while data := client.recv(65536):
                inbox += data
                while frame := take_frame(inbox):
                    self.asked.append(frame)
                    if not (answer := self._answer(client, frame[0])):
                        return
                    client.sendall(answer)

    def _answer(self, client: socket.socket, kind: bytes) -> bytes:
        if kind == b"a":
            self._hearing = client
            return framed(b"A", bytes(8) + b"\xff" * 8) + framed(SAID, b"the past")
        if kind == b"w" and self.last_words:
            dying = framed(SAID, self.last_words) + framed(b"x", b"status=0")
            self._threads.append(threading.Timer(_DYING, self._hearing.sendall, [dying]))
            self._threads[-1].start()
        return self.answer_to_keys if kind == b"w" else framed(b"s", b"version=1")


@pytest.fixture
def host() -> Iterator[HostPeer]:
    with tempfile.TemporaryDirectory(prefix="ao-") as folder:
        peer = HostPeer(Path(folder) / "host")
        yield peer
        peer.close()


@pytest.fixture
def window(home: Home, talk: Talk, host: HostPeer) -> Iterator[Glass]:
    talk.shown |= {"drive": "terminal", "attach": [*HOSTED, str(host.path), "200x50"]}
    with Glass("attach", "sam-1", env=home.env) as one:
        eventually(host.is_attached_to)
        yield one


@pytest.mark.parametrize("leave", ["\x1d", signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_past_that_is_long_in_coming_can_be_left(
    window: Glass, host: HostPeer, leave: str | signal.Signals
) -> None:
    if isinstance(leave, str):
        window.press(leave)
    else:
        window.process.send_signal(leave)
    assert window.ended() == 0
    assert window.settings == window.before
    assert host.asked[-1] == (b"z", FULL)


def test_a_size_that_changes_while_the_past_comes_is_told(window: Glass, host: HostPeer) -> None:
    assert host.was_asked(b"z", SHARED)
    window.resize(120)
    eventually(lambda: host.was_asked(b"z", OTHER))


@pytest.mark.parametrize("answer", [framed(b"x", b"status=0"), b""], ids=["ended", "hung up"])
def test_keys_that_nobody_takes_any_more_end_it(
    window: Glass, host: HostPeer, answer: bytes
) -> None:
    host.answer_to_keys = answer
    window.press("hello")
    assert window.ended() == 0
    assert window.seen.splitlines()[-1] == "it has ended"
    assert window.settings == window.before


def test_what_was_said_last_is_shown_though_the_keys_were_refused_first(
    window: Glass, host: HostPeer
) -> None:
    host.last_words = b"and farewell"
    window.press("hello")
    assert window.ended() == 0
    assert "the pastand farewell" in window.seen


@pytest.mark.slow
def test_a_host_that_does_not_answer_is_told_of() -> None:
    with socket.socket(socket.AF_UNIX) as listener, tempfile.TemporaryDirectory() as folder:
        listener.bind(f"{folder}/host")
        listener.listen()
        argv = [*HOSTED, f"{folder}/host", "200x50"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    told = "its host does not answer\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, told, "")
