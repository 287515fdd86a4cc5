import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ao_core.activity import Evidence, cascade, decay, last, record
from ao_core.errors import StoreUnavailable
from ao_core.model.activity import ACTIONABLE, READY_WINDOW, Activity, ActivityState, Source

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACTIVE, READY, IDLE = ActivityState.ACTIVE, ActivityState.READY, ActivityState.IDLE
WAITING, BLOCKED = ActivityState.WAITING_INPUT, ActivityState.BLOCKED
EXITED = ActivityState.EXITED
RANK = {ACTIVE: 2, READY: 1, IDLE: 0}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def native(state: ActivityState, seconds: float) -> Activity:
    return Activity(state, ago(seconds), Source.NATIVE)


def log(workspace: Path, state: ActivityState, seconds: float) -> None:
    record(workspace, state, Source.HOOK, ago(seconds))


async def judge(
    workspace: Path,
    own: Activity | None = None,
    *,
    alive: bool | None = True,
    screen: ActivityState | None = None,
    threshold: timedelta = READY_WINDOW,
) -> ActivityState | None:
    evidence = Evidence(workspace, alive, native=own, screen=screen)
    found = await cascade(evidence, NOW, threshold)
    return found and found.state


async def test_a_dead_process_has_exited_whatever_else_is_said(tmp_path: Path) -> None:
    log(tmp_path, WAITING, 1)
    evidence = Evidence(tmp_path, False, ago(60), native(ACTIVE, 1), ACTIVE)
    assert await cascade(evidence, NOW) == Activity(EXITED, ago(60), Source.PROCESS)


async def test_a_death_of_unknown_time_is_dated_now(tmp_path: Path) -> None:
    assert await cascade(Evidence(tmp_path, False), NOW) == Activity(EXITED, NOW, Source.PROCESS)


async def test_a_process_nobody_could_look_at_is_not_dead(tmp_path: Path) -> None:
    assert await judge(tmp_path, alive=None) is None
    assert await judge(tmp_path, native(ACTIVE, 1), alive=None) is ACTIVE


@pytest.mark.parametrize("state", sorted(ACTIONABLE))
async def test_the_agents_own_question_comes_before_the_activity_log(
    tmp_path: Path, state: ActivityState
) -> None:
    log(tmp_path, ACTIVE, 1)
    assert await judge(tmp_path, native(state, 600)) is state


@pytest.mark.parametrize("state", sorted(ACTIONABLE))
@pytest.mark.parametrize(("age", "current"), [(0, True), (300, True), (300.1, False), (9e5, False)])
async def test_a_question_in_the_activity_log_counts_for_five_minutes(
    tmp_path: Path, state: ActivityState, age: float, current: bool
) -> None:
    log(tmp_path, state, age)
    assert await judge(tmp_path) is (state if current else IDLE)


async def test_a_question_comes_before_older_signs_of_work_and_after_newer(tmp_path: Path) -> None:
    log(tmp_path, WAITING, 60)
    assert await judge(tmp_path, native(ACTIVE, 70)) is WAITING
    assert await judge(tmp_path, native(ACTIVE, 10)) is ACTIVE


@pytest.mark.parametrize(
    ("age", "state"),
    [(0, ACTIVE), (29.9, ACTIVE), (30, READY), (300, READY), (300.1, IDLE), (9e6, IDLE)],
)
async def test_the_agents_own_time_decides(
    tmp_path: Path, age: float, state: ActivityState
) -> None:
    assert await judge(tmp_path, native(ACTIVE, age)) is state


@pytest.mark.parametrize(
    ("age", "state"),
    [(0, ACTIVE), (29.9, ACTIVE), (30, READY), (300, READY), (300.1, IDLE), (9e6, IDLE)],
)
async def test_the_last_entry_is_what_there_is_to_fall_back_to(
    tmp_path: Path, age: float, state: ActivityState
) -> None:
    log(tmp_path, ACTIVE, age)
    assert await judge(tmp_path) is state


async def test_an_agent_is_active_no_longer_than_the_threshold(tmp_path: Path) -> None:
    short = timedelta(seconds=10)
    assert await judge(tmp_path, native(ACTIVE, 9), threshold=short) is ACTIVE
    assert await judge(tmp_path, native(ACTIVE, 11), threshold=short) is IDLE


async def test_a_log_that_stands_still_gives_way_to_what_was_seen_since(tmp_path: Path) -> None:
    log(tmp_path, ACTIVE, 1)
    assert await judge(tmp_path, native(ACTIVE, 600)) is ACTIVE
    assert await judge(tmp_path, native(IDLE, 600)) is IDLE


@pytest.mark.parametrize("state", [ACTIVE, READY, IDLE, WAITING, BLOCKED])
async def test_a_screen_counts_and_is_written_down(tmp_path: Path, state: ActivityState) -> None:
    assert await judge(tmp_path, screen=state) is state
    assert last(tmp_path) == Activity(state, NOW, Source.SCREEN)


