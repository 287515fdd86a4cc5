"""The deterministic worker by protocol, after it ended: what it tells again, where it goes on."""

import json
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from protocol_client import ENV, Client, connected


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", str(folder)], env=ENV, check=True)
    return folder


def log(workspace: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (workspace / ".ao/worker.jsonl").read_text().splitlines()]


@contextmanager
def killed(workspace: Path, prompt: str, when: Callable[[Client], object]) -> Generator[Client]:
    """A worker that has loaded what another left that was killed in the middle of this prompt."""
    with connected(workspace) as first:
        first.start().begin(prompt)
        when(first)
        first.process.kill()
        first.process.wait(20)
    with connected(workspace) as second:
        yield second.load(first.session)


def test_a_conversation_is_told_again(workspace: Path) -> None:
    with connected(workspace) as first:
        first.start()
        turn = first.begin(
            "do: write a.txt x\ndo: run echo 1\ndo: run echo 2\ndo: say so\ndo: ask A?"
        )
        first.choose(first.permission(), "allow_once")
        first.choose(first.permission(), "reject_once")
        first.result(turn)
        first.prompt("blue")
        first.prompt("and then?")
    with connected(workspace, "--permissions", "permissionless") as second:
        second.load(first.session)
        assert second.modes["currentModeId"] == "permissionless"
        assert second.texts("user_message_chunk").endswith("do: ask A?blueand then?")
        assert second.texts() == first.texts()
        assert second.asked == []
        same = ("title", "kind", "status", "rawInput", "locations", "content")
        retold, told = second.tools(), first.tools()
        assert retold.keys() == told.keys()
        for id, call in told.items():
            assert {key: retold[id][key] for key in same} == {key: call[key] for key in same}
        statuses = [call["status"] for call in retold.values()]
        assert statuses == ["completed", "completed", "failed"]
        assert second.prompt("And now?")["stopReason"] == "end_turn"
        assert second.texts().endswith("noted; nothing to do")


def test_only_the_last_conversation_here_can_be_loaded(workspace: Path) -> None:
    with connected(workspace) as first:
        first.start().prompt("do: say one")
        old = first.session
        first.session = ""
        first.start().prompt("do: say two")
        with connected(workspace) as second:
            second.load(first.session)
            assert second.texts() == "two"
            refused = second.request(
                "session/load", sessionId=old, cwd=str(workspace), mcpServers=[]
            )
            assert second.error(refused)["code"] == -32002
    assert old != first.session


def test_no_step_is_done_twice_when_it_is_killed(workspace: Path) -> None:
    task = "do: append a.txt one\ndo: append a.txt two\ndo: sleep 300\ndo: append a.txt three"
    shorter = task.replace("300", "0")

    def there(first: Client) -> None:
        first.told("tool_call", title="sleep 300")

    with killed(workspace, task, there) as second:
        assert (workspace / "a.txt").read_text() == "one\ntwo\n"
        assert [call["status"] for call in second.tools().values()] == ["completed", "completed"]
        turn = second.begin("Go on")
        assert second.told("plan")
        assert second.plan()[:2] == ["completed", "completed"]
        second.told("tool_call", title="sleep 300")
        second.cancel()
        assert second.result(turn)["stopReason"] == "cancelled"
        second.prompt(shorter)
    assert (workspace / "a.txt").read_text() == "one\ntwo\none\ntwo\nthree\n"


def test_it_goes_on_with_what_was_not_allowed_yet(workspace: Path) -> None:
    task = "do: append a.txt one\ndo: run touch ran.txt\ndo: append a.txt two"
    with killed(workspace, task, lambda first: first.permission()) as second:
        turn = second.begin("Go on, please")
        second.choose(second.permission(), "allow_once")
        assert second.result(turn)["stopReason"] == "end_turn"
        assert "Go on, please" not in (workspace / ".ao/worker.jsonl").read_text()
    assert (workspace / "a.txt").read_text() == "one\ntwo\n"
    assert (workspace / "ran.txt").exists()


@pytest.mark.parametrize(
    ("text", "said"), [("do: append a.txt three", "three\n"), ("do: fly", ""), ("well?", "")]
)
def test_a_prompt_with_a_script_of_its_own_is_done_after_what_was_left(
    workspace: Path, text: str, said: str
) -> None:
    task = "do: append a.txt one\ndo: run true\ndo: append a.txt two"
    with killed(workspace, task, lambda first: first.permission()) as second:
        turn = second.begin(text)
        second.choose(second.permission(), "allow_once")
        ended = second.result(turn)
    assert (workspace / "a.txt").read_text() == f"one\ntwo\n{said}"
    assert ("blocked" in ended.get("_meta", {}).get("ao", {})) is (text == "do: fly")
    heard = [line["text"] for line in log(workspace) if line["role"] == "user"]
    assert heard == [task, *([text] if text.startswith("do:") else [])]


def test_a_question_that_was_open_is_answered_by_the_next_prompt(workspace: Path) -> None:
    task = "do: append a.txt one\ndo: ask Go on?\ndo: append a.txt {answer}\ndo: ask More?"
    with connected(workspace) as first:
        first.start().prompt(task)
    with connected(workspace) as second:
        second.load(first.session)
        assert second.texts() == "Go on?"
        ended = second.prompt("do: append b.txt twice")
        assert ended["_meta"] == {"ao": {"question": "More?"}}
    assert (workspace / "a.txt").read_text() == "one\ndo: append b.txt twice\n"
    assert not (workspace / "b.txt").exists()


def test_a_crash_is_not_gone_into_again(workspace: Path) -> None:
    with connected(workspace) as first:
        first.start().begin("do: append a.txt one\ndo: crash 3\ndo: append a.txt two")
        while first.take():
            pass
        assert first.process.wait(20) == 3
    with connected(workspace) as second:
        second.load(first.session).prompt("Go on")
    assert (workspace / "a.txt").read_text() == "one\ntwo\n"


def test_a_conversation_that_failed_to_begin_is_told_again_as_well(workspace: Path) -> None:
    with connected(workspace) as first:
        first.start().prompt("do: fly away")
    with connected(workspace) as second:
        second.load(first.session)
        assert second.texts() == first.texts() == "nobody taught me to fly"
        assert second.tools() == {}
