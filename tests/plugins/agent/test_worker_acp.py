"""The deterministic worker by protocol: a real process, and a client that forgives nothing."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

from ao_plugins._transcript import last_word
from protocol_client import ENV, Client, connected

ENDED = {"allow_once": "completed", "reject_once": "failed"}


@dataclass(frozen=True)
class Bench:
    """A folder for a worker."""

    root: Path

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    def client(self, *flags: str) -> AbstractContextManager[Client]:
        return connected(self.workspace, *flags)

    def text(self, name: str) -> str:
        return (self.workspace / name).read_text()

    def log(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.text(".ao/worker.jsonl").splitlines()]

    def said(self) -> list[str]:
        return [line["text"] for line in self.log()[1:]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for name in ("workspace", "spool"):
        (tmp_path / name).mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path / "workspace")], env=ENV, check=True)
    return Bench(tmp_path)


@pytest.fixture
def client(bench: Bench) -> Iterator[Client]:
    with bench.client() as client:
        yield client.start()
    assert list((bench.root / "spool").iterdir()) == []  # everything goes over the protocol


# -- the beginning ---------------------------------------------------------------------------------


def test_it_says_what_it_can_do(bench: Bench) -> None:
    with bench.client("--session", "app-1") as client:
        hello = client.call("initialize", protocolVersion=7, clientCapabilities={})
    assert hello["protocolVersion"] == 1
    assert hello["agentCapabilities"]["loadSession"] is True
    assert set(hello["agentCapabilities"]["promptCapabilities"].values()) == {False}
    assert hello["authMethods"] == []
    assert "app-1" in hello["agentInfo"]["title"]


def test_a_new_session_is_named_by_its_log(client: Client, bench: Bench) -> None:
    assert bench.log()[0] | {"at": ""} == {"role": "session", "text": client.session, "at": ""}
    assert client.modes["currentModeId"] == "default"
    assert [mode["id"] for mode in client.modes["availableModes"]] == ["default", "permissionless"]


def test_nothing_is_told_before_it_is_asked(client: Client) -> None:
    assert client.updates == client.asked == []


# -- a turn ----------------------------------------------------------------------------------------


def test_a_turn_is_told_step_by_step(client: Client, bench: Bench) -> None:
    ended = client.prompt("do: write a/b.txt <<one\ntwo>>\ndo: say hello there\ndo: commit all")
    assert ended["stopReason"] == "end_turn"
    assert bench.text("a/b.txt") == "one\ntwo\n"
    kinds = [update["sessionUpdate"] for update in client.updates]
    assert kinds[0] == "plan"
    assert [entry["content"] for entry in client.updates[0]["entries"]] == [
        "write a/b.txt",
        "say hello there",
        "commit all",
    ]
    assert {entry["status"] for entry in client.updates[0]["entries"]} == {"pending"}
    assert client.plan() == ["completed"] * 3
    wrote, committed = client.tools().values()
    assert (wrote["kind"], wrote["title"], wrote["status"]) == (
        "edit",
        "write a/b.txt",
        "completed",
    )
    assert wrote["rawInput"] == {"path": "a/b.txt"}
    assert wrote["locations"] == [{"path": str(bench.workspace / "a/b.txt")}]
    assert (committed["kind"], committed["status"]) == ("execute", "completed")
    assert committed["rawInput"] == {"message": "all"}
    assert client.texts() == "hello therecommit all"


def test_each_tool_goes_through_its_states_in_order(client: Client) -> None:
    client.prompt("do: write a.txt x")
    states = [update["status"] for update in client.updates if "toolCallId" in update]
    assert states == ["pending", "in_progress", "completed"]


def test_a_turn_tells_the_words_all_took_so_far(client: Client) -> None:
    usage = client.prompt("do: say one two three")["usage"]
    assert usage == {"inputTokens": 5, "outputTokens": 3, "totalTokens": 8}
    assert client.prompt("and so?")["usage"]["outputTokens"] == 7


def test_what_it_is_told_to_spend_is_told_and_adds_up(client: Client) -> None:
    client.prompt("do: spend 0.25 100")
    usage = client.prompt("do: spend 0.50 20\ndo: say hi")["usage"]
    costs = [one["cost"]["amount"] for one in client.updates if "cost" in one]
    assert costs[-1] == 0.75
    assert usage["outputTokens"] > 120


def test_it_can_say_that_its_quota_is_used_up(client: Client) -> None:
    blocked = client.prompt("do: quota 5")["_meta"]["ao"]["blocked"]
    assert blocked == "You've hit your usage limit. Your quota will reset after 5s."


def test_its_log_is_word_by_word_the_one_of_the_terminal(bench: Bench, tmp_path: Path) -> None:
    task = "do: write a.txt x\ndo: run echo é\ndo: say hi\ndo: commit c\ndo: fly away"
    with bench.client("--permissions", "permissionless") as client:
        client.start().prompt(task)
    by_protocol = bench.log()
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["git", "init", "-q", str(other)], env=ENV, check=True)
    argv = [sys.executable, "-I", "-m", "ao_plugins.agent._worker", "--prompt", task, "--no-hooks"]
    argv += ["--permissions", "permissionless"]
    terminal = subprocess.Popen(
        argv, cwd=other, env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert terminal.stdin
    assert terminal.stdout
    with terminal:
        shown = b""
        while b"blocked:" not in shown:
            shown += (piece := os.read(terminal.stdout.fileno(), 65536))
            assert piece
        terminal.stdin.close()
    in_terminal = [
        json.loads(line) for line in (other / ".ao/worker.jsonl").read_text().splitlines()
    ]
    strip = {"at": "", "text": ""}
    assert [line | strip for line in by_protocol] == [line | strip for line in in_terminal]
    assert [line["text"] for line in by_protocol[1:]] == [line["text"] for line in in_terminal[1:]]


def test_only_the_first_prompt_is_work_by_itself(client: Client, bench: Bench) -> None:
    client.prompt("Do it.\n\nIssue 3: Add a switch\n\nIt should turn.")
    assert bench.text("add-a-switch.md") == "# Add a switch\n"
    client.updates.clear()
    client.prompt("Thank you")
    assert client.texts() == "noted; nothing to do"
    assert client.tools() == {}


def test_a_prompt_may_be_of_several_blocks_and_is_logged_as_it_was(
    client: Client, bench: Bench
) -> None:
    client.prompt("  [t1] do: say é ", "\tand \u2028 more [/t1]\n")
    assert bench.log()[1]["text"] == "  [t1] do: say é \n\tand \u2028 more [/t1]\n"


def test_what_is_said_twice_in_a_row_is_two_messages(client: Client) -> None:
    client.prompt("do: say one\ndo: say two")
    assert client.texts() == "one\ntwo"
    assert len({update.get("messageId") for update in client.updates if "messageId" in update}) == 2


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ("write ../out.txt x", "outside the workspace"),
        ("write loop/x y", "leads nowhere"),
        ("run 'open", "cannot read the command"),
        ("fly away", "nobody taught me"),
        ("run no-such-program-anywhere", "cannot run"),
        ("run echo \0", "zero byte"),
    ],
)
def test_a_step_that_cannot_be_done_blocks_it(bench: Bench, step: str, complaint: str) -> None:
    (bench.workspace / "loop").symlink_to("loop")
    with bench.client("--permissions", "permissionless") as client:
        ended = client.start().prompt(f"do: {step}\ndo: write after.txt x")
        assert ended["stopReason"] == "end_turn"
        assert complaint in ended["_meta"]["ao"]["blocked"]
        assert complaint in client.texts()
        assert {call["status"] for call in client.tools().values()} <= {"failed"}
        assert "completed" not in client.plan()
        assert client.prompt("do: say better")["stopReason"] == "end_turn"
    assert not (bench.workspace / "after.txt").exists()


# -- permission ------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["allow_once", "reject_once"])
def test_it_asks_before_it_runs_anything(client: Client, bench: Bench, option: str) -> None:
    turn = client.begin("do: run touch 'ran it.txt'")
    asked = client.permission()
    call = asked["params"]["toolCall"]
    assert (call["kind"], call["title"]) == ("execute", "run touch 'ran it.txt'")
    assert call["rawInput"] == {"command": "touch 'ran it.txt'"}
    kinds = [choice["kind"] for choice in asked["params"]["options"]]
    assert kinds == ["allow_once", "allow_always", "reject_once"]
    assert client.tools()[call["toolCallId"]]["status"] == "pending"
    word = last_word(bench.workspace / ".ao/worker.jsonl")
    assert word is not None
    assert word.state == "waiting_input"
    client.choose(asked, option)
    assert client.result(turn)["stopReason"] == "end_turn"
    assert (bench.workspace / "ran it.txt").exists() is (option == "allow_once")
    assert client.tools()[call["toolCallId"]]["status"] == ENDED[option]


def test_what_is_always_allowed_is_asked_once(client: Client) -> None:
    turn = client.begin("do: run echo one\ndo: run echo two\ndo: run true")
    client.choose(client.permission(), "allow_always")
    asked = client.permission()
    assert asked["params"]["toolCall"]["rawInput"] == {"command": "true"}
    client.choose(asked, "allow_once")
    client.result(turn)
    assert client.asked == []


@pytest.mark.parametrize("flags", [("--permissions", "permissionless"), ()])
def test_an_open_choice_lets_it_run_without_asking(bench: Bench, flags: tuple[str, ...]) -> None:
    with bench.client(*flags) as client:
        client.start()
        if not flags:
            client.call("session/set_mode", sessionId=client.session, modeId="permissionless")
            client.told("current_mode_update", currentModeId="permissionless")
        client.prompt("do: run touch ran.txt")
        assert client.asked == []
    assert (bench.workspace / "ran.txt").exists()


def test_a_request_that_is_cancelled_cancels_the_turn(client: Client, bench: Bench) -> None:
    turn = client.begin("do: run touch ran.txt\ndo: write after.txt x")
    client.send(id=client.permission()["id"], result={"outcome": {"outcome": "cancelled"}})
    assert client.result(turn)["stopReason"] == "cancelled"
    assert not {"ran.txt", "after.txt"} & set(os.listdir(bench.workspace))


@pytest.mark.parametrize(
    "answer", [{"result": {}}, {"error": {"code": -1, "message": "no"}}, {"result": {"outcome": 5}}]
)
def test_an_answer_that_allows_nothing_denies(
    client: Client, bench: Bench, answer: dict[str, object]
) -> None:
    turn = client.begin("do: run touch ran.txt")
    client.send(id=client.permission()["id"], **answer)
    assert client.result(turn)["stopReason"] == "end_turn"
    assert not (bench.workspace / "ran.txt").exists()


# -- questions -------------------------------------------------------------------------------------


def test_a_question_ends_the_prompt_and_the_next_one_answers_it(
    client: Client, bench: Bench
) -> None:
    asked = client.prompt("do: ask Which colour?\ndo: write c.txt <<{answer}>>")
    assert (asked["stopReason"], asked["_meta"]) == (
        "end_turn",
        {"ao": {"question": "Which colour?"}},
    )
    assert client.texts() == "Which colour?"
    assert bench.log()[-1]["state"] == "waiting_input"
    ended = client.prompt("deep blue")
    assert "_meta" not in ended
    assert bench.text("c.txt") == "deep blue\n"
    assert client.plan() == ["completed", "completed"]
    assert [line["text"] for line in bench.log() if line["role"] == "user"][1:] == ["deep blue"]


def test_a_question_that_is_cancelled_is_no_longer_open(client: Client, bench: Bench) -> None:
    client.prompt("do: ask Really?\ndo: write c.txt x")
    client.cancel()
    client.prompt("do: say anew")
    assert bench.said()[-4:] == ["interrupted", "do: say anew", "anew", "anew"]
    assert not (bench.workspace / "c.txt").exists()


# -- cancelling ------------------------------------------------------------------------------------


def test_cancelling_ends_what_runs_with_its_children(client: Client, bench: Bench) -> None:
    os.mkfifo(bench.workspace / "ready")
    turn = client.begin("do: run sh -c 'sleep 300 & echo $! > ready; wait'\ndo: write after.txt x")
    client.choose(client.permission(), "allow_once")
    child = int(bench.text("ready"))
    client.cancel()
    assert client.result(turn)["stopReason"] == "cancelled"
    assert [call["status"] for call in client.tools().values()] == ["failed"]
    assert client.prompt("do: say next")["stopReason"] == "end_turn"
    until(lambda: not alive(child))
    assert not (bench.workspace / "after.txt").exists()


def until(there: Callable[[], bool]) -> None:
    """Look again until it is so; the end of a stranger cannot be waited for."""
    end, pause = monotonic() + 20, threading.Event()
    while not there():
        assert monotonic() < end
        pause.wait(0.01)


def alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("step", ["sleep 300", "loop", "run true"])
def test_whatever_it_waits_for_can_be_cancelled(client: Client, step: str) -> None:
    turn = client.begin(f"do: {step}")
    client.told("plan")
    if step == "run true":
        client.permission()
    client.cancel()
    ended = client.result(turn)
    assert (ended["stopReason"], client.texts()) == ("cancelled", "interrupted")
    assert client.prompt("do: sleep 0")["stopReason"] == "end_turn"


def test_an_answer_that_comes_too_late_changes_nothing(client: Client, bench: Bench) -> None:
    turn = client.begin("do: run touch ran.txt")
    asked = client.permission()
    client.cancel()
    client.result(turn)
    client.choose(asked, "allow_once")
    assert client.prompt("do: say next")["stopReason"] == "end_turn"
    assert not (bench.workspace / "ran.txt").exists()


def test_cancelling_nothing_changes_nothing(client: Client) -> None:
    client.cancel()
    client.send(method="session/cancel", params={"sessionId": "someone-else"})
    turn = client.begin("do: run true")
    asked = client.permission()
    client.send(method="session/cancel", params={"sessionId": "someone-else"})
    client.choose(asked, "allow_once")
    assert client.result(turn)["stopReason"] == "end_turn"


def test_a_loop_repeats_what_stands_before_it(client: Client, bench: Bench) -> None:
    turn = client.begin("do: append a.txt x\ndo: loop")
    client.told("tool_call", toolCallId="1.1.3")
    client.cancel()
    assert client.result(turn)["stopReason"] == "cancelled"
    assert bench.text("a.txt").count("x\n") >= 2
    assert client.plan() == ["completed", "pending"]


# -- one at a time, and mistakes -------------------------------------------------------------------


def test_a_second_prompt_while_one_is_under_way_is_refused(client: Client, bench: Bench) -> None:
    turn = client.begin("do: run true\ndo: say first")
    asked = client.permission()
    second = client.begin("do: say second")
    assert client.error(second)["code"] == -32600
    new = client.request("session/new", cwd=str(bench.workspace), mcpServers=[])
    assert client.error(new)["code"] == -32600
    client.choose(asked, "allow_once")
    assert client.result(turn)["stopReason"] == "end_turn"
    assert client.texts() == "first"
    assert "second" not in bench.text(".ao/worker.jsonl")


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("session/nonsense", {}, -32601),
        ("session/new", {"cwd": "relative", "mcpServers": []}, -32602),
        ("session/new", {"cwd": "/no/such/folder", "mcpServers": []}, -32602),
        ("session/new", {"cwd": "/\0", "mcpServers": []}, -32602),
        ("session/new", {"cwd": "/"}, -32602),
        ("session/load", {"sessionId": "worker-0", "cwd": "{cwd}", "mcpServers": []}, -32002),
        ("session/prompt", {"sessionId": "worker-0", "prompt": []}, -32002),
        ("session/prompt", {"sessionId": "{id}"}, -32602),
        ("session/prompt", {"sessionId": "{id}", "prompt": []}, -32602),
        ("session/prompt", {"sessionId": "{id}", "prompt": [{"type": "text"}]}, -32602),
        ("session/prompt", {"sessionId": "{id}", "prompt": [{"type": "image"}]}, -32602),
        ("session/set_mode", {"sessionId": "{id}", "modeId": "yolo"}, -32602),
        ("session/set_mode", {"sessionId": "{id}", "modeId": []}, -32602),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_else_happens(
    client: Client, bench: Bench, method: str, params: dict[str, object], code: int
) -> None:
    known = {"{id}": client.session, "{cwd}": str(bench.workspace)}
    given = {key: known.get(str(value), value) for key, value in params.items()}
    assert client.error(client.request(method, **given))["code"] == code
    assert client.prompt("do: say well")["stopReason"] == "end_turn"
    assert client.texts() == "well"


def test_nothing_comes_before_the_introduction(bench: Bench) -> None:
    with bench.client() as client:
        new = client.request("session/new", cwd=str(bench.workspace), mcpServers=[])
        assert client.error(new)["code"] == -32600


@pytest.mark.parametrize(
    ("line", "id", "code"),
    [
        (b"nonsense", None, -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "method"', None, -32700),
        (b'"\xff\xfe"', None, -32700),
        (b"[" * 100_000, None, -32700),
        (b"[]", None, -32600),
        (b"5", None, -32600),
        (b'{"jsonrpc": "2.0", "id": [], "method": "initialize"}', None, -32600),
        (b'{"jsonrpc": "2.0", "id": 7}', 7, -32600),
        (b'{"id": 7, "method": "initialize"}', 7, -32600),
        (b'{"jsonrpc": "2.0", "id": "x", "method": "session/new", "params": []}', "x", -32602),
    ],
)
def test_a_line_that_is_no_message_is_answered_by_an_error(
    client: Client, line: bytes, id: int | None, code: int
) -> None:
    client.write(line + b"\n\n  \n")
    assert client.error(id)["code"] == code
    assert client.prompt("do: say well")["stopReason"] == "end_turn"


def test_answers_and_notices_that_nobody_expects_are_let_be(client: Client) -> None:
    client.send(id=99, result={"outcome": {"outcome": "cancelled"}})
    client.send(id="x", error={"code": 1, "message": "no"})
    client.send(method="$/something", params={"a": 1})
    assert client.prompt("do: say well")["stopReason"] == "end_turn"


# -- the ends --------------------------------------------------------------------------------------


def test_it_ends_with_its_input(client: Client) -> None:
    client.begin("do: run sleep 300")
    client.choose(client.permission(), "allow_once")
    client.told("tool_call_update", status="in_progress")
    assert client.end() == 0


def test_it_ends_when_nobody_reads_it_any_more(bench: Bench) -> None:
    nobody, its_output = os.pipe()
    os.close(nobody)
    argv = [sys.executable, "-I", "-m", "ao_plugins.agent._worker", "--acp"]
    worker = subprocess.Popen(argv, env=ENV, stdin=subprocess.PIPE, stdout=its_output)
    os.close(its_output)
    assert worker.stdin
    worker.stdin.write(b"nonsense\n")
    worker.stdin.flush()
    assert worker.wait(20) == 0
    worker.stdin.close()


def test_a_crash_ends_it_with_its_status(client: Client) -> None:
    client.begin("do: say last words\ndo: crash 7")
    while client.take():
        pass
    assert client.process.wait(20) == 7
    assert client.texts() == "last words"


# -- what is awkward -------------------------------------------------------------------------------


def test_what_is_long_or_odd_arrives_whole_though_nobody_reads_at_once(
    client: Client, bench: Bench
) -> None:
    odd = "\u2028\u0085\x0b\x0c\x1b[2J\U0001f600 é \\n \ud800"
    steps = "\n".join(f"do: say {number} {odd} " + "x" * 5_000 for number in range(300))
    client.reading.clear()
    turn = client.begin(steps)
    client.write((b" " * 70_000 + b"\n") * 10)  # it goes on reading, though nobody reads it
    client.reading.set()
    assert client.result(turn)["stopReason"] == "end_turn"
    whole = client.texts()
    assert whole.count("x" * 5_000) == 300
    assert whole.count("\u2028\u0085\x0b\x0c\x1b[2J\U0001f600 é \\n ?") == 300
    assert len(bench.log()) > 300


def test_every_byte_may_come_by_itself(bench: Bench) -> None:
    with bench.client("--split-writes") as client:
        client.start()
        told = {"sessionId": client.session, "prompt": [{"type": "text", "text": "do: say ö\né"}]}
        line = {"jsonrpc": "2.0", "id": 5, "method": "session/prompt", "params": told}
        client._sent[5] = "session/prompt"  # pyright: ignore[reportPrivateUsage]
        for byte in json.dumps(line, ensure_ascii=False).encode() + b"\n":
            client.write(bytes([byte]))
        assert client.result(5)["stopReason"] == "end_turn"
        assert client.texts() == "ö"


def test_it_may_be_chatty(bench: Bench) -> None:
    with bench.client("--chatty", "--split-writes") as client:
        client.start().prompt("do: write a.txt x\ndo: say hello")
        kinds = [update["sessionUpdate"] for update in client.updates]
        assert kinds.count("agent_message_chunk") >= 300
        assert kinds.count("agent_thought_chunk") >= 300
        assert client.texts().endswith("hello")
    assert bench.text("a.txt") == "x\n"
