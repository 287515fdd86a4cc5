"""The client's side of the engine's socket, against a peer that a test scripts line by line."""

import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ao_core import errors, wire
from ao_core.errors import AoError, BadRequest, VersionMismatch

Peer = Callable[[socket.socket, "Lines"], None]
GREETING = wire.Greeting("0.1.0", "0123abcd").line()


class Lines:
    def __init__(self, peer: socket.socket) -> None:
        self.peer, self.received = peer, bytearray()

    def next(self) -> dict[str, Any]:
        return wire.decode(wire.receive_line(self.peer, self.received, None))


@contextmanager
def scripted(folder: Path, peer: Peer) -> Generator[Path]:
    """A socket whose one client is answered by `peer`."""
    path = folder / "s"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        accepted, _ = listener.accept()
        with accepted:
            peer(accepted, Lines(accepted))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield path
    finally:
        thread.join(5)
        listener.close()


def open_to(path: Path) -> wire.Connection:
    return wire.connect(path, wire.Preamble(wire.OPERATIONS, role="person"), 5)


def test_a_call_is_answered_and_told_of_progress(tmp_path: Path) -> None:
    def peer(accepted: socket.socket, lines: Lines) -> None:
        assert lines.next()["face"] == "operations"
        accepted.sendall(GREETING)
        request = lines.next()
        told = {"done": 1, "total": 2, "text": "half"}
        accepted.sendall(wire.encode({"id": 99, "result": {"of": "another call"}}))
        accepted.sendall(wire.encode({"id": request["id"], "progress": told}))
        accepted.sendall(wire.encode({"id": request["id"], "result": request["params"]}))

    heard: list[tuple[float, float | None, str]] = []

    def hear(done: float, total: float | None, text: str) -> None:
        heard.append((done, total, text))

    with scripted(tmp_path, peer) as path, open_to(path) as connection:
        assert connection.greeting == wire.Greeting("0.1.0", "0123abcd")
        said = connection.call("echo", {"a": "\n\ud800"}, 5, hear)
    assert said == {"a": "\n\ud800"}
    assert heard == [(1.0, 2, "half")]


def test_an_error_comes_back_as_the_class_it_was(tmp_path: Path) -> None:
    wrong = errors.WrongState("It is not running.", hint="Start it.")

    def peer(accepted: socket.socket, lines: Lines) -> None:
        lines.next()
        accepted.sendall(GREETING)
        accepted.sendall(wire.encode({"id": lines.next()["id"], "error": wrong.wire()}))

    with scripted(tmp_path, peer) as path, open_to(path) as connection:
        with pytest.raises(errors.WrongState, match="not running") as caught:
            connection.call("echo")
        assert caught.value.hint == "Start it."


def test_a_call_that_takes_too_long_is_cancelled(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def peer(accepted: socket.socket, lines: Lines) -> None:
        lines.next()
        accepted.sendall(GREETING)
        seen.extend([lines.next(), lines.next()])

    with scripted(tmp_path, peer) as path, open_to(path) as opened, pytest.raises(errors.TimedOut):
        opened.call("wait", deadline=0.05)
    assert seen[1] == {"id": seen[0]["id"], "cancel": True}


def test_an_engine_that_goes_away_mid_call_is_told_as_restarted(tmp_path: Path) -> None:
    def peer(accepted: socket.socket, lines: Lines) -> None:
        lines.next()
        accepted.sendall(GREETING)
        lines.next()

    gone = pytest.raises(errors.EngineRestarted)
    with scripted(tmp_path, peer) as path, open_to(path) as opened, gone:
        opened.call("wait", deadline=5)


def test_a_refusal_is_raised_as_the_engine_meant_it(tmp_path: Path) -> None:
    def peer(accepted: socket.socket, lines: Lines) -> None:
        lines.next()
        accepted.sendall(wire.refusal(errors.Refused("no", hint="Ask first.")))

    with scripted(tmp_path, peer) as path, pytest.raises(errors.Refused, match="no"):
        open_to(path)


def test_nobody_at_the_socket_is_unreachable_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(errors.EngineUnreachable) as caught:
        open_to(tmp_path / "nothing")
    assert caught.value.hint


def test_a_preamble_survives_the_wire_and_hides_its_secrets() -> None:
    sent = wire.Preamble(
        wire.MCP, "worker", "0.1.0", "/a\nb", 7, "token", "/c.yaml", "test", "core,flow",
        read_only=True, env={"GH_TOKEN": "s3cret"},
    )  # fmt: skip
    assert wire.read_preamble(sent.line()) == sent
    assert "s3cret" not in repr(sent)
    assert "token" not in repr(sent)


def test_a_different_protocol_is_refused_with_advice() -> None:
    line = wire.encode({"ao": 2, "face": "mcp", "role": "lead"})
    with pytest.raises(VersionMismatch) as caught:
        wire.read_preamble(line)
    assert "ao restart" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "change",
    [
        {"face": "ftp-secret"},
        {"role": "root-secret"},
        {"role": None},
        {"client": "secret\x1b[2J"},
        {"token": "secret\n"},
        {"cwd": "secret\0b"},
        {"cwd": "secret" * 5000},
        {"config": 7},
    ],
)
def test_a_wrong_preamble_is_refused_without_quoting_it(change: dict[str, object]) -> None:
    fields = {"ao": 1, "face": "mcp", "role": "lead"} | change
    with pytest.raises(BadRequest) as caught:
        wire.read_preamble(wire.encode(fields))
    assert "secret" not in caught.value.message


