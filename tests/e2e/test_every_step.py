"""The engine is killed at every step of everything it does; the next one loses and doubles nothing.

A spread of steps for the plain kind; with EVERY_STEP=all (`make every-step`) all of them, for both
drives and both stores, with EVERY_STEP=5 five of each. The table is printed, and written to
build/every-step.txt.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ao_core.model.event import EventKind, Told
from ao_core.store.records import Delivery
from every_step import Act, Row, Stepper, spread, table
from snapshot import snapshot
from team import FILES, PLAIN, PROTOCOL, PROTOCOL_FILES, Kind, Team, git

EVERY = os.environ.get("EVERY_STEP", "")
KINDS = (PLAIN, PROTOCOL, FILES, PROTOCOL_FILES) if EVERY else (PLAIN,)
MOST = 1_000_000 if EVERY == "all" else int(EVERY or 3)
BOOK = Path(__file__).parents[2] / "build" / "every-step.txt"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600 if EVERY else 300)]


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
    if left := git(team.repository, "status", "--porcelain"):
        yield f"the checkout is not clean: {left}"


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


def notifies(team: Team, number: int, subject: str) -> None:
    team.sure("notify", key=f"n-{number}", text=f"note {number}")


def badly_notified(team: Team, number: int, subject: str) -> Iterator[str]:
    """Outside it is told at least once; whoever is told again can see that by its id."""
    bodies = [event.body for event in snapshot(team.home).journal]
    notes = [
        one.note for one in bodies if isinstance(one, Told) and one.text.endswith(f"note {number}")
    ]
    if len(set(notes)) != 1:
        yield f"people were told under {len(set(notes))} ids"


def nobody(team: Team, number: int) -> str:
    return ""


ACTS = [
    Act("spawn", nobody, spawns, badly_spawned),
    Act("send", idle, sends, badly_sent),
    Act("answer", asks, answers, badly_answered),
    Act("merge", writes, merges, badly_merged),
    Act("kill", drafts, kills, badly_killed),
    Act("restore", killed, restores, badly_restored),
    Act("reaction", clashes, reacts, badly_reacted),
    Act("notification", nobody, notifies, badly_notified),
]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_engine_killed_at_any_step_loses_nothing_and_does_nothing_twice(
    team: Team, kind: Kind, act: Act, tmp_path: Path
) -> None:
    began, stepper, rows = time.monotonic(), Stepper(team, tmp_path / "control"), list[Row]()
    steps = stepper.steps(act)
    for step in spread(steps, MOST):
        rows.append(stepper.ended_at(act, step))
    told = f"{kind}: {act.name}, {len(steps)} steps\n{table(rows, began)}\n"
    print(told)  # noqa: T201 - the table is what this test is for
    if EVERY:
        BOOK.parent.mkdir(exist_ok=True)
        with BOOK.open("a") as book:
            book.write(told)
    assert any(row.reached for row in rows)
    assert not [str(row) for row in rows if row.faults]


def test_what_is_done_twice_is_found(team: Team, tmp_path: Path) -> None:
    def doubled(team: Team, number: int, subject: str) -> None:
        for _ in range(2):
            team.sure("send", session=subject, message=f"do: say told {number}")

    row = Stepper(team, tmp_path / "control").ended_at(
        Act("twice", idle, doubled, badly_sent), "none"
    )
    assert len(row.faults) == 1
    assert "was told ['do: say told 1', 'do: say told 1']" in row.faults[0]


def test_a_note_that_is_sent_again_after_a_crash_has_its_id(team: Team, tmp_path: Path) -> None:
    (act,) = [act for act in ACTS if act.name == "notification"]
    row = Stepper(team, tmp_path / "control").ended_at(act, "1 after commit note.lead / -")
    assert row.reached
    assert row.faults == []
