"""Lines of JSON-RPC, however they are cut."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ao_core.drive import messages
from ao_core.drive.messages import Failure, Noise, Notice, Request, Result, Splitter, parse

texts = st.text(max_size=40)


@given(st.lists(texts, max_size=8), st.data())
def test_lines_are_put_together_however_they_are_cut(said: list[str], data: st.DataObject) -> None:
    lines = [messages.notice("m", {"text": one}) for one in said]
    whole, split, found = b"".join(lines), Splitter(), list[bytes]()
    while whole:
        cut = data.draw(st.integers(1, len(whole)))
        found += split.feed(whole[:cut])
        whole = whole[cut:]
    assert [line + b"\n" for line in found] == lines
    assert split.empty


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    split = Splitter()
    half = b"x" * (messages.LINE_LIMIT // 2 + 1)
    assert list(split.feed(half)) == []
    assert list(split.feed(half)) == []
    assert split.dropping
    assert split.empty
    assert list(split.feed(b'end\n{"method":"m"}\n')) == [b'{"method":"m"}']
    assert not split.dropping
    assert split.empty


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_noise(data: bytes) -> None:
    assert isinstance(parse(data), Request | Notice | Result | Failure | Noise)


@given(st.recursive(st.none() | st.booleans() | st.integers() | texts, st.lists, max_leaves=5))
def test_any_json_is_a_message_or_noise(value: object) -> None:
    for said in (value, {"id": value}, {"id": 1, "error": value}, {"method": value, "id": value}):
        found = parse(json.dumps(said).encode())
        assert isinstance(found, Request | Notice | Result | Failure | Noise)


def test_what_is_written_can_be_read() -> None:
    assert parse(messages.request(3, "m", {"a": "é\n"})) == Request(3, "m", {"a": "é\n"})
    assert parse(messages.notice("m", {})) == Notice("m", {})
    assert parse(messages.result("x", {"b": 1})) == Result("x", {"b": 1})
    assert parse(messages.refusal(4, -32601, "no")) == Failure(4, -32601, "no")


def test_one_and_true_are_not_the_same_id() -> None:
    assert isinstance(parse(b'{"id": true, "result": {}}'), Noise)


def test_the_detail_of_an_error_is_kept() -> None:
    line = b'{"id": 1, "error": {"code": -32603, "message": "Internal", "data": "no credit"}}'
    assert parse(line) == Failure(1, -32603, "Internal: no credit")


def test_bytes_that_are_no_text_are_noise() -> None:
    found = parse(b'{"method": "m", "params": {"a": "\xed\xa0\x80"}}')
    assert isinstance(found, Noise)
    found.text.encode()


def test_half_a_character_becomes_one_that_can_be_stored() -> None:
    found = parse(b'{"method": "m", "params": {"a\\ud800": ["x\\uDFFFy"], "b": "\\ud83d\\ude42"}}')
    assert isinstance(found, Notice)
    json.dumps(found.params, ensure_ascii=False).encode()
    assert found.params["b"] == "🙂"
    assert "x" in str(found.params)
