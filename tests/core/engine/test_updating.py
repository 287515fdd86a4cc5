"""Whose files are left alone while nobody knows that its turn has ended."""

from typing import Any

import pytest

from ao_core.engine.updating import may_be_at_work
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.session import SessionState
from books import START, a_session, over

ACTIVE = Activity(ActivityState.ACTIVE, START, Source.HOOK)
BLOCKED = Activity(ActivityState.BLOCKED, START, Source.HOOK)


@pytest.mark.parametrize(
    ("state", "more", "left"),
    [
        (SessionState.DETECTING, {}, True),
        (SessionState.STUCK, {"activity": ACTIVE}, True),
        (SessionState.STUCK, {"turn": "msg-1", "activity": BLOCKED}, True),
        (SessionState.STUCK, {"activity": BLOCKED}, False),
        (SessionState.IDLE, {"activity": ACTIVE}, False),
    ],
)
def test_one_that_may_be_at_work_is_left_alone(
    state: SessionState, more: dict[str, Any], left: bool
) -> None:
    session = a_session(state=state, **more)
    assert (may_be_at_work(session) is not None) == left
    assert may_be_at_work(over(session)) is None