async def test_a_screen_counts_where_it_cannot_be_written_down(tmp_path: Path) -> None:
    (tmp_path / ".ao").write_text("in the way")
    assert await judge(tmp_path, screen=WAITING) is WAITING
    assert await judge(tmp_path / "gone", screen=WAITING) is WAITING
    assert not (tmp_path / "gone").exists()


async def test_an_entry_from_the_future_is_not_believed(tmp_path: Path) -> None:
    log(tmp_path, ACTIVE, -3600)
    assert await judge(tmp_path) is IDLE
    log(tmp_path, WAITING, -3600)
    assert await judge(tmp_path) is IDLE


async def test_a_clock_that_is_a_little_ahead_is_forgiven(tmp_path: Path) -> None:
    assert await judge(tmp_path, native(ACTIVE, -2)) is ACTIVE


def test_nothing_is_known_where_nothing_was_written(tmp_path: Path) -> None:
    assert last(tmp_path) is None
    assert last(tmp_path / "missing") is None


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    seen = record(tmp_path, WAITING, Source.HOOK, NOW, "which\x1b[2J colour?\x07")
    assert seen == last(tmp_path) == Activity(WAITING, NOW, Source.HOOK, "which colour?")


def lines(workspace: Path) -> int:
    return (workspace / ".ao" / "activity.jsonl").read_bytes().count(b"\n")


@pytest.mark.parametrize(
    ("state", "age", "count"),
    [(ACTIVE, 19.9, 1), (ACTIVE, 20, 2), (IDLE, 1, 1), (WAITING, 1, 2), (BLOCKED, 1, 2)],
)
def test_what_was_noted_moments_ago_is_not_noted_again(
    tmp_path: Path, state: ActivityState, age: float, count: int
) -> None:
    record(tmp_path, state, Source.SCREEN, ago(age))
    record(tmp_path, state, Source.SCREEN, NOW)
    assert lines(tmp_path) == count


def test_a_change_is_noted_at_once(tmp_path: Path) -> None:
    record(tmp_path, ACTIVE, Source.SCREEN, ago(1))
    record(tmp_path, IDLE, Source.SCREEN, NOW)
    assert lines(tmp_path) == 2


def test_a_long_log_begins_anew_and_loses_no_last_word(tmp_path: Path) -> None:
    record(tmp_path, IDLE, Source.SCREEN, ago(60))
    path = tmp_path / ".ao" / "activity.jsonl"
    path.write_bytes(path.read_bytes() * 20_000)
    record(tmp_path, ACTIVE, Source.SCREEN, NOW)
    assert lines(tmp_path) == 1
    assert last(tmp_path) == Activity(ACTIVE, NOW, Source.SCREEN)


def test_a_folder_in_the_way_is_told_of(tmp_path: Path) -> None:
    (tmp_path / ".ao").write_text("")
    with pytest.raises(StoreUnavailable):
        record(tmp_path, ACTIVE, Source.SCREEN, NOW)


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff\x00",
        b"{",
        b"[1]",
        b"[" * 9000,
        b'{"ts": "soon", "state": "active"}',
        b'{"ts": "2026-01-01T12:00:00", "state": "active"}',
        b'{"ts": "0001-01-01T00:00:00+23:00", "state": "active"}',
        b'{"ts": "2026-01-01T12:00:00Z", "state": ["active"]}',
        b'{"ts": "2026-01-01T12:00:00Z", "state": "happy"}',
        b'{"ts": 5, "state": "active"}',
    ],
)
def test_lines_that_make_no_sense_are_passed_over(tmp_path: Path, junk: bytes) -> None:
    record(tmp_path, READY, Source.HOOK, NOW)
    with (tmp_path / ".ao" / "activity.jsonl").open("ab") as file:
        file.write(junk + b"\n")
    assert last(tmp_path) == Activity(READY, NOW, Source.HOOK)


def test_an_entry_of_another_writer_is_understood(tmp_path: Path) -> None:
    (tmp_path / ".ao").mkdir()
    entry = {"ts": "2026-01-01T13:00:00+01:00", "state": "blocked", "more": 1}
    (tmp_path / ".ao" / "activity.jsonl").write_text(json.dumps(entry))
    assert last(tmp_path) == Activity(BLOCKED, NOW, Source.LOG)


@given(
    state=st.sampled_from([s for s in ActivityState if s not in ACTIONABLE]),
    ages=st.tuples(*[st.floats(0, 1e6)] * 2).map(sorted),
    threshold=st.floats(0, 1e4),
)
def test_time_only_ever_lowers_a_state(
    state: ActivityState, ages: list[float], threshold: float
) -> None:
    window = timedelta(seconds=threshold)
    young, old = (decay(native(state, age), NOW, window).state for age in ages)
    assert RANK[old] <= RANK[young] <= RANK.get(state, 0)


@given(
    state=st.sampled_from(sorted(ACTIONABLE)), ages=st.tuples(*[st.floats(0, 1e6)] * 2).map(sorted)
)
def test_a_question_that_lapsed_never_comes_back(state: ActivityState, ages: list[float]) -> None:
    young, old = (decay(native(state, age), NOW).state for age in ages)
    assert (young, old) in {(state, state), (state, IDLE), (IDLE, IDLE)}
