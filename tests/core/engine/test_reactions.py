"""Reactions as the journal goes on, and what of them survives an engine."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ao_core.config.models import DEFAULT_REACTIONS, Reaction
from ao_core.engine.records import Step
from ao_core.errors import ConfigError
from ao_core.ids import ProjectId, SessionId
from ao_core.model.event import (
    EventKind,
    Merged,
    Moved,
    Priority,
    Reacted,
    Said,
    Shown,
    Summary,
)
from ao_core.model.evidence import Evidence, Verdict
from ao_core.model.session import (
    SessionFacts,
    SessionState,
    Word,
)
from ao_core.model.session import SessionReason as Reason
from ao_core.model.standing import Footing, Standing
from ao_core.store.records import EVIDENCE, MESSAGE, PURSUIT
from ao_core.testing.clock import FakeClock
from books import START, Books, a_session, books_on, clock_of, opened_books, over
from core.engine.reacting import (
    AUTO,
    FAILING,
    LEFT,
    MOST,
    READY,
    RED,
    Merges,
    caught_up,
    happened,
    in_state,
    reacted,
    reacting,
    told,
)
from fused_store import Crash, FusedStore


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as opened:
        yield opened


async def test_a_failed_check_goes_back_to_its_worker_once_with_what_it_says(books: Books) -> None:
    await books.keep(a_session(pr=FAILING, base="main"))
    async with reacting(books) as reactions:
        await happened(books, EventKind.CI_FAILING, RED)
        await happened(books, EventKind.CI_FAILING, RED)
        await caught_up(reactions, books)
        (text,) = told(books)
        assert "Find the cause" in text
        assert "lint: line 3 is too long" in text.split("<data")[1]
        assert await reacted(books) == [("triggered", "ci-failed", "send-to-agent")]
        assert len(await books.journal(EventKind.CI_FIX_SENT)) == 1


async def test_what_is_tried_often_enough_is_escalated_and_a_passing_check_begins_anew(
    books: Books,
) -> None:
    await books.keep(a_session(pr=FAILING))
    async with reacting(books) as reactions:
        for head in "abcd":
            await happened(books, EventKind.CI_FAILING, replace(RED, head=head))
        await caught_up(reactions, books)
        assert len(told(books)) == 2
        assert [one[0] for one in await reacted(books)] == ["triggered", "triggered", "escalated"]
        await happened(books, EventKind.CI_PASSING, RED)
        await caught_up(reactions, books)
        assert list(books.records.all(PURSUIT)) == []
        await happened(books, EventKind.CI_FAILING, replace(RED, head="e"))
        await caught_up(reactions, books)
        assert len(told(books)) == 3


async def test_a_merge_that_fails_goes_back_once_for_the_same_two_commits(books: Books) -> None:
    await books.keep(a_session(pr=FAILING, base="main"))
    failed = Merged("main", "merge", head="h", onto="m1", why="gate x ended with status 1")
    async with reacting(books) as reactions:
        for body in (failed, replace(failed, why="at another time"), replace(failed, onto="m2")):
            await happened(books, EventKind.MERGE_FAILED, body)
        await caught_up(reactions, books)
        first, second = told(books)
        assert "gates fail on the result" in first
        assert "gate x ended" in first.split("<data")[1]
        assert "gate x ended" in second
        await happened(books, EventKind.PR_UPDATED, RED)
        await happened(books, EventKind.MERGE_FAILED, failed)
        await caught_up(reactions, books)
        assert len(told(books)) == 3


async def test_a_review_that_took_itself_to_the_worker_is_followed_up_and_not_sent_again(
    books: Books,
) -> None:
    await books.keep(a_session(pr=FAILING))
    review, key = replace(RED, message="msg-1"), "changes-requested"
    async with reacting(books, {key: DEFAULT_REACTIONS[key]}) as reactions:
        await happened(books, EventKind.REVIEW_CHANGES_REQUESTED, review)
        await caught_up(reactions, books)
        await clock_of(books).advance(31 * 60)
        await reactions.look_at_the_clock()
        await happened(books, EventKind.REVIEW_CHANGES_REQUESTED, replace(review, head="h2"))
        await caught_up(reactions, books)
        assert told(books) == []
        acts = [act for act, its, _ in await reacted(books) if its == key]
        assert acts == ["triggered", "escalated", "triggered"]


async def test_what_has_not_helped_in_time_is_escalated_by_the_clock(books: Books) -> None:
    await books.keep(a_session(pr=FAILING))
    async with reacting(books) as reactions:
        await happened(books, EventKind.MERGE_CONFLICTS, Merged("main", "merge", conflicts=("a",)))
        await caught_up(reactions, books)
        await clock_of(books).advance(14 * 60)
        await reactions.look_at_the_clock()
        assert len(await reacted(books)) == 1
        await clock_of(books).advance(61)
        await reactions.look_at_the_clock()
        await reactions.look_at_the_clock()
        assert [one[0] for one in await reacted(books)] == ["triggered", "escalated"]


async def test_the_words_and_the_way_can_be_changed(books: Books) -> None:
    await books.keep(a_session(pr=FAILING))
    rules = {"ci-failed": Reaction(action="send-to-agent", message="Look at the log.")}
    async with reacting(books, rules) as reactions:
        await happened(books, EventKind.CI_FAILING, RED)
        await caught_up(reactions, books)
        assert told(books) == ["Look at the log."]


async def causes(books: Books) -> list[str | None]:
    kinds = (EventKind.REACTION_TRIGGERED, EventKind.REACTION_ESCALATED)
    found = [event.body for event in await books.journal(*kinds)]
    return [body.cause for body in found if isinstance(body, Reacted)]


async def test_people_are_told_in_the_words_of_the_configuration(books: Books) -> None:
    await books.keep(over(a_session()))
    rules = {"agent-exited": Reaction(message="Look at it.", priority=Priority.WARNING)}
    async with reacting(books, rules) as reactions:
        await happened(books, EventKind.SESSION_EXITED, LEFT)
        await caught_up(reactions, books)
        assert await causes(books) == ["Look at it."]


async def test_words_that_are_for_the_worker_are_not_told_to_people(books: Books) -> None:
    await books.keep(a_session(pr=FAILING))
    words = Reaction(action="send-to-agent", message="Mend it.", retries=0)
    for rule in (words, replace_auto(words)):
        async with reacting(books, {"ci-failed": rule}) as reactions:
            await happened(books, EventKind.CI_FAILING, RED)
            await happened(books, EventKind.CI_PASSING, RED)
            await caught_up(reactions, books)
    assert await causes(books) == ["its checks fail: lint: line 3 is too long"] * 2


def replace_auto(rule: Reaction) -> Reaction:
    """The same, but that nothing is sent."""
    return rule.model_copy(update={"auto": False})


async def test_a_worker_that_rests_with_nothing_to_show_is_woken_at_most_so_often(
    books: Books,
) -> None:
    await books.keep(in_state(SessionState.IDLE, Reason.TURN_ENDED))
    async with reacting(books) as reactions:
        await reactions.look_at_the_clock()
        assert told(books) == []
        for _ in range(4):
            await clock_of(books).advance(301)
            await reactions.look_at_the_clock()
            await reactions.look_at_the_clock()
            facts = SessionFacts(SessionState.IDLE, Reason.TURN_ENDED, books.clock.now())
            await books.change("app-1", lambda now, facts=facts: replace(now, facts=facts))
        assert len(told(books)) == 2
        assert [one[0] for one in await reacted(books)] == ["triggered", "triggered", "escalated"]


@pytest.mark.parametrize(
    "more", [{"report": "done: it works"}, {"commits": ("c",)}, {"pr": FAILING}]
)
async def test_a_worker_with_something_to_show_may_rest(books: Books, more: Any) -> None:
    await books.keep(in_state(SessionState.IDLE, Reason.TURN_ENDED, **more))
    async with reacting(books) as reactions:
        await clock_of(books).advance(3600)
        await reactions.look_at_the_clock()
        assert told(books) == []


async def test_what_is_over_by_the_time_it_is_read_is_left_alone(books: Books) -> None:
    await books.keep(a_session())
    async with reacting(books) as reactions:
        moved = Moved("working", "stuck", "no_progress")
        await happened(books, EventKind.SESSION_STUCK, moved)  # it works again, as its record says
        await caught_up(reactions, books)
        assert await reacted(books) == []


async def test_the_end_of_the_last_one_is_told_once_until_another_begins(books: Books) -> None:
    await books.keep(over(a_session()), over(a_session("app-2")))
    async with reacting(books) as reactions:
        for session in ("app-1", "app-2"):
            await happened(books, EventKind.SESSION_EXITED, LEFT, session)
        await caught_up(reactions, books)
        (summary,) = await books.journal(EventKind.SUMMARY_ALL_COMPLETE)
        assert summary.body == Summary("All is done: 2 terminated", Priority.INFO)
        await books.keep(a_session("app-3"))
        await happened(books, EventKind.SESSION_WORKING, Moved("idle", "working", "r"), "app-3")
        await happened(books, EventKind.SESSION_EXITED, LEFT, "app-2")
        await books.keep(over(a_session("app-3")))
        await happened(books, EventKind.SESSION_EXITED, LEFT, "app-3")
        await caught_up(reactions, books)
        assert len(await books.journal(EventKind.SUMMARY_ALL_COMPLETE)) == 2


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            Reaction(message="ALL OVER", priority=Priority.URGENT),
            Summary("ALL OVER", Priority.URGENT),
        ),
        (Reaction(priority=Priority.ACTION), Summary("All is done.", Priority.ACTION)),
    ],
)
async def test_the_end_of_the_last_one_is_told_as_configured(
    books: Books, rule: Reaction, told: Summary
) -> None:
    await books.keep(over(a_session()))
    async with reacting(books, {"all-complete": rule}) as reactions:
        await happened(books, EventKind.SESSION_EXITED, LEFT)
        await caught_up(reactions, books)
        (summary,) = await books.journal(EventKind.SUMMARY_ALL_COMPLETE)
        assert summary.body == told


async def test_one_that_could_not_be_started_is_over_as_well(books: Books) -> None:
    await books.keep(over(a_session()))
    async with reacting(books) as reactions:
        await happened(books, EventKind.SESSION_SPAWN_FAILED, Said("its branch is taken"))
        await caught_up(reactions, books)
        assert len(await books.journal(EventKind.SUMMARY_ALL_COMPLETE)) == 1


async def test_one_whose_work_was_verified_is_over_and_one_whose_gates_fail_is_not(
    books: Books,
) -> None:
    await books.keep(in_state(SessionState.IDLE, Reason.TURN_ENDED, done=START, report="done"))
    found = Evidence(SessionId("app-1"), "c", "t", Verdict.FAILED, START, claimed=START)
    shown = Shown("c")
    async with reacting(books) as reactions:
        await books.records.create(EVIDENCE, "app-1", found)
        await happened(books, EventKind.EVIDENCE_FAILED, shown)
        await happened(books, EventKind.EVIDENCE_UNVERIFIED, shown)
        await caught_up(reactions, books)
        assert await books.journal(EventKind.SUMMARY_ALL_COMPLETE) == []
        verified = Step(replace(found, verdict=Verdict.VERIFIED))
        await books.records.update(EVIDENCE, "app-1", lambda _: verified)
        await happened(books, EventKind.EVIDENCE_VERIFIED, shown)
        await caught_up(reactions, books)
        assert len(await books.journal(EventKind.SUMMARY_ALL_COMPLETE)) == 1


# -- what cannot be dealt with ---------------------------------------------------------------------

BROKEN = ConfigError("its configuration cannot be read")


async def settled(books: Books) -> None:
    """Until nobody does anything but wait; the store's threads may be at it meanwhile."""
    for _ in range(10):
        await books.store.commit([])
        await anyio.wait_all_tasks_blocked()


