"""A worker's requests are answered once, by the policy, a lead, a person or the keyboard."""

from datetime import timedelta

import anyio
import pytest

from ao_core.engine.permissions import Permissions
from ao_core.engine.policy import Wish
from ao_core.engine.terms import Terms
from ao_core.errors import BadRequest, Unknown, WrongState
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, PermissionMoved
from ao_core.model.session import SessionReason, SessionState
from ao_core.store.records import PERMISSION, Decision, Permission
from books import Books, a_session, over, together

ID, OTHER = SessionId("app-1"), SessionId("app-2")
RISKY = Wish("bash", None, ("rm", "-rf", "x"))
SAFE = Wish("bash", None, ("git", "status"))
K = EventKind


@pytest.fixture
def permissions(books: Books) -> Permissions:
    return Permissions(books.records, books.clock)


async def asked(
    books: Books, id: str = "app-1.p1", wish: Wish = RISKY, session: str = ID, shown: str = "x"
) -> Permission:
    book = Permissions(books.records, books.clock)
    return await book.ask(
        books.records.session(session), id, wish, shown, Terms((("make", "test"),))
    )


async def kinds(books: Books) -> list[EventKind]:
    return [event.kind for event in await books.journal()]


async def test_what_the_policy_allows_is_answered_at_once_and_bothers_nobody(
    books: Books, permissions: Permissions
) -> None:
    for number, command in enumerate([("git", "status"), ("make", "test")]):
        done = await asked(books, f"app-1.p{number}", Wish("bash", None, command))
        assert (done.decision, done.by) == (Decision.ALLOW, "policy")
        assert done.reason == "one of the project's commands"
        assert await permissions.decided(done.id) == done
    assert await kinds(books) == [K.PERMISSION_ANSWERED] * 2
    assert books.records.session(ID).facts.state is SessionState.WORKING
    assert permissions.pending(ID) == []


async def test_what_the_policy_leaves_open_waits_and_the_session_says_so(
    books: Books, permissions: Permissions
) -> None:
    open_one = await asked(books)
    assert permissions.pending(ID) == [open_one]
    assert await kinds(books) == [K.PERMISSION_ASKED, K.SESSION_NEEDS_INPUT]
    facts = books.records.session(ID).facts
    assert facts.reason is SessionReason.AWAITING_PERMISSION
    assert facts.note == "may it use bash?"


@pytest.mark.parametrize("decision", Decision)
async def test_an_answer_reaches_whoever_waits_and_the_session_goes_on(
    books: Books, permissions: Permissions, decision: Decision
) -> None:
    open_one = await asked(books)

    async def lead() -> Permission:
        await anyio.wait_all_tasks_blocked()
        return await permissions.answer(open_one, decision, "lead")

    waited, answered = await together([lambda: permissions.decided(open_one.id), lead])
    assert waited == answered == books.records.find(PERMISSION, open_one.id)
    assert isinstance(answered, Permission)
    assert (answered.decision, answered.by) == (decision, "lead")
    assert books.records.session(ID).facts.state is SessionState.WORKING
    (told,) = await books.journal(K.PERMISSION_ANSWERED)
    assert told.body == PermissionMoved(open_one.id, "bash", "x", decision, "lead")


async def test_the_first_answer_counts(books: Books, permissions: Permissions) -> None:
    open_one = await asked(books)
    answers = await together(
        [
            lambda: permissions.answer(open_one, Decision.DENY, "lead"),
            lambda: permissions.answer(open_one, Decision.ALLOW, "person"),
        ]
    )
    await permissions.expire(ID, "late")
    found = books.records.find(PERMISSION, open_one.id)
    assert found is not None
    assert answers == [found, found]
    assert found.by == "lead"
    assert not found.expired
    assert (await kinds(books)).count(K.PERMISSION_ANSWERED) == 1


