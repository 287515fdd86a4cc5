"""What runs an agent by turns, on a terminal of its own."""

import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

import psutil
import pytest

import one_shot
from ao_core import spool
from ao_core.platform import process_exists
from ao_core.spool import HookEvent, HookKind
from ao_plugins._by_turns.picture import DRAFT, READY, WORKING
from ao_plugins._by_turns.plan import Plan
from ao_plugins._by_turns.seen import shown
from ao_plugins.runtime._process.screen import Feed

T = TypeVar("T")
AGENT = (sys.executable, str(Path(one_shot.__file__)))
RESUME = (*AGENT, "--resume", "{native_id}", "{prompt}")
_TAKE = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
_PATIENCE = 20.0


class Stage:
    """The program, its terminal, and what is on that."""

    def __init__(self, root: Path) -> None:
        self.root, self.workspace, self.spool = root, root / "workspace", root / "spool"
        self.workspace.mkdir()
        self.spool.mkdir()
        self.plan = Plan(
            root / "turns", root / "task.md", (*AGENT, "{prompt}"), RESUME,
            log=self.workspace / one_shot.LOG,
        )  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(
        self, task: str = "", *, again: bool = False, size: tuple[int, int] = (80, 24)
    ) -> None:
        self.plan.first.write_text(task)
        self.end()
        self._ours, self._theirs = os.openpty()
        self.feed = Feed(*size)
        self.resize(*size)
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", _TAKE, *self.plan.argv(again=again)],
            cwd=self.workspace, start_new_session=True,
            env={"PATH": os.environ["PATH"], "AO_SPOOL": str(self.spool), "TERM": "xterm"},
            stdin=self._theirs, stdout=self._theirs, stderr=self._theirs,
        )  # fmt: skip

    def resize(self, columns: int, rows: int) -> None:
        ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.feed.screen.resize(rows, columns)

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            os.close(self._ours)
            os.close(self._theirs)
            self.process = None

    def type(self, text: str) -> None:
        data = text.encode()
        while data:
            self.read()
            if select.select([], [self._ours], [], 0.05)[1]:
                data = data[os.write(self._ours, data[:512]) :]

    def send(self, text: str) -> None:
        self.type(f"\x1b[200~{text}\x1b[201~")
        self.until(lambda: re.search(DRAFT, self.screen))
        self.type("\r")

    def read(self) -> None:
        while select.select([self._ours], [], [], 0)[0]:
            self.feed.take(os.read(self._ours, 65536))

    @property
    def screen(self) -> str:
        self.read()
        return "\n".join(self.feed.screen.visible()).rstrip("\n")

    def until(self, look: Callable[[], T]) -> T:
        end = monotonic() + _PATIENCE
        while not (found := look()):
            assert monotonic() < end, f"it never became so:\n{self.screen}\n{self.kinds()}"
            sleep(0.01)
        return found

    def rests(self, turns: int = 1) -> None:
        ends = ("turn_ended", "blocked", "waiting_input")
        self.until(lambda: sum(kind in ends for kind in self.kinds()) == turns)
        self.until(lambda: shown(self.screen) == "idle")

    def status(self) -> int:
        process = self.process
        assert process is not None
        self.until(lambda: (self.screen, process.poll() is not None)[1])
        return process.returncode

    @property
    def modes(self) -> list[object]:
        """How the terminal is set, and whether who reads it waits."""
        return [*termios.tcgetattr(self._theirs), os.get_blocking(self._theirs)]

    @property
    def told(self) -> list[tuple[bool, str]]:
        return one_shot.told(self.workspace)

    def events(self) -> list[HookEvent]:
        return [spool.read(path) for path in spool.pending(self.spool)]

    def kinds(self) -> list[str]:
        return [event.kind.value for event in self.events()]

    def waiting(self) -> list[int]:
        """Its command and the child of that, once they wait."""
        file = self.workspace / "waits"
        found = self.until(lambda: file.read_text().split() if file.exists() else [])
        return [int(one) for one in found]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    one = Stage(tmp_path)
    yield one
    one.end()


def test_after_a_turn_that_ended_well_it_rests_and_can_be_typed_to(stage: Stage) -> None:
    stage.start("Do this:\ndo: say hello")
    stage.rests()
    assert stage.kinds() == ["session_started", "turn_started", "turn_ended"]
    last = stage.events()[-1]
    assert (last.text, last.native_id) == ("did do: say hello", "native-1")
    assert "hello" in stage.screen
    assert re.search(READY, stage.screen)
    assert not re.search(DRAFT, stage.screen)
    assert WORKING not in stage.screen


