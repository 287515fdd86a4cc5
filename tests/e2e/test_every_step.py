"""The engine is killed at every step of everything it does; the next one loses and doubles nothing.

A few steps of each act, each act for one kind of team; with EVERY_STEP=all (`make every-step`) all
steps for both drives and both stores, with EVERY_STEP=5 five of each. The table is printed, and
written to build/every-step.txt.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, product
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from ao_core.errors import AoError
from ao_core.model.event import EventKind, Told
from ao_core.store.records import Delivery
from ao_mcp import start
from every_step import Act, Row, Stepper, Watched, spread, stepping, table
from receiver import Receiver
from snapshot import snapshot
from team import CONFIG, FILES, PLAIN, PROTOCOL, PROTOCOL_FILES, Kind, Team, git

EVERY = os.environ.get("EVERY_STEP", "")
# What a timer or another task does beside an act is not the same each time: such a step, noted
# once, may not come again, not even in a team of its own. Those are few.
MISSED = 1 / 4
LEAST = 4  # of fewer rows, one may be missed
KINDS = (PLAIN, PROTOCOL_FILES, FILES, PROTOCOL)
MOST = 1_000_000 if EVERY == "all" else int(EVERY or 3)
BOOK = Path(__file__).parents[2] / "build" / "every-step.txt"
HOOK = "notifiers: {hook: {plugin: webhook, url: 'URL'}}\ndefaults: {notifiers: [hook]}\n"
MERGES = "reactions: {approved-and-green: {auto: true, action: auto-merge}}\n"
Played: TypeAlias = tuple[Act, Kind]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(6 * 3600 if EVERY else 300)]


@pytest.fixture
def played() -> Played:
    return Act("none", nobody, notifies, badly_notified), PLAIN


@pytest.fixture
def act(played: Played) -> Act:
    return played[0]


@pytest.fixture
def kind(played: Played) -> Kind:
    return played[1]


@pytest.fixture
def stepper(tmp_path: Path, kind: Kind, act: Act) -> Generator[Stepper]:
    with stage(tmp_path / "first", kind, act) as one:
        yield one


@contextmanager
def stage(folder: Path, kind: Kind, act: Act) -> Generator[Stepper]:
    """A team whose every engine can be ended at a step, and people who are told."""
    with Receiver() as people:
        yield from _staged(folder, kind, act, people)


def _staged(folder: Path, kind: Kind, act: Act, people: Receiver) -> Generator[Stepper]:
    config = act.config.replace("URL", people.url) + CONFIG
    repository, control = folder / "sample", folder / "control"
    Team.new_repository(repository, kind.project(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start, "ENGINE", stepping(control))
        team = Watched(folder / "home", repository, folder / "run", kind, people)
        team.trusted()
        try:
            yield Stepper(team, control)
        finally:
            team.end()


def spawned(team: Team, number: int, *script: str) -> str:
    return team.sure("spawn", key=f"s-{number}", prompt="\n".join(["Do this:", *script]))["session"]


def idle(team: Team, number: int, *script: str) -> str:
    session = spawned(team, number, *(script or ("do: say ready",)))
    team.until_so(session, lambda shown: shown["state"] in ("idle", "needs_input"))
    return session


def told(team: Team, session: str, *expected: str) -> Iterator[str]:
    """Each message was heard once, and each that was sent has arrived."""
    heard = [text.strip() for text in team.heard(session)][1:]
    if heard != list(expected):
        yield f"{session} was told {heard}, not {list(expected)}"
    for message in snapshot(team.home).messages.values():
        if message.session == session and message.state is not Delivery.ACCEPTED:
            yield f"message {message.body[:20]!r} is {message.state}: {message.reason}"


def subjects(team: Team, shown: dict[str, Any], span: str = "main..{}") -> Counter[str]:
    log = git(team.repository, "log", "--format=%s", span.format(shown["branch"]))
    return Counter(log.splitlines())


def count(team: Team, session: str, kind: EventKind) -> int:
    return sum(event.kind is kind for event in snapshot(team.home).of(session))


# -- spawn ----------------------------------------------------------------------------------------


def spawns(team: Team, number: int, subject: str) -> None:
    spawned(team, number, f"do: write {number}.txt x", f"do: commit work {number}")


def badly_spawned(team: Team, number: int, subject: str) -> Iterator[str]:
    session = spawned(team, number, f"do: write {number}.txt x", f"do: commit work {number}")
    shown = team.call("show", session=session)
    if shown["status"] != "pr_open":
        yield f"{session} is {shown['status']}: {shown['why']}"
    elif (done := subjects(team, shown)[f"work {number}"]) != 1:
        yield f"{session} did its work {done} times"
    if (times := len(team.heard(session))) != 1:
        yield f"{session} was given its task {times} times"


# -- send and answer ------------------------------------------------------------------------------


def sends(team: Team, number: int, subject: str) -> None:
    team.sure("send", key=f"m-{number}", session=subject, message=f"do: say told {number}")


def badly_sent(team: Team, number: int, subject: str) -> Iterator[str]:
    yield from told(team, subject, f"do: say told {number}")


def asks(team: Team, number: int) -> str:
    script = ("do: ask Which?", f"do: write {number}.txt {{answer}}", f"do: commit {number}")
    return idle(team, number, *script)


def answers(team: Team, number: int, subject: str) -> None:
    team.sure("answer", key=f"a-{number}", session=subject, text="green")


def badly_answered(team: Team, number: int, subject: str) -> Iterator[str]:
    yield from told(team, subject, "green")
    shown = team.call("show", session=subject)
    file = Path(shown["path"]) / f"{number}.txt"
    if not file.exists() or file.read_text() != "green\n":
        yield f"{subject} made nothing of its answer"


def wants(team: Team, number: int) -> str:
    """One that waits for a permission."""
    session = spawned(team, number, f"do: run touch {number}.txt", "do: say ready")
    team.until_so(session, lambda shown: shown["permissions_pending"])
    return session


def allows(team: Team, number: int, subject: str) -> None:
    team.sure("answer", key=f"d-{number}", session=subject, decision="allow")


def badly_allowed(team: Team, number: int, subject: str) -> Iterator[str]:
    shown = team.call("show", session=subject)
    if not (Path(shown["path"]) / f"{number}.txt").exists() or shown["state"] != "idle":
        yield f"{subject} is {shown['state']} and has not done what it was allowed"
    for kind in (EventKind.PERMISSION_ASKED, EventKind.PERMISSION_ANSWERED):
        if (times := count(team, subject, kind)) != 1:
            yield f"{kind} was told {times} times"


# -- merge ----------------------------------------------------------------------------------------


def writes(team: Team, number: int) -> str:
    session = spawned(team, number, f"do: write {number}.txt x", f"do: commit work {number}")
    team.until(session, "pr_open")
    return session


def merges(team: Team, number: int, subject: str) -> None:
    team.sure("merge", key=f"t-{number}", session=subject)


def badly_merged(team: Team, number: int, subject: str) -> Iterator[str]:
    shown = team.call("show", session=subject)
    if shown["status"] != "merged" or not (team.repository / f"{number}.txt").exists():
        yield f"{subject} is {shown['status']}"
    log = git(team.repository, "log", "--first-parent", "--merges", "--format=%H %P", "main")
    tip = git(team.repository, "rev-parse", shown["branch"])
    merged = [line for line in log.splitlines() if line.endswith(tip)]
    if len(merged) != 1:
        yield f"{subject} was merged {len(merged)} times"
    if (times := count(team, subject, EventKind.MERGE_COMPLETED)) != 1:
        yield f"its merge was told {times} times"


def merges_once(team: Team, number: int, subject: str) -> None:
    """And does not ask again when the engine is gone."""
    try:
        team.call("merge", session=subject)
    except AoError as error:
        if not error.retryable:
            raise


def half_merged(team: Team, number: int, subject: str) -> Iterator[str]:
    if (team.repository / f"{number}.txt").exists():
        yield from badly_merged(team, number, subject)
    elif (status := team.call("show", session=subject)["status"]) != "pr_open":
        yield f"{subject} is {status}"


def writes_two(team: Team, number: int) -> str:
    both = [
        spawned(team, number * 1_000 + one, f"do: write {number}-{one}.txt x", f"do: commit {one}")
        for one in (1, 2)
    ]
    for session in both:
        team.until(session, "pr_open")
    return " ".join(both)


def rides(team: Team, number: int, subject: str, method: str = "merge") -> None:
    team.sure("merge", key=f"t-{number}", sessions=subject.split(), method=method)


def badly_ridden(team: Team, number: int, subject: str) -> Iterator[str]:
    for one, session in enumerate(subject.split(), 1):
        shown = team.call("show", session=session)
        if shown["status"] != "merged":
            yield f"{session} is {shown['status']}"
        log = ("log", "--no-merges", "--format=%H", "main", "--", f"{number}-{one}.txt")
        if (times := len(git(team.repository, *log).split())) != 1:
            yield f"the work of {session} is in the target {times} times"
        if (times := count(team, session, EventKind.MERGE_COMPLETED)) != 1:
            yield f"the merge of {session} was told {times} times"


# -- kill and restore -----------------------------------------------------------------------------


def drafts(team: Team, number: int) -> str:
    return idle(team, number, f"do: write {number}-draft.txt draft")


def kills(team: Team, number: int, subject: str) -> None:
    team.sure("kill", key=f"k-{number}", session=subject)


def badly_killed(team: Team, number: int, subject: str) -> Iterator[str]:
    shown = team.call("show", session=subject)
    if shown["status"] != "killed" or not shown["workspace_gone"]:
        yield f"{subject} is {shown['status']}, its workspace gone: {shown['workspace_gone']}"
    saved = shown["salvage"][-1:]
    kept = saved and git(team.repository, "show", f"{saved[0]}:{number}-draft.txt")
    if kept != "draft":
        yield f"the draft of {subject} is not in {saved}"
    if (times := count(team, subject, EventKind.SESSION_KILLED)) != 1:
        yield f"its end was told {times} times"


def killed(team: Team, number: int) -> str:
    session = drafts(team, number)
    team.sure("kill", session=session)
    return session


def restores(team: Team, number: int, subject: str) -> None:
    team.sure("restore", key=f"r-{number}", session=subject)


def badly_restored(team: Team, number: int, subject: str) -> Iterator[str]:
    shown, seen = team.call("show", session=subject), snapshot(team.home)
    draft = Path(shown["path"]) / f"{number}-draft.txt"
    if shown["runtime"] != "alive" or not draft.exists() or draft.read_text() != "draft\n":
        yield f"{subject} is {shown['runtime']}, its draft is there: {draft.exists()}"
    if seen.sessions[subject].generation != 2:
        yield f"{subject} was restored {seen.sessions[subject].generation - 1} times"
    if (times := count(team, subject, EventKind.SESSION_RESTORED)) != 1:
        yield f"its return was told {times} times"


# -- reaction and notification --------------------------------------------------------------------


def clashes(team: Team, number: int) -> str:
    """One whose work conflicts with what has been merged meanwhile."""
    script = (f"do: write clash-{number}.txt {{}}", f"do: commit clash {number}")
    both = [
        spawned(team, number * 1_000 + place, *(line.format(place) for line in script))
        for place in (1, 2)
    ]
    for session in both:
        team.until(session, "pr_open")
    assert team.sure("merge", session=both[0])["merged"]
    return both[1]


def reacts(team: Team, number: int, subject: str) -> None:
    team.sure("merge", key=f"t-{number}", session=subject)


def badly_reacted(team: Team, number: int, subject: str) -> Iterator[str]:
    for kind in (EventKind.MERGE_CONFLICTS, EventKind.REACTION_TRIGGERED):
        if (times := count(team, subject, kind)) != 1:
            yield f"{kind} was told {times} times"
    messages = [
        one for one in snapshot(team.home).messages.values() if one.session == subject
    ]  # fmt: skip
    sent = [one for one in messages if one.origin == "reaction"]
    if [one.state for one in sent] != [Delivery.ACCEPTED]:
        yield f"the reaction's messages are {[one.state for one in sent]}"
    if len(team.heard(subject)) != 2:
        yield f"{subject} heard {len(team.heard(subject))} things"


def approves(team: Team, number: int, subject: str) -> None:
    team.sure("review", key=f"v-{number}", session=subject, verdict="approve")


def badly_approved(team: Team, number: int, subject: str) -> Iterator[str]:
    yield from badly_merged(team, number, subject)
    if (times := count(team, subject, EventKind.REACTION_TRIGGERED)) != 1:
        yield f"it was reacted {times} times"


def dies(team: Team, number: int, subject: str) -> None:
    """Its agent ends by itself, of which people are told."""
    team.agent(subject).kill()
    team.until_so(subject, lambda shown: shown["state"] == "terminated")


def badly_told_of(team: Watched, number: int, subject: str) -> Iterator[str]:
    if (times := count(team, subject, EventKind.REACTION_TRIGGERED)) != 1:
        yield f"it was reacted {times} times"
    yield from badly_heard(
        team, [post for post in posts(team) if (post["session"], post["kind"]) == (subject, DEATH)]
    )


def notifies(team: Team, number: int, subject: str) -> None:
    team.sure("notify", key=f"n-{number}", text=f"note {number}")


def badly_notified(team: Watched, number: int, subject: str) -> Iterator[str]:
    yield from badly_heard(team, [post for post in posts(team) if post["body"] == f"note {number}"])


DEATH = "reaction.agent-exited"


def posts(team: Watched) -> list[dict[str, Any]]:
    """Those that came whole; of one under way when its engine was killed there is but a part."""
    whole = [one for one in team.people.sent if len(one.body) == int(one.headers["content-length"])]
    return [json.loads(one.body) for one in whole]


def badly_heard(team: Watched, told: list[dict[str, Any]]) -> Iterator[str]:
    """Outside it is told at least once; whoever is told again can see that by its id."""
    ids = {post["id"] for post in told}
    if len(ids) != 1 or len(told) > 2:
        yield f"people were told {len(told)} times, under {len(ids)} ids"
    bodies = [event.body for event in snapshot(team.home).journal]
    notes = [one.note for one in bodies if isinstance(one, Told) and one.notifier == "hook"]
    yield from (f"{id} was sent {notes.count(id)} times" for id in ids if notes.count(id) != 1)


def nobody(team: Team, number: int) -> str:
    team.sure("notify", text="hello")  # the project is known from here on
    return ""


ACTS = [
    Act("spawn", nobody, spawns, badly_spawned),
    Act("send", idle, sends, badly_sent),
    Act("answer", asks, answers, badly_answered),
    Act("allow", wants, allows, badly_allowed),
    Act("merge", writes, merges, badly_merged),
    Act("left merge", writes, merges_once, half_merged),
    Act("train", writes_two, rides, badly_ridden),
    Act("kill", drafts, kills, badly_killed),
    Act("restore", killed, restores, badly_restored),
    Act("reaction", clashes, reacts, badly_reacted),
    Act("auto-merge", writes, approves, badly_approved, MERGES),
    Act("reaction told", idle, dies, badly_told_of, HOOK),
    Act("notification", nobody, notifies, badly_notified, HOOK),
]
MORE = [
    Act("squash train", writes_two, partial(rides, method="squash"), badly_ridden),
    Act("rebase train", writes_two, partial(rides, method="rebase"), badly_ridden),
]
PLAYED = list(product([*ACTS, *MORE], KINDS) if EVERY else zip(ACTS, cycle(KINDS), strict=False))


def named(one: Played) -> str:
    return f"{one[0].name}-{one[1]}"


@pytest.mark.parametrize("played", PLAYED, ids=named)
def test_an_engine_killed_at_any_step_loses_nothing_and_does_nothing_twice(
    stepper: Stepper, kind: Kind, act: Act, tmp_path: Path
) -> None:
    began, rows = time.monotonic(), list[Row]()
    steps = stepper.steps(act)
    for step in spread(steps, MOST):
        row = stepper.ended_at(act, step)
        if not row.reached and not row.faults:  # it may be one that the first time alone has
            with stage(tmp_path / f"again-{len(rows)}", kind, act) as other:
                row = other.ended_at(act, step)
        rows.append(row)
    told = f"{kind}: {act.name}, {len(steps)} steps\n{table(rows, began)}\n"
    print(told)  # noqa: T201 - the table is what this test is for
    if EVERY:
        BOOK.parent.mkdir(exist_ok=True)
        with BOOK.open("a") as book:
            book.write(told)
    missed = [str(row) for row in rows if not row.reached and not row.faults]
    assert len(missed) <= MISSED * max(len(rows), LEAST), missed
    assert not [str(row) for row in rows if row.faults]


def test_what_is_done_twice_is_found(stepper: Stepper) -> None:
    def doubled(team: Team, number: int, subject: str) -> None:
        for _ in range(2):
            team.sure("send", session=subject, message=f"do: say told {number}")

    stepper.patience = 0
    row = stepper.ended_at(Act("twice", idle, doubled, badly_sent), "none")
    assert len(row.faults) == 1
    assert "was told ['do: say told 1', 'do: say told 1']" in row.faults[0]


def test_a_note_that_is_sent_again_after_a_crash_has_its_id(stepper: Stepper) -> None:
    def badly(team: Watched, number: int, subject: str) -> Iterator[str]:
        bodies = [event.body for event in snapshot(team.home).journal]
        notes = [one for one in bodies if isinstance(one, Told)]
        ids = {one.note for one in notes if one.text.endswith(f"note {number}")}
        if len(ids) != 1:
            yield f"people were told under {len(ids)} ids"

    row = stepper.ended_at(
        Act("notification", nobody, notifies, badly), "1 after commit note.lead / -"
    )
    assert row.reached
    assert row.faults == []


@pytest.mark.parametrize("step", ["1 after start env git merge", "1 after end env git merge"])
def test_a_merge_is_told_of_although_its_engine_was_killed_as_the_target_moved(
    stepper: Stepper, step: str
) -> None:
    for act in (
        Act("merge", writes, merges, badly_merged),
        Act("left", writes, merges_once, half_merged),
    ):
        row = stepper.ended_at(act, step)
        assert row.reached
        assert row.faults == []


@pytest.mark.parametrize("kind", [PLAIN, PROTOCOL_FILES], ids=str)
@pytest.mark.parametrize("act", [Act("reaction", clashes, reacts, badly_reacted)], ids=["reaction"])
def test_a_conflict_that_was_told_is_not_told_again_by_the_call_that_is_repeated(
    stepper: Stepper, act: Act
) -> None:
    row = stepper.ended_at(act, "1 after commit merge.conflicts / intent session")
    assert row.reached
    assert row.faults == []


def test_a_merge_that_nobody_asks_for_again_leaves_no_scratch_tree(stepper: Stepper) -> None:
    row = stepper.ended_at(
        Act("left", writes, merges_once, half_merged), "1 after end env git worktree"
    )
    assert row.reached
    assert row.faults == []


@pytest.mark.parametrize("played", [(ACTS[-1], PLAIN)], ids=named)
def test_a_note_that_was_noted_as_sent_is_not_sent_again_under_its_key(
    stepper: Stepper, act: Act
) -> None:
    row = stepper.ended_at(act, "1 after commit notification.sent / key")
    assert row.reached
    assert row.faults == []
    (sent,) = [post for post in posts(stepper.team) if post["body"] == "note 1"]
    assert sent["kind"] == "note.lead"
