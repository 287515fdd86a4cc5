"""What is answered for always, and what a person's rules decide, in the book of permissions."""

from dataclasses import replace
from pathlib import Path

import pytest

from ao_core.engine.moves import ended
from ao_core.engine.permissions import Permissions
from ao_core.engine.policy import Wish
from ao_core.engine.terms import Terms
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, PermissionMoved
from ao_core.model.rule import Precedent, Rule, Verdict
from ao_core.model.session import PermissionMode, SessionReason
from ao_core.store.records import Decision, Permission
from books import START, Books, together

ID, OTHER = SessionId("app-1"), SessionId("app-2")
RISKY = Wish("bash", None, ("rm", "-rf", "x"))
K = EventKind


@pytest.fixture
def permissions(books: Books) -> Permissions:
    return Permissions(books.records, books.clock)


async def asked(
    books: Books, id: str = "app-1.p1", wish: Wish = RISKY, session: str = ID, shown: str = "x"
) -> Permission:
    book = Permissions(books.records, books.clock)
    return await book.ask(books.records.session(session), id, wish, shown, Terms())


async def kinds(books: Books) -> list[EventKind]:
    return [event.kind for event in await books.journal()]


# -- for always ------------------------------------------------------------------------------------

FETCH = Wish("bash", None, ("npm", "ci"))


async def test_what_is_answered_for_always_is_not_asked_again(
    books: Books, permissions: Permissions
) -> None:
    for number, decision in enumerate(Decision):
        wish = Wish("bash", None, ("npm", str(decision)))
        first = await asked(books, f"app-1.a{number}", wish)
        await permissions.answer(first, decision, "lead", always=True)
        again = await asked(books, f"app-1.b{number}", wish, shown="as others tell of it")
        assert (again.decision, again.by) == (decision, "lead")
        assert again.reason is not None
        assert again.reason.startswith("for always, as of 2026-01-01")
    assert (await kinds(books)).count(K.PERMISSION_ASKED) == 2


async def test_what_is_answered_once_is_asked_again(books: Books, permissions: Permissions) -> None:
    await permissions.answer(await asked(books, wish=FETCH), Decision.ALLOW, "lead")
    assert (await asked(books, "app-1.p2", FETCH)).decision is None
    assert books.records.session(ID).precedents == ()


async def test_it_holds_for_the_same_wish_of_the_same_session_only(
    books: Books, permissions: Permissions
) -> None:
    await permissions.answer(await asked(books, wish=FETCH), Decision.ALLOW, "lead", always=True)
    edit = Wish("edit", "/etc/hosts")
    first = await asked(books, "app-1.p2", edit)
    await permissions.answer(first, Decision.ALLOW, "lead", always=True)
    others = [
        Wish("bash", None, ("npm", "ci", "x")), Wish("bash", None, ("npm",)),
        Wish("bash", None, ("npm", "ci"), folder=".."), Wish("run", None, ("npm", "ci")),
        Wish("bash", None, ("npm", "ci"), clear=False),
        Wish("bash", None, ("npm", "ci"), line="npm ci; x"),
        Wish("bash", None, ("npm", "ci"), also=("/etc/x",)),
        Wish("edit", "/etc/host"), Wish("delete", "/etc/hosts"),
        Wish("edit", "/etc/hosts", also=("/etc/x",)),
    ]  # fmt: skip
    for number, wish in enumerate(others):
        assert (await asked(books, f"app-1.o{number}", wish)).decision is None, wish
    assert (await asked(books, "app-2.p1", FETCH, session=OTHER)).decision is None
    assert (await asked(books, "app-1.p3", edit)).decision is Decision.ALLOW


async def test_a_link_that_leads_elsewhere_by_then_is_asked_about(
    books: Books, permissions: Permissions, tmp_path: Path
) -> None:
    link, wish = tmp_path / "link", Wish("edit", str(tmp_path / "link"))
    link.symlink_to("/etc/hosts")
    await permissions.answer(await asked(books, wish=wish), Decision.ALLOW, "lead", always=True)
    assert (await asked(books, "app-1.p2", wish)).decision is Decision.ALLOW
    link.unlink()
    link.symlink_to("/etc/passwd")
    assert (await asked(books, "app-1.p3", wish)).decision is None


@pytest.mark.parametrize("wish", [
    Wish("bash", clear=False, line="npm ci"), Wish("bash", line="npm ci; x"), Wish("fetch"),
    Wish("bash", None, ("npm", "$(x)")),
])  # fmt: skip
async def test_what_nobody_understands_is_never_plain_and_is_the_same_by_its_text_only(
    books: Books, permissions: Permissions, wish: Wish
) -> None:
    first = await asked(books, wish=wish)
    assert not first.plain
    await permissions.answer(first, Decision.DENY, "lead", always=True)
    assert (await asked(books, "app-1.p2", wish)).decision is Decision.DENY
    assert (await asked(books, "app-1.p3", wish, shown="y")).decision is None


async def test_a_rule_that_denies_stands_above_what_was_answered_for_always(
    books: Books, permissions: Permissions
) -> None:
    await permissions.answer(await asked(books, wish=FETCH), Decision.ALLOW, "lead", always=True)
    rules = {says: Rule(says, None, ("npm",), None, "rule 1 of the project") for says in Verdict}
    session = books.records.session(ID)
    decisions: list[object] = []
    for says, rule in rules.items():
        terms = Terms(rules=[rule])
        done = await permissions.ask(session, f"app-1.{says}", FETCH, "x", terms)
        decisions.append((done.decision, done.by))
    assert decisions == [
        (Decision.ALLOW, "lead"), (Decision.ALLOW, "lead"), (Decision.DENY, "policy"),
    ]  # fmt: skip
    perhaps = Wish("bash", None, ("git", "-C", "x", "push"))
    terms = Terms(rules=[Rule(Verdict.DENY, None, ("git", "push"))])
    open_one = await permissions.ask(session, "app-1.perhaps", perhaps, "x", terms)
    assert not open_one.plain
    await permissions.answer(open_one, Decision.ALLOW, "lead", always=True)
    again = await permissions.ask(session, "app-1.again", perhaps, "x", terms)
    assert again.decision is None


