"""Every kind of event has its body and its priority."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import get_args

import pytest

from ao_core.model.event import (
    SPECS,
    Body,
    Ended,
    Event,
    EventKind,
    Moved,
    NewEvent,
    Priority,
    Said,
    Spec,
    Started,
)

BODIES: tuple[type, ...] = get_args(Body)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_kind_has_a_body_and_a_priority() -> None:
    assert set(SPECS) == set(EventKind)


def test_every_body_is_carried_by_some_kind() -> None:
    assert {spec.body for spec in SPECS.values()} == set(BODIES)


def test_kinds_are_named_by_subject_and_what_happened() -> None:
    assert [kind for kind in EventKind if kind.count(".") != 1 or not kind.islower()] == []


@pytest.mark.parametrize("body", BODIES)
def test_a_body_is_a_frozen_slotted_value(body: type) -> None:
    assert is_dataclass(body)
    assert body.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert set(body.__slots__) == {field.name for field in fields(body)}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "spec"), SPECS.items())
def test_a_kind_refuses_every_body_but_its_own(kind: EventKind, spec: Spec) -> None:
    for body in (Said("x"), Started("t", "a"), Moved("a", "b", "r"), Ended("r")):
        if type(body) is spec.body:
            assert NewEvent(kind, body).body is body
        else:
            with pytest.raises(TypeError, match=f"{kind} carries {spec.body.__name__}, not"):
                NewEvent(kind, body)


@pytest.mark.parametrize(
    ("kind", "priority"),
    [
        (EventKind.SESSION_NEEDS_INPUT, Priority.URGENT),
        (EventKind.SESSION_STUCK, Priority.URGENT),
        (EventKind.SESSION_ERRORED, Priority.URGENT),
        (EventKind.PERMISSION_ASKED, Priority.URGENT),
        (EventKind.REVIEW_APPROVED, Priority.ACTION),
        (EventKind.MERGE_READY, Priority.ACTION),
        (EventKind.MERGE_COMPLETED, Priority.ACTION),
        (EventKind.CI_FAILING, Priority.WARNING),
        (EventKind.REVIEW_CHANGES_REQUESTED, Priority.WARNING),
        (EventKind.MERGE_CONFLICTS, Priority.WARNING),
        (EventKind.SUMMARY_ALL_COMPLETE, Priority.INFO),
        (EventKind.SESSION_WORKING, Priority.INFO),
    ],
)
def test_an_event_is_as_urgent_as_its_kind(kind: EventKind, priority: Priority) -> None:
    body = Said("x")
    assert Event(1, NOW, kind, body).priority is priority


def test_whatever_went_wrong_is_no_mere_information() -> None:
    bad = ("failed", "failing", "uncertain", "expired", "unresolved", "stuck", "errored", "blocked")
    kinds = [kind for kind in EventKind if kind.endswith(bad)]
    assert len(kinds) > 8
    assert [kind for kind in kinds if SPECS[kind].priority is Priority.INFO] == []