def test_a_message_is_acknowledged_and_resumed_with(stage: Stage) -> None:
    stage.start("Do this:")
    stage.rests()
    stage.send("[ao12] [from lead · msg-1 · 0a1b]\ndo: say one\n  two [/ao12]")
    stage.rests(2)
    (accepted,) = [one for one in stage.events() if one.kind is HookKind.ACCEPTED]
    assert (accepted.token, accepted.text) == ("ao12", "do: say one")
    assert stage.told == [
        (False, "Do this:"),
        (True, "[from lead · msg-1 · 0a1b]\ndo: say one\n  two"),
    ]
    assert "ao12" not in stage.screen  # or its Enter would be pressed again


def test_it_is_acknowledged_only_once_its_command_runs(stage: Stage) -> None:
    stage.plan = Plan(stage.root / "turns", stage.root / "task.md", ("no-such-program", "{prompt}"))
    stage.start("Do this:")
    stage.until(lambda: stage.kinds()[1:] == ["blocked"])
    assert "no-such-program" in (stage.events()[-1].text or "")
    stage.send("[ao12] again [/ao12]")
    stage.until(lambda: stage.kinds()[1:] == ["blocked", "blocked"])
    assert shown(stage.screen) == "idle"


@pytest.mark.parametrize("text", ["--resume=evil", "-h", "-"])
def test_no_message_is_an_option(stage: Stage, text: str) -> None:
    stage.start(f"{text}\0")
    stage.rests()
    stage.send(text)
    stage.rests(2)
    assert [said.strip() for _, said in stage.told] == [text, text]


@pytest.mark.parametrize("size", [(80, 24), (30, 8)])
def test_a_long_message_with_wide_characters_arrives_whole(
    stage: Stage, size: tuple[int, int]
) -> None:
    body = "\n".join(f"{count} 漢字 und Ünicode 🙂 " + "x" * 60 for count in range(560))
    assert len(body.encode()) > 50_000
    stage.start("Do this:", size=size)
    stage.rests()
    stage.type(f"\x1b[200~[ao12] {body} [/ao12]\x1b[201~")
    stage.until(lambda: "[/ao12]" in stage.screen)
    assert re.search(DRAFT, stage.screen)
    stage.type("\r")
    stage.rests(2)
    assert stage.told[1:] == [(True, body)]


def test_one_too_long_for_an_argument_is_named_by_its_file(stage: Stage) -> None:
    stage.start("Do this:")
    stage.rests()
    stage.send(body := "漢" * 60_000)
    stage.rests(2)
    assert stage.told[1][1].endswith(f"do it: {stage.plan.message}")
    assert stage.plan.message.read_text() == body


def test_a_message_may_be_told_by_a_file(stage: Stage) -> None:
    by_file = (*AGENT, "--file", "{prompt_file}")
    stage.plan = Plan(stage.root / "turns", stage.root / "task.md", by_file)
    stage.start("-one")
    stage.rests()
    stage.send("-two")
    stage.rests(2)
    assert stage.told == [(False, "-one"), (False, "-two")]


def test_what_is_typed_during_a_turn_is_taken_after_it_one_by_one(stage: Stage) -> None:
    stage.start("do: wait")
    stage.waiting()
    for count in range(10):
        stage.type(f"\x1b[200~[ao{count}] number {count} [/ao{count}]\x1b[201~\r")
    assert stage.kinds()[1:] == ["turn_started"]
    assert WORKING in stage.screen
    stage.type("\x03")
    stage.rests(11)
    assert [text for _, text in stage.told[1:]] == [f"number {count}" for count in range(10)]
    tokens = [one.token for one in stage.events() if one.kind is HookKind.ACCEPTED]
    assert tokens == [f"ao{count}" for count in range(10)]


@pytest.mark.parametrize("key", ["\x03", "\x1b"])
def test_an_interruption_ends_the_turn_and_not_the_agent(stage: Stage, key: str) -> None:
    stage.start("do: wait")
    waiting = stage.waiting()
    assert shown(stage.screen) == "active"
    stage.type(key)
    stage.rests()
    assert stage.events()[-1].text == "The turn was interrupted."
    assert not any(map(process_exists, waiting))
    stage.send("do: say on")
    stage.rests(2)
    assert stage.told[-1] == (True, "do: say on")


@pytest.mark.slow
def test_a_command_that_is_deaf_to_it_is_ended(stage: Stage) -> None:
    stage.start("do: wait deaf")
    waiting = stage.waiting()
    stage.type("\x03")
    stage.rests()
    assert not any(map(process_exists, waiting))


def test_a_command_that_fails_is_its_own_end(stage: Stage) -> None:
    stage.start("do: say so\ndo: exit 3")
    assert stage.status() == 3
    assert "The command ended with status 3." in stage.screen
    assert stage.kinds() == ["session_started", "turn_started"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGINT])