async def test_it_is_told_in_the_journal_and_outlives_the_engine_not_the_session(
    books: Books, permissions: Permissions
) -> None:
    await permissions.answer(await asked(books, wish=FETCH), Decision.ALLOW, "lead", always=True)
    (told,) = await books.journal(K.PERMISSION_ANSWERED)
    assert told.body == PermissionMoved("app-1.p1", "bash", "x", "allow", "lead", None, True)
    again = await books.reopened()
    assert (await asked(again, "app-1.p2", FETCH)).decision is Decision.ALLOW
    session = again.records.session(ID)
    after, _ = ended(session, SessionReason.MANUALLY_KILLED, START, K.SESSION_KILLED)
    assert session.precedents
    assert after.precedents == ()


async def test_of_two_answers_at_once_only_the_first_is_for_always(
    books: Books, permissions: Permissions
) -> None:
    open_one = await asked(books, wish=FETCH)
    await together(
        [
            lambda: permissions.answer(open_one, Decision.DENY, "lead"),
            lambda: permissions.answer(open_one, Decision.ALLOW, "person", always=True),
        ]
    )
    assert books.records.session(ID).precedents == ()


async def test_an_answer_for_always_is_kept_though_the_session_changes_meanwhile(
    books: Books, permissions: Permissions
) -> None:
    open_one = await asked(books, wish=FETCH)

    async def reporting() -> None:
        for number in range(10):
            await books.change(ID, lambda one, n=number: replace(one, report=str(n)))

    await together(
        [reporting, lambda: permissions.answer(open_one, Decision.ALLOW, "lead", always=True)]
    )
    session = books.records.session(ID)
    assert (session.report, len(session.precedents)) == ("9", 1)


async def test_very_many_are_not_kept_and_the_same_only_once(
    books: Books, permissions: Permissions
) -> None:
    await books.change(ID, lambda one: replace(one, precedents=tuple(
        Precedent(str(number), "bash", "x", allowed=True, by="lead", at=START)
        for number in range(100)
    )))  # fmt: skip
    await permissions.answer(await asked(books, wish=FETCH), Decision.ALLOW, "lead", always=True)
    kept = books.records.session(ID).precedents
    assert len(kept) == 100
    assert kept[0].mark == "1"
    assert kept[-1].about == "x"


# -- by a rule -------------------------------------------------------------------------------------


async def test_what_a_rule_decides_is_told_with_the_rule(
    books: Books, permissions: Permissions
) -> None:
    session, reasons = books.records.session(ID), list[object]()
    for says in Verdict:
        terms = Terms(rules=[Rule(says, None, ("rm",), None, "rule 2 of the project")])
        await permissions.ask(session, f"app-1.{says}", RISKY, "x", terms)
    for event in await books.journal(K.PERMISSION_ANSWERED, K.PERMISSION_ASKED):
        assert isinstance(event.body, PermissionMoved)
        reasons.append((event.body.answer, event.body.by, event.body.reason))
    assert reasons == [
        ("allow", "policy", "rule 2 of the project: allow rm"),
        (None, None, "rule 2 of the project: ask rm"),
        ("deny", "policy", "rule 2 of the project: deny rm"),
    ]


async def test_who_has_every_permission_still_obeys_the_rules(
    books: Books, permissions: Permissions
) -> None:
    await books.change(ID, lambda one: replace(one, permissions=PermissionMode.PERMISSIONLESS))
    terms = Terms(rules=[Rule(Verdict.DENY, None, ("git", "push"))])
    found: list[object] = []
    for number, wish in enumerate([
        Wish("run", None, ("git", "push")), Wish("run", line="ls; git push"), RISKY,
        Wish("run", line="x `y`"), Wish("run", line="ls; ls"),
    ]):  # fmt: skip
        session = books.records.session(ID)
        done = await permissions.ask(session, f"app-1.{number}", wish, "x", terms)
        found.append(done.decision)
    assert found == [Decision.DENY, Decision.DENY, Decision.ALLOW, None, Decision.ALLOW]


async def test_no_rule_is_about_a_workers_own_tools(books: Books, permissions: Permissions) -> None:
    terms = Terms(rules=[Rule(Verdict.DENY, "*")])
    wish, session = Wish("other", own=True), books.records.session(ID)
    assert (await permissions.ask(session, "app-1.1", wish, "x", terms)).decision is Decision.ALLOW


@pytest.mark.parametrize(
    ("rule", "denied"),
    [
        (Rule(Verdict.DENY, "bash"), True),
        (Rule(Verdict.DENY, None, ("git", "push")), True),
        (Rule(Verdict.DENY, None, ("git", "pull")), False),
        (Rule(Verdict.ALLOW, "*"), False),
        (Rule(Verdict.DENY, None, (), "outside"), False),
    ],
)
async def test_a_dialog_is_denied_by_what_its_screen_shows_and_never_allowed(
    books: Books, permissions: Permissions, rule: Rule, denied: bool
) -> None:
    terms, session = Terms(rules=[rule]), books.records.session(ID)
    await permissions.claim(session, "app-1.p1", "bash", "make; git push", terms)
    (open_one,) = permissions.pending(ID)
    assert not open_one.plain
    assert (permissions.forbidden(open_one, terms) is not None) == denied
