"""What fifty pull requests of one repository cost on GitHub, and what it sees near its limits."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from ao_core import allowance
from ao_core.errors import RateLimited, Unavailable
from ao_core.model.session import PrState
from ao_core.model.work import CheckState, Landing, MergeMethod, Pull, ReviewDecision
from books import Books, opened_books
from plugins.scm.fifty import APART, MANY, REPOSITORY, Fifty, Spent, fifty, remembering
from standins.github import GitHub, hosted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
HOURLY = 5_000
FIGURES = Path(__file__).parents[3] / "docs" / "figures.md"
LOG = "2026-01-01T00:00:00.0Z ##[error]it is red\n"


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    remembering(monkeypatch)
    with hosted(tmp_path / "host") as host:
        yield host


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    async with opened_books(tmp_path) as books:
        yield books


@pytest.fixture
async def all_of_them(tmp_path: Path, github: GitHub, books: Books) -> AsyncIterator[Fifty]:
    """All open, and known as well as they can be."""
    async with fifty(tmp_path, github, books) as they:
        await they.opened(MANY)
        await they.settle()
        yield they


def row(what: str, spent: Spent) -> str:
    """As the page of figures has it."""
    return f"| {what} | {spent.requests} | {spent.points} | {spent.rest} |"


def is_told(*rows: str) -> None:
    """The page of figures says what was counted."""
    told = FIGURES.read_text().splitlines()
    assert [one for one in rows if one not in told] == []


async def pull_of(they: Fifty, at: int = 0) -> Pull:
    pull = await they.scm.get(they.there[at].number)
    assert pull
    return pull


def names(they: Fifty) -> list[str]:
    """What was asked since last asked."""
    asked = [call.operation for call in they.github.calls]
    they.github.calls.clear()
    return asked


# -- quiet ---------------------------------------------------------------------------------------


async def test_nothing_changed_is_two_requests_at_most(all_of_them: Fifty) -> None:
    spent = await all_of_them.look()
    assert spent.requests <= 2
    assert {all_of_them.session(at).pr.state for at in range(MANY)} == {PrState.OPEN}
    is_told(row("nothing changed", spent))


async def test_who_has_no_pull_request_yet_costs_one_more_for_all(all_of_them: Fifty) -> None:
    await all_of_them.working(25, MANY)
    is_told(row("nothing changed, and 25 more have no pull request yet", await all_of_them.look()))
    assert all_of_them.session(MANY).pr.state is PrState.NONE


async def test_a_new_engine_asks_all_of_each_once(
    tmp_path: Path, github: GitHub, books: Books
) -> None:
    async with fifty(tmp_path, github, books) as they:
        await they.opened(MANY)
        await they.settle()
    async with fifty(tmp_path, github, books) as they:
        first, then = await they.look(), await they.look()
    assert then.requests == 1
    is_told(row("the first of a new engine", first))


async def test_a_target_that_moves_changes_what_can_be_merged_and_nothing_else(
    all_of_them: Fifty,
) -> None:
    there = all_of_them.there[0]
    theirs = {f"file-{there.number}.txt": "theirs\n"}
    all_of_them.github.world.commit(REPOSITORY, "main", theirs)
    spent = await all_of_them.look()
    await all_of_them.look()
    conflicting = [all_of_them.judged(at).conflicts for at in (0, 1)]
    assert conflicting == [there.head_sha, None]
    is_told(row("their target moved on", spent))


# -- busy ----------------------------------------------------------------------------------------


def something_happens(they: Fifty, count: int) -> None:
    """To five of them: pushes, checks, reviews and remarks."""
    world, five = they.github.world, range(count * 5 % MANY, count * 5 % MANY + 5)
    _, two, three, four, last = (they.there[at] for at in five)
    they.push(five[0], f"{count}\n")
    check = world.check_run(two, "lint", None)
    world.conclude(check, "success")
    world.review(three, "CHANGES_REQUESTED", "not like this")
    world.resolve(world.thread(four, f"file-{four.number}.txt", 1, "a word on this"))
    world.job(last, f"unit {count}", "failure", log=LOG)


async def test_five_that_changed_cost_a_point_each(all_of_them: Fifty) -> None:
    spent = list[Spent]()
    for count in range(4):
        something_happens(all_of_them, count)
        spent.append(await all_of_them.look())
        await all_of_them.clock.advance(APART)
    assert len(set(spent)) == 1, spent
    assert all_of_them.judged(2).decision == "changes_requested"
    assert all_of_them.judged(4).failures == ("ci / unit 0",)
    is_told(row("five changed: a push, checks, a review, remarks, a failed job", spent[0]))


async def test_the_logs_of_failed_jobs_are_read_once_and_not_all_of_them(
    all_of_them: Fifty,
) -> None:
    for there in all_of_them.there:
        for number in range(7):
            all_of_them.github.world.job(there, f"unit {number}", "failure", log=LOG)
    spent = await all_of_them.look()
    names(all_of_them)
    again = await all_of_them.look()
    assert again == Spent(1, 1, 0)
    checks = await all_of_them.scm.checks(await pull_of(all_of_them))
    assert ["it is red" in (one.detail or "") for one in checks] == [True] * 5 + [False] * 2
    assert {one.state for one in checks} == {CheckState.FAILED}
    is_told(row("seven jobs of each of the fifty failed", spent))


async def test_a_log_that_cannot_be_had_just_now_is_read_later(all_of_them: Fifty) -> None:
    all_of_them.github.world.job(all_of_them.there[0], "unit", "failure", log=LOG)
    operation = "actions/get-job-for-workflow-run"
    all_of_them.github.faults.next(operation, "server error", times=4)
    await all_of_them.look()
    assert all_of_them.judged(0).failures == ("ci / unit",)
    names(all_of_them)
    await all_of_them.look()
    assert operation not in names(all_of_them)
    await all_of_them.clock.advance(60)
    await all_of_them.look()
    assert operation in names(all_of_them)
    (check,) = await all_of_them.scm.checks(await pull_of(all_of_them))
    assert "it is red" in (check.detail or "")


# -- an hour -------------------------------------------------------------------------------------


@dataclass
class Churn:
    """What happens in an hour of fifty workers, so often a pass."""

    they: Fifty
    count: int = 0

    def goes_on(self) -> None:
        """A push every other pass, whose checks run; a review, a remark, a merge now and then."""
        world, at = self.they.github.world, self.count % MANY
        there, before = self.they.there[at], self.they.there[at - 1]
        if self.count % 2 == 0:
            self.they.push(at, f"{self.count}\n")
            for name in ("lint", "unit"):
                world.check_run(there, name, None)
        else:
            world.check_run(before, "lint", "success")
            failed = self.count % 4 == 1
            world.job(before, "unit", "failure" if failed else "success", log=LOG)
        if self.count % 5 == 0:
            world.review(there, "CHANGES_REQUESTED" if self.count % 2 else "APPROVED", "so")
        if self.count % 6 == 0:
            world.resolve(world.thread(there, f"file-{there.number}.txt", 1, "a word"))
        if self.count % 8 == 7:
            world.commit(REPOSITORY, "main", {f"merged-{self.count}.txt": "x\n"})
        self.count += 1


@pytest.mark.parametrize("kind", ["an hour as usual", "an hour in which five change each pass"])
async def test_an_hour_is_less_than_a_tenth_of_what_may_be_asked(
    kind: str, all_of_them: Fifty
) -> None:
    churn, before = Churn(all_of_them), len(all_of_them.github.calls)
    began = all_of_them.clock.monotonic()
    for count in range(int(3_600 / APART)):
        something_happens(all_of_them, count) if "five" in kind else churn.goes_on()
        await all_of_them.look()
        await all_of_them.clock.advance(APART)
    assert 3_500 < all_of_them.clock.monotonic() - began < 3_700
    asked = all_of_them.github.calls[before:]
    spent = Spent(
        len(asked), sum(one.cost for one in asked if one.resource == "graphql"),
        sum(one.cost for one in asked if one.resource == "core"),
    )  # fmt: skip
    assert spent.points < HOURLY / 10
    assert spent.rest < HOURLY / 10
    assert not allowance.states()[-1].slow
    is_told(row(kind, spent))


# -- near the wall -------------------------------------------------------------------------------


def left(they: Fifty, share: float) -> None:
    """So much is left of what may be asked."""
    for limit in (they.github.limits.graphql, they.github.limits.core):
        limit.used = round(limit.limit * (1 - share))


async def test_looks_are_spaced_once_little_is_left(all_of_them: Fifty) -> None:
    left(all_of_them, 0.4)
    await all_of_them.look()
    began = all_of_them.clock.monotonic()
    await all_of_them.working(1, MANY)
    spent = await all_of_them.look()
    assert spent.requests == 2
    assert all_of_them.clock.monotonic() > began
    assert allowance.states()[-1].slow


async def test_what_is_left_at_last_is_for_acts(all_of_them: Fifty) -> None:
    pull = await pull_of(all_of_them)
    left(all_of_them, 0.04)
    await all_of_them.look()  # whose answer tells
    names(all_of_them)
    with pytest.raises(RateLimited):
        await all_of_them.look()
    assert names(all_of_them) == []
    assert allowance.states()[-1].slow
    began = all_of_them.clock.monotonic()
    landed = await all_of_them.scm.merge(pull, MergeMethod.SQUASH)
    assert landed.landing is Landing.LANDED
    assert all_of_them.clock.monotonic() == began
    assert "pulls/merge" in names(all_of_them)
    assert all_of_them.session(1).pr.state is PrState.OPEN
    await all_of_them.clock.advance(3_600)
    await all_of_them.look()
    assert all_of_them.session(0).pr.state is PrState.MERGED


@pytest.mark.parametrize(("told", "wait"), [(90, 90), (None, 60)])
async def test_a_pause_that_is_asked_for_holds_for_all_and_a_merge_goes_after_it(
    told: int | None, wait: int, all_of_them: Fifty
) -> None:
    pull = await pull_of(all_of_them)
    before = [all_of_them.session(at) for at in range(MANY)]
    all_of_them.github.faults.next("*", "secondary limit", retry_after=told)
    names(all_of_them)
    for _ in range(3):
        with pytest.raises(RateLimited):
            await all_of_them.look()
        await all_of_them.clock.advance(wait / 4)
    assert allowance.states()[-1].blocked_until
    with anyio.fail_after(5), pytest.raises(RateLimited) as caught:
        await all_of_them.scm.merge(pull, MergeMethod.SQUASH)
    assert caught.value.retry_after == wait / 4
    assert names(all_of_them) == ["graphql"]
    assert [all_of_them.session(at) for at in range(MANY)] == before
    await all_of_them.clock.advance(wait / 4)
    landed = await all_of_them.scm.merge(pull, MergeMethod.SQUASH)
    assert landed.landing is Landing.LANDED
    await all_of_them.look()
    assert all_of_them.session(0).pr.state is PrState.MERGED


# -- what goes wrong -----------------------------------------------------------------------------


async def test_a_host_in_trouble_loses_nobody_and_has_no_conflicts(all_of_them: Fifty) -> None:
    before = [all_of_them.session(at).pr for at in range(MANY)]
    for status in (500, 502, 503, 504):
        all_of_them.github.faults.next("*", "server error", status=status)
    with pytest.raises(Unavailable):
        await all_of_them.look()
    all_of_them.github.faults.next("*", "server error", times=3)  # once less than it is tried
    all_of_them.github.faults.next("*", "slow", seconds=0.2)
    spent = await all_of_them.look()
    assert spent.requests == 4
    assert [all_of_them.session(at).pr for at in range(MANY)] == before


async def test_a_search_by_branch_that_fails_keeps_no_news_of_the_others(
    all_of_them: Fifty,
) -> None:
    await all_of_them.working(25, MANY)
    all_of_them.push(0, "more\n")
    after_one(all_of_them)
    await all_of_them.look()
    assert all_of_them.session(0).pr.head == all_of_them.there[0].head_sha
    assert all_of_them.session(MANY).pr.state is PrState.NONE


async def test_those_that_cannot_be_read_in_full_keep_no_news_of_the_others(
    all_of_them: Fifty,
) -> None:
    for there in all_of_them.there[:20]:
        all_of_them.github.world.review(there, "CHANGES_REQUESTED", "not like this")
    after_one(all_of_them)
    await all_of_them.look()  # the first ten of them cannot be read
    wanted = ReviewDecision.CHANGES_REQUESTED
    seen = [all_of_them.judged(at).decision is wanted for at in range(20)]
    assert seen == [False] * 10 + [True] * 10
    await all_of_them.look()
    assert all_of_them.judged(0).decision is wanted


def after_one(they: Fifty) -> None:
    """The second request fails as often as it is tried."""
    they.github.faults.next("graphql", "slow")
    they.github.faults.next("graphql", "server error", times=4)