async def test_what_happens_while_its_project_cannot_be_opened_waits_and_nobody_else_does(
    books: Books,
) -> None:
    other = replace(a_session("other-1", pr=FAILING), project=ProjectId("other"))
    await books.keep(a_session(pr=FAILING), other)
    shut: dict[str, Exception] = {"app": BROKEN}
    async with reacting(books, shut=shut):
        await happened(books, EventKind.CI_FAILING, RED)
        await happened(books, EventKind.CI_FAILING, RED, "other-1", "other")
        await settled(books)
        assert [one.session for one in books.records.all(MESSAGE)] == ["other-1"]
        shut.clear()
        await clock_of(books).advance(1)
        await settled(books)
        assert [one.session for one in books.records.all(MESSAGE)] == ["other-1", "app-1"]


async def test_what_had_to_wait_is_seen_to_by_the_next_engine(books: Books) -> None:
    await books.keep(a_session(pr=FAILING))
    async with reacting(books, shut={"app": BROKEN}):
        await happened(books, EventKind.CI_FAILING, RED)
        await settled(books)
    assert told(books) == []
    after = await books_on(books.store, FakeClock(START))
    async with reacting(after) as reactions:
        await caught_up(reactions, after)
    assert len(told(after)) == 1


async def test_a_line_that_is_stumbled_over_does_not_end_the_others(books: Books) -> None:
    await books.keep(a_session(pr=FAILING))
    shut: dict[str, Exception] = {"app": ZeroDivisionError()}
    async with reacting(books, shut=shut) as reactions:
        await happened(books, EventKind.CI_FAILING, RED)
        await caught_up(reactions, books)
        shut.clear()
        await happened(books, EventKind.CI_FAILING, RED)
        await caught_up(reactions, books)
        assert len(told(books)) == 1