@pytest.mark.parametrize(("wish", "shown"), [(RISKY, "x"), (SAFE, "y")])
async def test_a_yes_is_no_yes_to_anything_else_of_the_same_name(
    books: Books, wish: Wish, shown: str
) -> None:
    await asked(books, wish=SAFE, shown="git status")
    assert (await asked(books, wish=SAFE, shown="git status")).decision is Decision.ALLOW
    with pytest.raises(BadRequest, match="about something else"):
        await asked(books, wish=wish, shown=shown)


@pytest.mark.parametrize("wish", [RISKY, SAFE])
async def test_the_same_request_asks_once(
    books: Books, permissions: Permissions, wish: Wish
) -> None:
    first = await asked(books, wish=wish)
    assert await asked(books, wish=wish) == first
    again = await books.reopened()
    assert await asked(again, wish=wish) == first
    assert len(await books.journal(K.PERMISSION_ASKED, K.PERMISSION_ANSWERED)) == 1


@pytest.mark.parametrize("wish", [RISKY, SAFE])
async def test_the_same_request_twice_at_once_asks_once(books: Books, wish: Wish) -> None:
    results = await together([lambda: asked(books, wish=wish) for _ in range(3)])
    assert not [one for one in results if isinstance(one, Exception)]
    assert len({one.id for one in results if isinstance(one, Permission)}) == 1
    assert len(await books.journal(K.PERMISSION_ASKED, K.PERMISSION_ANSWERED)) == 1


async def test_a_session_goes_on_when_the_last_of_its_requests_is_answered(
    books: Books, permissions: Permissions
) -> None:
    first, second = await asked(books, "app-1.p1"), await asked(books, "app-1.p2")
    await permissions.answer(first, Decision.ALLOW, "lead")
    assert books.records.session(ID).facts.state is SessionState.NEEDS_INPUT
    await permissions.answer(second, Decision.ALLOW, "lead")
    assert books.records.session(ID).facts.state is SessionState.WORKING


async def test_a_session_that_has_ended_asks_for_nothing_and_is_not_revived(
    books: Books, permissions: Permissions
) -> None:
    session = books.records.session(ID)
    await books.keep(over(session))
    with pytest.raises(WrongState):
        await permissions.ask(session, "app-1.p1", RISKY, "x", Terms())
    with pytest.raises(WrongState):
        await permissions.claim(session, "app-1.p2", "bash", "x", Terms())
    assert books.records.session(ID).facts.state is SessionState.TERMINATED
    assert permissions.pending(ID) == []


async def test_a_dialog_that_is_only_told_of_is_open_until_it_is_closed(
    books: Books, permissions: Permissions
) -> None:
    session = books.records.session(ID)
    assert await permissions.claim(session, "app-1.p1", "bash", "x", Terms())
    assert await permissions.claim(session, "app-1.p1", "bash", "x", Terms())
    assert [one.id for one in permissions.pending(ID)] == ["app-1.p1"]
    await permissions.ended(ID, "app-1.p1", books.clock.now())
    assert not await permissions.claim(session, "app-1.p1", "bash", "x", Terms())
    assert len(await books.journal(K.PERMISSION_ASKED)) == 1


async def test_a_closed_dialog_ends_the_request_it_names(
    books: Books, permissions: Permissions
) -> None:
    await asked(books, "app-1.p1")
    await asked(books, "app-1.p2")
    await permissions.ended(ID, "app-1.p1", books.clock.now())
    assert [one.id for one in permissions.pending(ID)] == ["app-1.p2"]
    found = books.records.find(PERMISSION, "app-1.p1")
    assert found is not None
    assert (found.expired, found.decision) == (True, None)
    assert (await kinds(books)).count(K.PERMISSION_EXPIRED) == 1


async def test_a_dialog_that_was_closed_before_its_request_is_heard_of_holds_nobody_up(
    books: Books, permissions: Permissions
) -> None:
    await permissions.ended(ID, "app-1.p1", books.clock.now())
    session = books.records.session(ID)
    asked = await permissions.ask(session, "app-1.p1", RISKY, "x", Terms())
    assert (asked.expired, asked.decision) == (True, None)
    assert permissions.pending(ID) == []
    assert books.records.session(ID).facts.state is SessionState.WORKING