def test_a_command_that_is_killed_is_its_own_end(stage: Stage, number: int) -> None:
    stage.start(f"do: signal {number}" if number != signal.SIGINT else "do: wait")
    if number == signal.SIGINT:
        os.kill(stage.waiting()[0], signal.SIGTERM)
        number = signal.SIGTERM
    assert stage.status() == -number
    assert f"The command ended with signal {number}." in stage.screen


def test_nothing_of_a_turn_outlives_the_program(stage: Stage) -> None:
    stage.start("do: wait")
    waiting = stage.waiting()
    assert stage.process is not None
    psutil.Process(stage.process.pid).kill()
    stage.until(lambda: not any(map(process_exists, waiting)))


def test_whatever_a_command_does_to_the_terminal_is_put_back(stage: Stage) -> None:
    stage.start("Do this:\ndo: say before")
    stage.rests()
    before = stage.modes
    stage.send("do: disturb")
    stage.rests(2)
    assert stage.modes == before
    assert stage.feed.screen.brackets
    assert stage.feed.screen.margins in (None, (0, 23))
    assert stage.screen.index("before") < stage.screen.index("> do: disturb")
    assert "all mine" not in stage.screen
    stage.send("[ao1] one\ntwo [/ao1]")
    stage.rests(3)
    assert stage.told[-1] == (True, "one\ntwo")


def test_the_terminals_own_interruption_is_one_too(stage: Stage) -> None:
    stage.start("do: disturb\ndo: wait")
    stage.waiting()
    stage.type("\x03")  # the terminal makes a signal of it by now
    stage.rests()
    assert stage.events()[-1].text == "The turn was interrupted."


def test_what_its_log_says_of_the_turn_is_told(stage: Stage) -> None:
    stage.start("do: blocked no credit left")
    stage.rests()
    stage.send("do: waiting_input Which port?")
    stage.rests(2)
    stage.send("nothing special")
    stage.rests(3)
    ends = [one for one in stage.events() if one.kind.value not in ("turn_started", "accepted")]
    assert [(one.kind.value, one.text) for one in ends[1:]] == [
        ("blocked", "no credit left"),
        ("waiting_input", "Which port?"),
        ("turn_ended", "did nothing special"),
    ]


def test_brought_back_it_waits_for_what_it_is_told_next(stage: Stage) -> None:
    stage.start("Do this:")
    stage.rests()
    stage.start("Do this:", again=True)
    stage.until(lambda: shown(stage.screen) == "idle")
    assert stage.kinds()[-1:] == ["session_started"]
    assert stage.events()[-1].native_id == "native-1"
    stage.send("more")
    stage.rests(2)
    assert stage.told == [(False, "Do this:"), (True, "more")]


def test_brought_back_in_the_midst_of_a_turn_it_goes_on(stage: Stage) -> None:
    stage.start("Do this:")
    stage.rests()
    stage.send("do: exit 3")
    assert stage.status() == 3
    for _ in range(2):
        stage.start("Do this:", again=True)
        assert stage.status() == 3
        resumed, text = stage.told[-1]
        assert resumed
        assert text.startswith("You were interrupted.")
        assert text.count("You were interrupted.") == 1
        assert text.endswith("\n\ndo: exit 3")


def test_what_cannot_be_resumed_is_begun_anew(stage: Stage) -> None:
    stage.plan = Plan(
        stage.root / "turns", stage.root / "task.md", (*AGENT, "{prompt}"), RESUME
    )  # without a log nobody knows its id
    stage.start("one")
    stage.rests()
    stage.send("two")
    stage.rests(2)
    assert stage.told == [(False, "one"), (False, "two")]


def test_its_screen_is_told_from_one_that_is_quoted(stage: Stage) -> None:
    stage.start("Do this:")
    stage.rests()
    quoted = stage.screen
    assert shown(f"{quoted}\n{WORKING}") == "active"
    assert shown(f"{WORKING}\n{quoted}") == "idle"
    assert shown(f"{quoted}\nmore is said") is None


def test_another_size_leaves_one_line_to_type_in(stage: Stage) -> None:
    stage.start("Do this:")
    stage.rests()
    stage.resize(50, 12)
    stage.until(lambda: f"{'─' * 50}\n idle" in stage.screen and shown(stage.screen) == "idle")
    stage.send("do: wait")
    stage.waiting()
    stage.resize(70, 20)
    stage.until(lambda: (stage.screen, stage.feed.screen.visible()[-1])[1] == WORKING)
    assert shown(stage.screen) == "active"


def test_a_person_may_end_it(stage: Stage) -> None:
    stage.start("Do this:")
    stage.rests()
    stage.type("half\x04")
    stage.until(lambda: "> half" in stage.screen)
    stage.type("\x15\x04")
    assert stage.status() == 0
