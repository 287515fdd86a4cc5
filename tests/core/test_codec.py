"""Values survive being written; what was not written so is refused without being quoted."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ao_core.errors import Corrupt, StoreError
from ao_core.ids import ProjectId, SessionId
from ao_core.model.event import SPECS, Body, EventKind, NewEvent, Said
from ao_core.model.session import Session, SessionFacts, SessionReason, SessionState
from ao_core.store import codec
from ao_core.store.contract import Kind
from ao_core.store.records import COUNTER, CURSOR, KINDS, MESSAGE, SESSION, Counter, Cursor, Message

st.register_type_strategy(datetime, st.datetimes(timezones=st.just(UTC)))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MESSAGE_1 = Message("msg-1", SessionId("app-1"), "hush", "lead", "t", NOW)
BODIES: tuple[type, ...] = get_args(Body)
relaxed = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def session(at: datetime = NOW) -> Session:
    facts = SessionFacts(SessionState.WORKING, SessionReason.TASK_IN_PROGRESS, at)
    made = (SessionId("app-1"), ProjectId("app"), at, "title", "agent", "tmux", "worktree")
    return Session(*made, facts)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
@relaxed
def test_every_record_survives(kind: Kind[Any], data: st.DataObject) -> None:
    value = data.draw(st.from_type(kind.type))
    read = codec.decode_record(kind, codec.encode_record(kind, value))
    assert read == value
    assert type(read) is kind.type


@pytest.mark.parametrize("body", BODIES)
@given(data=st.data())
@relaxed
def test_every_event_body_survives(body: type[Body], data: st.DataObject) -> None:
    value = data.draw(st.from_type(body))
    for kind, spec in SPECS.items():
        if spec.body is body:
            event = NewEvent(kind, value)
            assert codec.decode_body(kind.value, codec.encode_body(event)) == value


def test_every_kind_of_record_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert len({kind.type for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("hours", [0, 2, -7])
def test_moments_are_written_and_read_in_utc(hours: int) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=hours)))
    written = codec.encode(session(there))
    assert json.loads(written)["facts"]["since"] == "2026-01-02T03:04:05.678901Z"
    read = codec.decode(Session, written)
    assert read.facts.since == NOW
    assert read.facts.since.utcoffset() == timedelta(0)
    assert codec.decode_moment(codec.encode_moment(there)) == NOW
    assert codec.encode_moment(there) == codec.encode_moment(NOW)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_written_moments_sort_as_time_does(one: datetime, other: datetime) -> None:
    written = codec.encode_moment(one) < codec.encode_moment(other)
    assert written == (one < other)


@pytest.mark.parametrize(
    "value",
    [
        session(datetime(2026, 1, 1)),  # noqa: DTZ001
        Counter("hush", "many"),  # type: ignore[arg-type]
        Counter(b"hush", 1),  # type: ignore[arg-type]
        Counter("hush\udc80", 1),
        SessionFacts("hush", SessionReason.PR_MERGED, NOW),  # type: ignore[arg-type]
    ],
)
def test_what_could_not_be_read_back_is_not_written(value: object) -> None:
    with pytest.raises(StoreError) as refused:
        codec.encode(value)
    assert type(value).__name__ in refused.value.message
    assert refused.value.hint
    assert "hush" not in repr(refused.value)
    assert refused.value.__suppress_context__


def test_a_record_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="counter holds Counter, not Cursor"):
        codec.encode_record(COUNTER, Cursor("hush", 1))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"state": "hush"}, "Message.state"),
        ({"created_at": "2026-01-01T00:00:00"}, "Message.created_at"),
        ({"created_at": "2026-01-01T00:00:00+02:00"}, "Message.created_at"),
        ({"created_at": 1}, "Message.created_at"),
        ({"generation": "1"}, "Message.generation"),
        ({"generation": True}, "Message.generation"),
        ({"body": None}, "Message.body"),
    ],
)
def test_a_damaged_field_is_named_and_not_quoted(change: dict[str, object], where: str) -> None:
    written = json.loads(codec.encode(MESSAGE_1)) | change
    with pytest.raises(Corrupt) as refused:
        codec.decode_record(MESSAGE, json.dumps(written))
    assert where in refused.value.message
    assert refused.value.hint
    assert "hush" not in repr(refused.value)
    assert refused.value.__suppress_context__


def test_a_missing_field_without_a_default_is_damage() -> None:
    with pytest.raises(Corrupt, match=r"Cursor\.seq"):
        codec.decode_record(CURSOR, '{"reader": "a"}')


def refuse(kind: Kind[Any], text: str) -> None:
    with pytest.raises(Corrupt):
        codec.decode_record(kind, text)


@given(st.one_of(st.text(), st.recursive(st.none(), st.lists).map(json.dumps)))
def test_garbage_is_damage_and_nothing_else(text: str) -> None:
    for kind in KINDS:
        refuse(kind, text)
    with pytest.raises(Corrupt):
        codec.decode_body(EventKind.SESSION_REPORTED.value, text)
    with pytest.raises(Corrupt):
        codec.decode_body(f"no.{text}", '{"text": "x"}')


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"])
def test_a_damaged_moment_is_damage(text: str) -> None:
    with pytest.raises(Corrupt):
        codec.decode_moment(text)


def test_a_field_of_a_newer_version_is_ignored() -> None:
    assert codec.decode_body("session.reported", '{"text": "x", "mood": "good"}') == Said("x")


def test_a_record_of_an_older_version_gets_the_defaults() -> None:
    written = json.loads(codec.encode(session()))
    required = {"id", "project", "created_at", "title", "agent", "runtime", "workspace", "facts"}
    older = {name: written[name] for name in required}
    assert codec.decode_record(SESSION, json.dumps(older)) == session()