VALUES = st.recursive(st.none() | st.integers() | st.text(), lambda v: st.lists(v, max_size=3))
KEYS = st.sampled_from(["ao", "face", "env", "pid", "cwd", "x"])


@given(st.binary(max_size=300) | st.dictionaries(KEYS, VALUES).map(json.dumps).map(str.encode))
def test_no_first_line_raises_anything_but_our_errors(line: bytes) -> None:
    with pytest.raises(AoError):
        wire.read_preamble(line)


def test_a_line_nested_beyond_reason_is_refused() -> None:
    with pytest.raises(BadRequest):
        wire.decode(b"[" * 200_000)


def test_the_snapshot_leaves_out_junk_and_what_is_too_much() -> None:
    environment = {"PATH": "/bin", "GH_TOKEN": "t", "SHLVL": "1", "_": "x", "BASH_FUNC_a%%": "()"}
    environment |= {"HUGE": "x" * 100_000}
    environment |= {f"BIG{n}": "x" * 60_000 for n in range(20)}
    snapshot = wire.environment_snapshot(environment)
    assert {"PATH", "GH_TOKEN"} <= snapshot.keys()
    assert snapshot.keys().isdisjoint({"SHLVL", "_", "BASH_FUNC_a%%", "HUGE"})
    assert len(wire.Preamble(wire.MCP, env=snapshot).line()) < wire.PREAMBLE_LIMIT


def test_bytes_that_are_no_text_survive_in_the_environment() -> None:
    value = b"caf\xe9".decode(errors="surrogateescape")
    sent = wire.Preamble(wire.MCP, env=wire.environment_snapshot({"NAME": value}))
    assert wire.read_preamble(sent.line()).env == {"NAME": value}


@pytest.mark.parametrize("kind", [errors.Refused, errors.RateLimited, errors.CommandFailed])
def test_every_kind_of_error_can_be_told_over_the_wire(kind: type[AoError]) -> None:
    told = wire.error_from_wire(kind("It went wrong.").wire())
    assert (type(told), told.message) == (kind, "It went wrong.")


def test_several_problems_arrive_one_by_one() -> None:
    sent = errors.Several([errors.Refused("a", hint="b"), errors.Unknown("c")])
    assert wire.error_from_wire(sent.wire()).wire() == sent.wire()


def test_an_error_of_a_later_version_is_shown_as_it_came() -> None:
    shown = {"code": "from_the_future", "message": "m", "retryable": True, "hint": "h"}
    assert wire.error_from_wire(shown).wire() == shown


@pytest.mark.parametrize("shown", [None, [], {"problems": 3, "code": "several_problems"}])
def test_an_error_without_form_is_still_an_error(shown: object) -> None:
    assert isinstance(wire.error_from_wire(shown), AoError)
