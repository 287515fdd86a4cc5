"""The deterministic worker, in a real terminal on a private tmux server."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TypeVar

import pytest

from ao_core import spool, wire
from ao_core.spool import HookEvent, HookKind
from ao_plugins._transcript import conversation, last_word

T = TypeVar("T")
ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "GIT_CONFIG_GLOBAL": "/dev/null"}


def until(look: Callable[[], T], seconds: float = 15) -> T:
    """Look again until something is there; a screen cannot tell us that it changed."""
    end, pause = monotonic() + seconds, threading.Event()
    while not (found := look()):
        assert monotonic() < end, f"waited in vain: {look()!r}"
        pause.wait(0.01)
    return found


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", *args], cwd=folder, env=ENV, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@dataclass
class Rig:
    """One worker in one pane."""

    root: Path
    env: dict[str, str] = field(default_factory=dict[str, str])
    started: int = 0

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    def tmux(self, *args: str) -> str:
        command = ["tmux", "-S", str(self.root / "tmux"), "-f", "/dev/null", *args]
        done = subprocess.run(command, env=ENV, capture_output=True, text=True, check=True)
        return done.stdout

    def start(self, task: str = "", *flags: str, size: tuple[int, int] = (80, 24)) -> None:
        (self.root / "task.md").write_text(task)
        argv = [sys.executable, "-I", "-m", "ao_plugins.agent._worker", "--session", "app-1"]
        argv += ["--prompt-file", str(self.root / "task.md"), *flags]
        env = ENV | {"AO_SPOOL": str(self.root / "spool")} | self.env
        words = ["env", "-i", *(f"{name}={value}" for name, value in env.items()), *argv]
        words[2:2] = ["TERM=screen-256color"]
        size_flags = ["-x", str(size[0]), "-y", str(size[1])]
        where = ["-d", "-s", "a", "-c", str(self.workspace)]
        if self.started:
            self.tmux("kill-session", "-t", "a")
        options = ["set", "-g", "exit-empty", "off", ";", "set", "-wg", "remain-on-exit", "on"]
        self.tmux("start-server", ";", *options, ";", "new-session", *where, *size_flags, *words)
        self.started += 1

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "a")

    def shows(self, text: str) -> str:
        return until(lambda: seen if text in (seen := self.screen()) else "")

    def keys(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "a", *keys)

    def paste(self, text: str) -> None:
        (self.root / "paste").write_text(text)
        load = ["load-buffer", "-b", "x", str(self.root / "paste")]
        self.tmux(*load, ";", "paste-buffer", "-p", "-r", "-d", "-b", "x", "-t", "a")

    def status(self) -> int:
        # tmux may miss that a child ended until the next one does
        line = ["run-shell", "true", ";", "list-panes", "-t", "a", "-F", "#{pane_dead_status}"]
        return int(until(lambda: self.tmux(*line).strip()))

    def events(self) -> list[HookEvent]:
        return [spool.read(path) for path in spool.pending(self.root / "spool")]

    def kinds(self) -> list[str]:
        return [event.kind.value for event in self.events()]

    def told(self, kind: HookKind, count: int = 1) -> HookEvent:
        found = until(lambda: [event for event in self.events() if event.kind is kind][count - 1 :])
        return found[0]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    for name in ("workspace", "spool"):
        (tmp_path / name).mkdir()
    git(rig.workspace, "init", "--quiet", "--initial-branch=main")
    yield rig
    if rig.started:
        rig.tmux("kill-server")


def log_of(rig: Rig) -> list[str]:
    return git(rig.workspace, "log", "--format=%s").splitlines()


def test_a_task_without_a_script_becomes_one_file_and_one_commit(rig: Rig) -> None:
    rig.start("Do it.\n\nIssue 3: Add a switch\n/issues/3\n\nIt should turn.")
    assert rig.told(HookKind.TURN_ENDED).text == "commit Add a switch"
    assert (rig.workspace / "add-a-switch.md").read_text() == "# Add a switch\n"
    assert log_of(rig) == ["Add a switch"]
    assert git(rig.workspace, "ls-files") == "add-a-switch.md"
    assert rig.kinds() == ["session_started", "turn_started", "turn_ended"]
    assert "idle · app-1" in rig.shows("idle")


def test_it_does_what_the_script_says(rig: Rig) -> None:
    task = """Please:
do: write a/b.txt <<one
two>>
do: append a/b.txt three
```do
write c.txt <<
  kept
>>
commit all of it
```
"""
    rig.start(task)
    rig.told(HookKind.TURN_ENDED)
    assert (rig.workspace / "a/b.txt").read_text() == "one\ntwo\nthree\n"
    assert (rig.workspace / "c.txt").read_text() == "  kept\n"
    assert log_of(rig) == ["all of it"]


def test_a_question_waits_for_its_answer(rig: Rig) -> None:
    rig.start("do: ask Which colour?\ndo: write c.txt <<{answer}>>")
    assert rig.told(HookKind.WAITING_INPUT).text == "Which colour?"
    rig.shows("waiting for your answer")
    word = last_word(rig.workspace / ".ao/worker.jsonl")
    assert word is not None
    assert (word.state, word.detail) == ("waiting_input", "Which colour?")
    rig.keys("-l", "deep blue")
    rig.shows("> deep blue")
    rig.keys("Enter")
    rig.told(HookKind.TURN_ENDED)
    assert (rig.workspace / "c.txt").read_text() == "deep blue\n"


def test_a_message_in_its_envelope_is_accepted_by_its_token(rig: Rig) -> None:
    rig.start()
    rig.shows("idle")
    rig.paste("[tok1234] do: write d.txt <<x\ny>> [/tok1234]")
    rig.shows("[/tok1234]")
    assert rig.kinds() == ["session_started"]
    rig.keys("Enter")
    accepted = rig.told(HookKind.ACCEPTED)
    assert (accepted.token, accepted.text) == ("tok1234", "do: write d.txt <<x\ny>>")
    rig.told(HookKind.TURN_ENDED)
    assert (rig.workspace / "d.txt").read_text() == "x\ny\n"
    assert "[tok1234]" not in rig.screen()


def test_each_message_is_a_turn_and_waits_for_the_one_before(rig: Rig) -> None:
    rig.start("do: ask Ready?")
    rig.shows("waiting for your answer")
    rig.keys("-l", "do: sleep 0")
    rig.keys("Enter")
    rig.told(HookKind.TURN_ENDED)
    rig.keys("-l", "do: loop")
    rig.keys("Enter")
    rig.shows("working…")
    rig.paste("[t1] do: say second [/t1]")
    rig.keys("Enter")
    assert rig.told(HookKind.ACCEPTED).token == "t1"
    rig.shows("1 queued")
    rig.keys("C-c")
    rig.told(HookKind.TURN_ENDED, 3)
    texts = [event.text for event in rig.events() if event.kind is HookKind.TURN_ENDED]
    assert texts == ["answered: do: sleep 0", "interrupted", "second"]


def test_the_draft_can_be_edited(rig: Rig) -> None:
    rig.start()
    rig.shows("idle")
    rig.keys("-l", "wrong")
    rig.shows("> wrong")
    rig.keys("C-u")
    rig.keys("-l", "do: write e.txt héllox")
    rig.keys("BSpace", "Enter")
    rig.told(HookKind.TURN_ENDED)
    assert (rig.workspace / "e.txt").read_text() == "héllo\n"


def test_what_is_typed_before_it_is_ready_is_not_lost(rig: Rig) -> None:
    rig.start()
    rig.keys("-l", "do: write early.txt x")
    rig.shows("> do: write early.txt x")
    rig.keys("Enter")
    rig.told(HookKind.TURN_ENDED)
    assert (rig.workspace / "early.txt").exists()


@pytest.mark.parametrize(
    ("key", "said"), [("1", "allow"), ("Enter", "allow"), ("2", "deny"), ("Escape", "deny")]
)
def test_a_dialog_asks_before_it_runs_anything(rig: Rig, key: str, said: str) -> None:
    rig.start("do: run touch ran.txt")
    asked = rig.told(HookKind.PERMISSION_ASKED)
    assert (asked.tool, asked.arguments) == ("run", "touch ran.txt")
    rig.shows("Do you want to proceed?")
    rig.keys(key)
    ended = rig.told(HookKind.PERMISSION_ENDED)
    assert (ended.id, ended.text) == (asked.id, said)
    rig.told(HookKind.TURN_ENDED)
    assert (rig.workspace / "ran.txt").exists() is (said == "allow")


def test_what_is_pasted_into_a_dialog_goes_nowhere(rig: Rig) -> None:
    rig.start("do: run touch ran.txt")
    rig.shows("Do you want to proceed?")
    rig.paste("1")
    rig.keys("-l", "x")
    rig.keys("2")
    rig.told(HookKind.TURN_ENDED)
    assert not (rig.workspace / "ran.txt").exists()
    assert rig.shows("idle").rstrip().endswith("\n>")


def test_an_open_choice_lets_it_run_without_asking(rig: Rig) -> None:
    rig.start("do: run touch ran.txt", "--permissions", "permissionless")
    rig.told(HookKind.TURN_ENDED)
    assert (rig.workspace / "ran.txt").exists()
    assert "permission_asked" not in rig.kinds()


@dataclass
class FakeEngine:
    """Answers permissions; hangs up on the first caller."""

    path: Path
    decision: str
    calls: list[tuple[wire.Preamble, wire.Message]] = field(
        default_factory=list[tuple[wire.Preamble, wire.Message]]
    )

    def serve(self, listener: socket.socket) -> None:
        listener.accept()[0].close()
        for hang_up in (True, False):
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                preamble = wire.read_preamble(stream.readline())
                stream.write(wire.Greeting("1", "home").line())
                stream.flush()
                request = wire.decode(stream.readline())
                self.calls.append((preamble, request))
                if not hang_up:
                    result = {"decision": self.decision}
                    stream.write(wire.encode({"id": request["id"], "result": result}))


@pytest.fixture
def listener(rig: Rig) -> Iterator[socket.socket]:
    path = rig.root / "engine"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        rig.env = {"AO_SOCKET": str(path), "AO_TOKEN": "secret"}
        yield listening


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_the_engine_answers_for_the_keyboard(
    rig: Rig, listener: socket.socket, decision: str
) -> None:
    engine = FakeEngine(rig.root / "engine", decision)
    serving = threading.Thread(target=engine.serve, args=(listener,))
    serving.start()
    rig.start("do: run touch ran.txt")
    rig.told(HookKind.TURN_ENDED)
    serving.join()
    assert (rig.workspace / "ran.txt").exists() is (decision == "allow")
    ended = rig.told(HookKind.PERMISSION_ENDED)
    params = {"id": ended.id, "tool": "run", "arguments": "touch ran.txt"}
    assert [call["params"] for _, call in engine.calls] == [params, params]
    assert {call["method"] for _, call in engine.calls} == {"permission"}
    assert {(call.role, call.token) for call, _ in engine.calls} == {("worker", "secret")}
    assert "permission_asked" not in rig.kinds()  # the engine knows, and answered


def test_an_engine_that_leaves_it_open_leaves_it_to_the_keyboard(
    rig: Rig, listener: socket.socket
) -> None:
    engine = FakeEngine(rig.root / "engine", "ask")
    serving = threading.Thread(target=engine.serve, args=(listener,))
    serving.start()
    rig.start("do: run touch ran.txt")
    serving.join()
    rig.shows("Do you want to proceed?")
    rig.told(HookKind.PERMISSION_ASKED)
    rig.keys("y")
    rig.told(HookKind.TURN_ENDED)
    assert (rig.workspace / "ran.txt").exists()


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ("write ../out.txt x", "outside the workspace"),
        ("write /tmp/out.txt x", "outside the workspace"),
        ("append link/out.txt x", "outside the workspace"),
        ("write .git/hooks/pre-commit x", "not the project's"),
        ("write . x", "outside the workspace"),
        ("sleep soon", "not a number"),
        ("sleep nan", "not a number"),
        ("run 'open", "cannot read the command"),
        ("fly away", "nobody taught me"),
    ],
)
def test_a_step_that_cannot_be_done_blocks_it(rig: Rig, step: str, complaint: str) -> None:
    (rig.workspace / "link").symlink_to(rig.root)
    rig.start(f"do: {step}\ndo: write after.txt x")
    assert complaint in (rig.told(HookKind.BLOCKED).text or "")
    rig.shows("blocked:")
    assert not (rig.root / "out.txt").exists()
    assert not (rig.workspace / "after.txt").exists()


def test_a_file_that_is_as_it_should_be_is_left_alone(rig: Rig) -> None:
    """A worker that begins again has what was brought back for it in whole, at any moment."""
    there = rig.workspace / "there.txt"
    there.write_text("x\n")
    os.utime(there, ns=(1, 1))
    rig.start("do: write there.txt x\ndo: write other.txt x")
    rig.told(HookKind.TURN_ENDED)
    assert there.stat().st_mtime_ns == 1
    assert (rig.workspace / "other.txt").exists()


def test_it_ends_as_told(rig: Rig) -> None:
    rig.start("do: crash 7")
    assert rig.status() == 7
    rig.start("do: loop")
    rig.shows("working…")
    rig.keys("C-d")
    assert rig.status() == 0


def test_it_goes_on_where_it_was_killed(rig: Rig) -> None:
    rig.start("do: append a.txt once\ndo: ask Go on?\ndo: append a.txt {answer}")
    started = rig.told(HookKind.SESSION_STARTED)
    rig.shows("waiting for your answer")
    rig.start("", "--resume")
    assert rig.told(HookKind.SESSION_STARTED, 2).native_id == started.native_id
    rig.told(HookKind.WAITING_INPUT, 2)
    rig.keys("-l", "twice")
    rig.keys("Enter")
    rig.told(HookKind.TURN_ENDED)
    assert (rig.workspace / "a.txt").read_text() == "once\ntwice\n"
    rig.start("", "--resume")
    rig.shows("resumed after 1 turns")
    assert [turn.role for turn in conversation(rig.workspace / ".ao/worker.jsonl", 2)] == [
        "assistant",
        "assistant",
    ]
    assert rig.kinds().count("turn_started") == 2


def drawn_once(screen: str, width: int) -> bool:
    """Whether all of its screen is there, and nothing twice; tmux may show one half drawn."""
    counts = (screen.count("idle · app-1"), screen.count("─" * 10), screen.count("kept"))
    return f"\n{'─' * width}\n" in screen and counts == (1, width // 10, 1)


def test_it_is_drawn_anew_when_the_terminal_changes_its_size(rig: Rig) -> None:
    rig.start("do: say " + "word " * 30, size=(100, 30))
    rig.shows("idle")
    rig.keys("-l", "a draft that is kept")
    for columns, rows in ((40, 12), (20, 6), (120, 40)):
        rig.tmux("resize-window", "-t", "a", "-x", str(columns), "-y", str(rows))
        until(lambda width=columns: drawn_once(rig.screen(), width))


def test_a_long_paste_may_be_shown_folded_and_arrives_whole(rig: Rig) -> None:
    rig.start("", "--fold")
    body = "do: write f.txt <<\n" + "line é\n" * 5000 + ">>"
    rig.shows("idle")
    rig.paste(f"[tok9] {body} [/tok9]")
    assert "[tok9]" not in rig.shows("[Pasted text #1 +5001 lines]")
    rig.keys("Enter")
    assert rig.told(HookKind.ACCEPTED).token == "tok9"
    rig.told(HookKind.TURN_ENDED)
    assert (rig.workspace / "f.txt").read_text() == "line é\n" * 5000


def test_it_may_ignore_its_first_enter(rig: Rig) -> None:
    rig.start("", "--deaf-enter")
    rig.shows("idle")
    rig.paste("[t1] do: say hello [/t1]")
    rig.shows("[/t1]")
    rig.keys("Enter")
    rig.keys("-l", "!")
    rig.shows("[/t1]!")
    rig.keys("BSpace", "Enter")
    assert rig.told(HookKind.ACCEPTED).token == "t1"


def test_it_may_never_stop_redrawing(rig: Rig) -> None:
    rig.start("", "--redraw")
    rig.shows("idle")
    frames = {mark for mark in "|/-" if rig.shows(f"app-1 {mark}")}
    assert frames == set("|/-")


def test_it_may_raise_a_dialog_over_what_was_pasted(rig: Rig) -> None:
    rig.start("", "--dialog-mid-send")
    rig.shows("idle")
    rig.paste("[t1] do: say hello [/t1]")
    assert "[t1]" not in rig.shows("Do you want to proceed?")
    rig.keys("2")
    rig.shows("[/t1]")
    assert rig.told(HookKind.PERMISSION_ENDED).text == "deny"
    rig.keys("Enter")
    assert rig.told(HookKind.ACCEPTED).token == "t1"


def test_it_may_tell_nobody_anything(rig: Rig) -> None:
    rig.start("do: write a.txt x", "--no-hooks")
    rig.shows("idle")
    assert rig.events() == []
    assert (rig.workspace / "a.txt").exists()


def test_it_works_on_when_its_hooks_cannot_be_dropped(rig: Rig) -> None:
    (rig.root / "spool").rmdir()
    rig.start("do: write a.txt x")
    rig.shows("idle")
    assert (rig.workspace / "a.txt").exists()


def test_a_commit_is_signed_by_whoever_git_knows(rig: Rig) -> None:
    rig.start("do: write a.txt x\ndo: commit by itself")
    rig.told(HookKind.TURN_ENDED)
    git(rig.workspace, "config", "user.name", "Somebody")
    git(rig.workspace, "config", "user.email", "some@body.invalid")
    rig.keys("-l", "do: write b.txt x")
    rig.keys("C-j")
    rig.keys("-l", "do: commit by another")
    rig.keys("Enter")
    rig.told(HookKind.TURN_ENDED, 2)
    assert git(rig.workspace, "log", "--format=%an").splitlines() == ["Somebody", "ao worker"]


def test_its_modules_load_without_anything_to_install() -> None:
    bare, worker = loaded_by("sys"), loaded_by("ao_plugins.agent._worker.__main__")
    own = {"ao_core", "ao_plugins"}
    new = worker - bare - own - sys.stdlib_module_names
    assert {name for name in new if not name.startswith("_")} == set()


def loaded_by(module: str) -> set[str]:
    """The packages that importing this one loads, with what every interpreter loads here."""
    code = f"import json, sys, {module}; print(json.dumps([*sys.modules]))"
    run = [sys.executable, "-I", "-c", code]
    done = subprocess.run(run, env=ENV, capture_output=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}
