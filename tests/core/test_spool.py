import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ao_core import spool
from ao_core.errors import BadRequest
from ao_core.spool import HookEvent, HookKind

AT = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
NAME = "1767323045678900000-ab12.json"

KEYS = st.sampled_from(["kind", "text", "id", "token", "x"])
LEAVES = st.text() | st.sampled_from(["turn_ended", "accepted"]) | st.integers() | st.none()
OBJECTS = st.dictionaries(KEYS, LEAVES)


def content(**values: object) -> bytes:
    return json.dumps({"kind": "turn_ended"} | values).encode()


@pytest.mark.parametrize("kind", HookKind)
def test_what_a_hook_drops_is_read_back(kind: HookKind, tmp_path: Path) -> None:
    event = HookEvent("req-1", kind, AT, "two\nlines é", "tok1", "n.1", "Bash", '{"a": 1}')
    path = spool.drop(tmp_path, event)
    assert spool.pending(tmp_path) == [path]
    assert spool.read(path) == event


def test_a_file_says_when_and_names_an_event_without_an_id() -> None:
    event = spool.parse(NAME, content())
    assert (event.id, event.at) == (NAME.removesuffix(".json"), AT)


def test_events_wait_in_the_order_they_happened(tmp_path: Path) -> None:
    moments = [AT + timedelta(microseconds=n) for n in (30, 5, 100, 7)]
    dropped = {m: spool.drop(tmp_path, HookEvent("x", HookKind.REPORTED, m)) for m in moments}
    assert spool.pending(tmp_path) == [dropped[moment] for moment in sorted(moments)]


def test_unfinished_and_foreign_files_do_not_wait(tmp_path: Path) -> None:
    for name in (f".{NAME}.tmp", "notes.json", "1-a.json", "1767323045678900000-a/b.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content())
    assert spool.pending(tmp_path) == []
    assert spool.pending(tmp_path / "missing") == []


def test_a_failed_drop_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        spool.drop(tmp_path, HookEvent("x", HookKind.REPORTED, AT))
    assert list(tmp_path.iterdir()) == []


def test_text_that_is_no_unicode_arrives_as_some(tmp_path: Path) -> None:
    path = spool.drop(tmp_path, HookEvent("x", HookKind.REPORTED, AT, text="\ud800"))
    assert spool.read(path).text == "\ufffd"


def test_text_that_is_too_long_is_cut_to_what_may_be_read(tmp_path: Path) -> None:
    long = HookEvent("x", HookKind.WAITING_INPUT, AT, text="é" * 200_000)
    path = spool.drop(tmp_path, long)
    assert path.stat().st_size <= spool.LIMIT
    assert set(spool.read(path).text or "") == {"é"}


def test_terminal_commands_are_taken_out_of_texts() -> None:
    event = spool.parse(NAME, content(text="a\x1b[2Jb\x07\x00\u202ec\r\nd", arguments="\x9bx"))
    assert event.text == "abc\nd"
    assert event.arguments is not None
    assert event.arguments.isprintable()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'"turn_ended"',
        b'{"text": "no kind"}',
        content(kind="exploded"),
        content(extra="x"),
        content(text=1),
        content(text=None),
        content(text={"a": "b"}),
        content(id="../x"),
        content(id=""),
        content(token="a b"),
        content(token="*"),
        content(native_id="-rf"),
        content(native_id="a\nb"),
        content(tool="\x1b[2J"),
        content(tool="x" * 201),
        content(text="x" * spool.LIMIT),
        b"[" * 60_000,
        b'{"text": ' + b"9" * 5000 + b"}",
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        spool.parse(NAME, data)


@pytest.mark.parametrize(
    "name", ["", "x.json", "1-a.json", f"../{NAME}", f".{NAME}.tmp", f"{NAME}\n"]
)
def test_a_file_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        spool.parse(name, content())


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(content(text="elsewhere"))
    (tmp_path / NAME).symlink_to(secret)
    fifo = tmp_path / NAME.replace("ab12", "ff")
    os.mkfifo(fifo)
    for path in (tmp_path / NAME, fifo):
        with pytest.raises(BadRequest):
            spool.read(path)


@settings(deadline=None)  # the first of them loads what reads texts
@given(data=st.binary(max_size=300) | OBJECTS.map(lambda value: json.dumps(value).encode()))
def test_no_content_does_more_than_be_refused(data: bytes) -> None:
    try:
        event = spool.parse(NAME, data)
    except BadRequest:
        return
    (event.text or "").encode()


def test_importing_it_is_cheap() -> None:
    code = "import sys; import ao_core.spool; print(*sys.modules)"
    quiet = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    shown = subprocess.run(
        [sys.executable, "-I", "-c", code], env=quiet, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in shown.stdout.split()}
    assert loaded & {"anyio", "asyncio", "pydantic", "logging", "psutil"} == set()


# -- what a hook of an agent's own was told --------------------------------------------------------


def a_raw(folder: Path, content: str, name: str = "Stop.ab12.raw", at: datetime = AT) -> Path:
    path = folder / name
    path.write_text(content)
    moment = int(at.timestamp() * 1_000_000) * 1000
    os.utime(path, ns=(moment, moment))
    return path


def test_what_an_agents_own_hook_was_told_is_read_word_for_word(tmp_path: Path) -> None:
    path = a_raw(tmp_path, '{"a": {"b": "c"}, "n": 1}')
    assert spool.pending(tmp_path) == [path]
    assert spool.is_raw(path)
    told = spool.read_raw(path)
    assert (told.hook, told.at, told.payload) == ("Stop", AT, {"a": {"b": "c"}, "n": 1})
    assert (told.text("a", "b"), told.text("n"), told.text("a"), told.text("x", "y")) == (
        *("c", "", ""), "",
    )  # fmt: skip


def test_both_kinds_wait_in_the_order_they_happened(tmp_path: Path) -> None:
    second = AT + timedelta(seconds=1)
    last = a_raw(tmp_path, "{}", at=second + timedelta(seconds=1))
    event = spool.drop(tmp_path, HookEvent("x", HookKind.REPORTED, second))
    first = a_raw(tmp_path, "{}", "Start.zz.raw", AT)
    assert spool.pending(tmp_path) == [first, event, last]


@pytest.mark.parametrize("name", [".Stop.a.raw", "a b.c.raw", "Stop.raw", "Stop.a/b.raw"])
def test_files_of_other_names_are_no_hooks(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("{}")
    assert spool.pending(tmp_path) == []


@pytest.mark.parametrize("content", ["", "[" * 100_000, '{"a"', "\udcff"])
def test_a_hook_that_was_told_nonsense_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "Stop.a.raw"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadRequest):
        spool.read_raw(path)


def test_a_hook_that_was_told_too_much_is_refused(tmp_path: Path) -> None:
    path = a_raw(tmp_path, json.dumps({"a": "x" * spool.RAW_LIMIT}))
    with pytest.raises(BadRequest, match="longer than"):
        spool.read_raw(path)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(BadRequest):
        spool.read_raw(path)


def test_in_our_words_what_is_odd_is_left_out(tmp_path: Path) -> None:
    told = spool.read_raw(a_raw(tmp_path, "{}"))
    event = told.event(HookKind.TURN_ENDED, "so\x1b[2J", native_id="../x", token="abc", tool="Bash")
    assert (event.id, event.kind, event.at) == (told.id, HookKind.TURN_ENDED, AT)
    assert (event.native_id, event.token, event.tool) == (None, "abc", "Bash")
    assert "\x1b" not in str(event.text)