async def test_nor_does_it_put_a_session_to_work_again_whose_turn_is_over(
    books: Books, permissions: Permissions
) -> None:
    await books.keep(a_session(OTHER, SessionState.IDLE, SessionReason.TURN_ENDED))
    await permissions.ended(OTHER, "app-2.p1", books.clock.now())
    for _ in range(2):
        wish = (RISKY, "x", Terms())
        late = await permissions.ask(books.records.session(OTHER), "app-2.p1", *wish)
        assert (late.expired, late.decision) == (True, None)
    assert books.records.session(OTHER).facts.state is SessionState.IDLE
    told = await books.journal(K.PERMISSION_ASKED, K.PERMISSION_EXPIRED)
    assert [event.kind for event in told] == [K.PERMISSION_ASKED, K.PERMISSION_EXPIRED]


async def test_a_closed_dialog_without_a_name_ends_those_open_by_then(
    books: Books, permissions: Permissions
) -> None:
    open_one = await asked(books)
    await permissions.ended(ID, "app-1.other", open_one.asked_at - timedelta(seconds=1))
    assert permissions.pending(ID) == [open_one]
    await permissions.ended(ID, "app-1.other", open_one.asked_at)
    assert permissions.pending(ID) == []


async def test_the_end_of_a_session_ends_its_requests_and_no_others(
    books: Books, permissions: Permissions
) -> None:
    mine = [await asked(books, f"app-1.p{number}") for number in (1, 2)]
    other = await asked(books, "app-2.p1", session=OTHER)

    async def end() -> None:
        await anyio.wait_all_tasks_blocked()
        await permissions.expire(ID, "its agent ended")

    waited = await together([lambda: permissions.decided(mine[0].id), end])
    assert isinstance(waited[0], Permission)
    assert (waited[0].expired, waited[0].reason) == (True, "its agent ended")
    assert permissions.pending(ID) == []
    assert permissions.pending(OTHER) == [other]


async def test_the_request_that_is_meant_is_the_one_named_or_the_only_one(
    books: Books, permissions: Permissions
) -> None:
    with pytest.raises(Unknown):
        permissions.choose(ID, None)
    first = await asked(books, "app-1.p1")
    assert permissions.choose(ID, None) == permissions.choose(ID, "app-1.p1") == first
    with pytest.raises(Unknown):
        permissions.choose(ID, "app-2.p1")
    second = await asked(books, "app-1.p2")
    with pytest.raises(WrongState) as several:
        permissions.choose(ID, None)
    assert several.value.hint == "Name one: app-1.p1, app-1.p2"
    assert permissions.choose(ID, "app-1.p2") == second


async def test_a_request_that_is_not_there_is_not_waited_for(permissions: Permissions) -> None:
    with anyio.fail_after(5), pytest.raises(Unknown):
        await permissions.decided("app-1.none")


async def test_what_is_shown_of_a_request_is_cleaned_and_capped(books: Books) -> None:
    shown = "\x1b]0;evil\x07rm\u202e -rf\x00 " + "x" * 10_000
    done = await asked(books, wish=Wish("ba\x1b[31msh" * 50, None, ("rm",)), shown=shown)
    assert done.arguments.startswith("rm -rf x")
    assert len(done.arguments) <= 2_000
    assert len(done.tool) == 100
    assert "\x1b" not in done.tool


async def test_the_end_of_a_long_command_is_shown_and_that_something_is_left_out(
    books: Books,
) -> None:
    shown = "make " + "x" * 10_000 + "; rm -rf /"
    done = await asked(books, wish=Wish("run", None, ("make",)), shown=shown)
    assert done.arguments.endswith("x; rm -rf /")
    assert "[... 8115 characters are left out here ...]" in done.arguments
