"""The relay as its clients see it, over real pipes, with real engines that come and go."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ao_core.wire import LINE_LIMIT
from ao_mcp.lines import Lines
from ao_mcp.relay import LAST_WORDS
from faces.home import LEGACY, RELAY, Home, RelayClient, request, temporary_home


@pytest.fixture
def home() -> Iterator[Home]:
    with temporary_home() as made:
        yield made


@pytest.fixture(scope="module")
def shared() -> Iterator[Home]:
    """For tests that leave their engine alone."""
    with temporary_home() as made:
        yield made


@pytest.fixture
def client(shared: Home) -> Iterator[RelayClient]:
    with RelayClient(shared) as made:
        made.shake_hands()
        yield made


def assert_well(client: RelayClient) -> None:
    answer = client.call(1000, "echo", text="well")
    assert answer["result"]["structuredContent"]["said"] == "well"


def test_what_it_imports_is_standard_library_and_little_of_ours() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import ao_mcp.__main__, ao_mcp.relay, ao_mcp.start\n"
        "ao_mcp.start.socket_path(ao_mcp.start.home({}), {})\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    quiet = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
    said = subprocess.run(
        [sys.executable, "-I", "-c", code], env=quiet, capture_output=True, text=True, check=True
    )
    loaded = said.stdout.split()
    ours = {name for name in loaded if name.startswith("ao_") and "platform" not in name}
    allowed = {"ao_core", "ao_core.errors", "ao_core.ids", "ao_core.wire", "ao_core.wording"}
    allowed |= {"ao_mcp", "ao_mcp.__main__", "ao_mcp.asked", "ao_mcp.followed"}
    allowed |= {"ao_mcp.handshake", "ao_mcp.lines", "ao_mcp.arguments", "ao_mcp.relay"}
    allowed |= {"ao_mcp.start", "ao_mcp.toolsets"}
    assert ours <= allowed
    foreign = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert foreign == {"ao_core", "ao_mcp"}
    assert not {"asyncio", "argparse", "dataclasses", "subprocess", "_hashlib"} & set(loaded)


def test_it_says_its_version_and_refuses_what_it_does_not_know() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*RELAY, *arguments], capture_output=True, text=True, timeout=20)

    assert run("--version").stdout == "ao-mcp 0.1.0\n"
    assert "--config" in run("--help").stdout
    for wrong in (["--worker", "--config", "x"], ["--config"], ["--read-only=no"], ["more"]):
        refused = run(*wrong)
        assert (refused.returncode, refused.stdout) == (2, "")
    unknown = run("--toolsets", "core,flaw")
    assert unknown.returncode == 2
    assert "Did you mean `flow`?" in unknown.stderr


def test_a_client_is_served_from_its_own_folder(shared: Home) -> None:
    with RelayClient(shared) as client:
        welcome = client.shake_hands()["result"]
        assert welcome["serverInfo"]["name"] == "ao-mcp"
        assert welcome["instructions"] == "Spawn, wait, merge."
        said = client.call(1, "echo", text="hi")["result"]["structuredContent"]
        assert (said["caller"], said["cwd"]) == ("lead test", "/")


def test_the_end_of_stdin_detaches_and_leaves_the_engine_alone(shared: Home) -> None:
    with RelayClient(shared) as client:
        client.shake_hands()
        client.say(request(1, "tools/call", {"name": "wait", "arguments": {}}))
        client.say(b'{"half a line')
        assert client.leave() == 0
    os.kill(shared.started()[-1], 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(client: RelayClient, number: int) -> None:
    client.process.send_signal(number)
    assert client.process.wait(10) == 0
    assert client.process.stderr
    assert client.process.stderr.read() == b""


def test_requests_piped_in_at_once_are_answered_before_it_leaves(shared: Home) -> None:
    with RelayClient(shared):
        pass
    lines = [request(0, "initialize", LEGACY), request(1, "ping", {})]
    piped = "".join(json.dumps(line) + "\n" for line in lines).encode()
    done = subprocess.run(RELAY, input=piped, env=shared.env, capture_output=True, timeout=30)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [0, 1]


@pytest.mark.parametrize("sent", [True, False])
def test_an_engine_that_is_slow_still_answers_what_was_piped_in(home: Home, sent: bool) -> None:
    echo = request(1, "tools/call", {"name": "echo", "arguments": {"text": "a"}})
    with RelayClient(home) as client:
        client.shake_hands()
        if sent:
            client.say(request(2, "ping", {}))
            assert client.hear()["id"] == 2
        os.kill(home.started()[0], signal.SIGSTOP)
        with RelayClient(home) as late:
            piping = client if sent else late
            piping.say(echo, request(3, "ping", {}))
            assert piping.process.stdin
            piping.process.stdin.close()
            with pytest.raises(subprocess.TimeoutExpired):
                piping.process.wait(1.5 * LAST_WORDS)
            os.kill(home.started()[0], signal.SIGCONT)
            assert {piping.hear()["id"] for _ in range(2)} == {1, 3}
            assert piping.process.wait(20) == 0


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\x00\xff\xfe binary junk\n", -32700),
        (b"{half\n", -32700),
        (b"[" * 50_000 + b"\n", -32700),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n', -32600),
        (b'{"id":1}\n', -32600),
        (b"\n\r\n", None),
        (b'{"jsonrpc":"2.0","id":[[]],"method":"ping"}\n', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}\n', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}\n', -32600),
        (b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"What?"}}\n', None),
    ],
)
def test_garbage_is_answered_and_harms_nothing(
    client: RelayClient, line: bytes, code: int | None
) -> None:
    client.say(line)
    if code is not None:
        assert client.hear()["error"]["code"] == code
    assert_well(client)


def test_garbage_without_end_does_not_use_up_the_connection(client: RelayClient) -> None:
    for _ in range(30):
        client.say(b"nonsense\n")
        assert client.hear()["error"]["code"] == -32700
    assert_well(client)


@pytest.mark.parametrize("first", ["id", "params"])
def test_a_message_that_is_too_long_is_refused_by_its_id(client: RelayClient, first: str) -> None:
    filler = "x" * (LINE_LIMIT + 10)
    head, body = '"id":77,"method":"tools/call",', f'"params":{{"id":5,"a":"{filler}"}}'
    text = f"{{{head}{body}}}" if first == "id" else f'{{{body},"method":"x","id":77}}'
    client.say(text.encode() + b"\n")
    heard = client.hear()
    assert (heard["id"], heard["error"]["code"]) == (77, -32600)
    assert_well(client)


def test_a_large_argument_is_refused_by_the_tool_and_not_by_silence(client: RelayClient) -> None:
    result = client.call(5, "echo", text="x" * 1_000_000)["result"]
    assert result["isError"] is True
    assert result["structuredContent"]["code"] == "invalid_argument"


def test_a_killed_engine_fails_calls_under_way_and_the_next_one_just_works(home: Home) -> None:
    with RelayClient(home) as client:
        client.shake_hands()
        client.say(
            request(7, "tools/call", {"name": "wait", "arguments": {"steps": 1}}),
            request(8, "tools/call", {"name": "echo", "arguments": {"text": "a"}}),
        )
        assert client.hear()["id"] == 8
        home.kill()
        lost = client.hear()
        assert lost["id"] == 7
        told = lost["result"]["structuredContent"]
        assert lost["result"]["isError"] is True
        assert (told["code"], told["retryable"]) == ("engine_restarted", True)
        assert json.loads(lost["result"]["content"][0]["text"]) == told
        assert_well(client)
        assert client.leave() == 0
    assert len(home.started()) == 2


def test_an_engine_that_ends_on_purpose_is_started_again_by_the_next_call_only(home: Home) -> None:
    with RelayClient(home) as client:
        client.shake_hands()
        home.kill(signal.SIGTERM)
        assert len(home.started()) == 1
        assert_well(client)
        assert client.call(9, "echo", text="b")["result"]["structuredContent"]["said"] == "b"
    assert len(home.started()) == 2


def test_calls_that_are_no_tool_calls_fail_as_json_rpc(home: Home) -> None:
    with RelayClient(home) as client:
        client.shake_hands()
        os.kill(home.started()[0], signal.SIGSTOP)
        client.say(request("a", "tools/list", {}))
        client.say(request("b", "tools/call", {"name": "echo", "arguments": {"text": "a"}}))
        client.say(b"nonsense\n")
        assert client.hear()["id"] is None  # so both were taken before
        home.kill()
        answers = {heard["id"]: heard for heard in (client.hear(), client.hear())}
    assert answers["a"]["error"]["data"]["code"] == "engine_restarted"
    assert answers["b"]["result"]["structuredContent"]["code"] == "engine_restarted"


def test_a_home_that_cannot_be_used_is_told_to_initialize_with_its_remedy(home: Home) -> None:
    home.path.write_text("not a folder")
    with RelayClient(home) as client:
        error = client.shake_hands()["error"]
        assert "AO_HOME" in error["message"]
        assert error["data"]["code"] == "config_invalid"
        home.path.unlink()
        assert "result" in client.shake_hands()
        assert_well(client)


def test_a_client_that_does_not_read_holds_up_nobody_else(shared: Home) -> None:
    with RelayClient(shared) as stuck:
        stuck.shake_hands()
        arguments = {"text": "x" * 1000, "times": 2000}
        calls = [
            request(call, "tools/call", {"name": "echo", "arguments": arguments})
            for call in range(20)
        ]
        stuck.say(*calls)
        with RelayClient(shared) as other:
            other.shake_hands()
            assert_well(other)
        heard = [stuck.hear()["id"] for _ in range(20)]
    assert sorted(heard) == list(range(20))


def test_a_client_that_vanishes_mid_answer_takes_nothing_along(shared: Home) -> None:
    with RelayClient(shared) as client:
        client.shake_hands()
        arguments = {"text": "x" * 1000, "times": 3000}
        client.say(request(1, "tools/call", {"name": "echo", "arguments": arguments}))
    with RelayClient(shared) as other:
        other.shake_hands()
        assert_well(other)


def test_nothing_but_protocol_reaches_stdout_even_from_a_removed_folder(
    shared: Home, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os, runpy; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r});"
    code += f"runpy.run_path({RELAY[-1]!r}, run_name='__main__')"
    piped = json.dumps(request(0, "initialize", LEGACY)).encode() + b"\n"
    argv = [sys.executable, "-I", "-c", code]
    done = subprocess.run(argv, input=piped, env=shared.env, capture_output=True, timeout=30)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [0]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=30)))
def test_lines_are_the_same_however_they_are_cut_into_chunks(chunks: list[bytes]) -> None:
    lines = Lines()
    fed = [line for chunk in chunks for line, _ in lines.feed(chunk)]
    assert fed == b"".join(chunks).split(b"\n")[:-1]