async def test_a_project_that_cannot_be_opened_keeps_the_clock_from_no_other(books: Books) -> None:
    resting = in_state(SessionState.IDLE, Reason.TURN_ENDED)
    other = replace(resting, id=SessionId("other-1"), project=ProjectId("other"))
    await books.keep(resting, other)
    async with reacting(books, shut={"app": BROKEN}) as reactions:
        await clock_of(books).advance(301)
        await reactions.look_at_the_clock()
        assert [one.session for one in books.records.all(MESSAGE)] == ["other-1"]


# -- crashes ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Fuse:
    """Lets so many commits' steps pass; then the engine is dead."""

    left: int

    async def __call__(self, place: str) -> None:
        self.left -= 1
        await anyio.lowlevel.checkpoint()
        if self.left < 0:
            raise Crash


async def test_whatever_step_it_dies_at_nothing_is_sent_twice_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merges = Merges()
    monkeypatch.setattr("ao_core.engine.reactions.merge", merges)
    for step in range(MOST):
        folder = tmp_path / str(step)
        folder.mkdir()
        async with opened_books(folder) as books:
            if await lived_and_died(books, step):
                assert step > 4
                return
    raise AssertionError("it never came to its end")


async def lived_and_died(books: Books, step: int) -> bool:
    """One engine that dies at this step, and the next one; whether the first came through."""
    rules = {**DEFAULT_REACTIONS, **AUTO}
    await books.keep(a_session(pr=FAILING), a_session("app-2", pr=READY))
    async with reacting(books, rules):  # from here on it is read
        pass
    for head in "ab":
        await happened(books, EventKind.CI_FAILING, replace(RED, head=head))
    await happened(books, EventKind.MERGE_READY, RED, "app-2")
    whole = True
    try:
        mine = await books_on(FusedStore(books.store, Fuse(step)), books.clock)
        async with reacting(mine, rules):
            await anyio.wait_all_tasks_blocked()
    except* Crash:
        whole = False
    after = await books_on(books.store, FakeClock(START))
    async with reacting(after, rules):
        await anyio.wait_all_tasks_blocked()
    assert len(told(after)) == 2, step
    found = [one for one in await reacted(after) if one[1] != "approved-and-green"]
    assert len(found) == 2, step
    assert not [one for one in after.records.all(PURSUIT) if one.pending], step
    return whole


