"""Every kind of event has its body and its priority."""

import ast
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

import ao_core
import ao_mcp
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
        (EventKind.EVIDENCE_VERIFIED, Priority.INFO),
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


# -- whether it can happen -------------------------------------------------------------------------


def test_every_kind_can_happen() -> None:
    made = {name for path in _code() for name in _made(ast.parse(path.read_text()))}
    assert [kind.name for kind in EventKind if kind.name not in made] == []


def _code() -> Iterator[Path]:
    """All that could make an event: what only says which kinds there are makes none."""
    for package in (ao_core, ao_mcp):
        folder = Path(package.__path__[0])
        yield from (path for path in folder.rglob("*.py") if path.parent != folder / "model")


def _made(node: ast.AST) -> Iterator[str]:
    """The kinds that are named other than to recognise an event of them."""
    if isinstance(node, ast.Set | ast.Compare):
        return
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id in ("EventKind", "_K"):
            yield node.attr
        return
    parts = node.values if isinstance(node, ast.Dict) else ast.iter_child_nodes(node)
    for part in parts:
        yield from _made(part)