async def test_one_that_was_never_heard_of_is_asked_once_and_then_a_person_is_told(
    books: Books,
) -> None:
    await books.keep(in_state(SessionState.WORKING, Reason.SPAWN_REQUESTED))
    async with reacting(books) as reactions:
        for _ in range(3):
            await clock_of(books).advance(601)
            await reactions.look_at_the_clock()
        assert [text.split(".")[0] for text in told(books)] == [
            "Nothing has been heard of you since you were started"
        ]
        (message,) = books.records.all(MESSAGE)
        assert message.mode == "now"
        assert await reacted(books) == [
            ("triggered", "report-no-acknowledge", "send-to-agent"),
            ("escalated", "report-no-acknowledge", "escalate"),
        ]


async def test_one_that_is_heard_of_again_is_pursued_no_more(books: Books) -> None:
    await books.keep(in_state(SessionState.WORKING, Reason.TASK_IN_PROGRESS))
    async with reacting(books) as reactions:
        await clock_of(books).advance(1801)
        await reactions.look_at_the_clock()
        assert [one.key for one in books.records.all(PURSUIT)] == ["report-stale"]
        await books.change("app-1", lambda now: replace(now, word=Word(books.clock.now())))
        await reactions.look_at_the_clock()
        assert list(books.records.all(PURSUIT)) == []
        await clock_of(books).advance(1799)
        await reactions.look_at_the_clock()
        assert len(told(books)) == 1


async def test_a_worker_that_reports_that_it_is_blocked_is_told_to_people_with_its_words(
    books: Books,
) -> None:
    word = Word(books.clock.now(), "blocked")
    await books.keep(a_session(word=word, report="blocked: no access"))
    async with reacting(books) as reactions:
        await reactions.look_at_the_clock()
        await reactions.look_at_the_clock()
        (event,) = await books.journal(EventKind.REACTION_TRIGGERED)
        assert isinstance(event.body, Reacted)
        assert event.body.cause == "it reports that it cannot go on: blocked: no access"
        assert told(books) == []


async def test_people_are_told_of_a_work_tree_that_is_gone_while_its_agent_goes_on(
    books: Books,
) -> None:
    await books.keep(a_session(standing=Standing(Footing.REMOVED)))
    async with reacting(books) as reactions:
        await happened(books, EventKind.WORKSPACE_ASTRAY, Said("its work tree was removed"))
        await caught_up(reactions, books)
        (event,) = await books.journal(EventKind.REACTION_TRIGGERED)
        assert isinstance(event.body, Reacted)
        assert (event.body.key, event.body.cause) == ("agent-stuck", "its work tree was removed")
        await happened(books, EventKind.WORKSPACE_FOUND, Said("it is back"))
        await caught_up(reactions, books)
        assert list(books.records.all(PURSUIT)) == []
