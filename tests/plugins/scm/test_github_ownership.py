"""Whose a pull request on GitHub is, and what it costs to find out."""

from dataclasses import replace

import pytest

from ao_core.errors import Corrupt, NotFound, Unavailable
from ao_core.model.work import PullState
from ao_core.plugin import Scope
from ao_core.slots.scm import WorkRef
from ao_plugins.scm.github import GitHubScm
from plugins.scm.github_there import APP, OnGitHub


class TestWhose(OnGitHub):
    async def test_a_forks_branch_of_the_same_name_is_nobodys(self, scm: GitHubScm) -> None:
        work = self.work()
        fork = self.world.fork(APP, "stranger")
        self.world.pull(APP, work.branch, origin=fork)
        assert await scm.find(work) is None

    async def test_however_many_forks_have_its_branch_its_own_is_found(
        self, scm: GitHubScm
    ) -> None:
        work = self.opened()
        for n in range(5):
            self.world.pull(APP, work.branch, origin=self.world.fork(APP, f"stranger-{n}"))
        assert (await self.of(scm, work)).number == 1

    async def test_a_head_that_it_never_made_is_not_its_own(self, scm: GitHubScm) -> None:
        assert await scm.find(replace(self.opened(), commits=())) is None

    async def test_another_sessions_is_not_its_own(self, scm: GitHubScm) -> None:
        work = self.opened()
        pull = await self.of(scm, work)
        assert await scm.find(replace(work, session="app-2")) is None
        assert await scm.find(work) == pull

    async def test_once_it_is_its_own_a_force_push_changes_nothing(self, scm: GitHubScm) -> None:
        work = self.opened()
        pull = await self.of(scm, work)
        head = self.world.commit(APP, work.branch, {"other": "other"}, onto="refs/heads/main")
        after = await self.of(scm, work)
        assert (after.number, after.head) == (pull.number, head)
        self.app.bare.drop(f"refs/heads/{work.branch}")

    async def test_it_stays_its_own_in_the_next_engine(self, scm: GitHubScm, scope: Scope) -> None:
        work = self.opened()
        pull = await self.of(scm, work)
        self.world.commit(APP, work.branch, {"other": "other"}, onto="refs/heads/main")
        async with self.made(scope) as later:
            assert (await self.of(later, work)).number == pull.number

    async def test_a_renamed_branch_keeps_it(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.commit(APP, "renamed", {"more": "more"}, onto=pull.head)
        self.there(pull).head = "renamed"
        after = await self.of(scm, replace(self.work(2), session="app-1"))
        assert (after.number, after.branch) == (pull.number, "renamed")

    async def test_with_its_branch_deleted_it_is_closed(self, scm: GitHubScm) -> None:
        work = self.opened()
        pull = await self.of(scm, work)
        before = self.app.bare.heads()
        self.app.bare.drop(f"refs/heads/{work.branch}")
        self.world.pushed(self.app, before, self.world.person)
        assert (await self.of(scm, work)).state is PullState.CLOSED
        assert await scm.state(pull.number) is PullState.CLOSED

    async def test_a_second_one_outranks_the_first_that_was_closed(self, scm: GitHubScm) -> None:
        work = self.opened()
        first = await self.of(scm, work)
        await scm.close(first)
        assert (await self.of(scm, work)).number == first.number
        second = self.world.pull(APP, work.branch)
        found = await self.of(scm, work)
        assert (found.number, found.state) == (second.number, PullState.OPEN)
        await scm.close(found)
        assert (await self.of(scm, work)).number == second.number

    async def test_an_open_one_outranks_a_newer_that_ended(self, scm: GitHubScm) -> None:
        work = self.work()
        self.world.commit(APP, "release", {"r": "r"})
        self.world.pull(APP, work.branch)
        newer = self.world.pull(APP, work.branch, "release")
        self.world.close(newer, self.world.person)
        assert (await self.of(scm, work)).number == 1

    async def test_a_stack_is_one_for_each(self, scm: GitHubScm) -> None:
        lower = self.opened(1)
        upper = self.work(2, onto=f"refs/heads/{lower.branch}")
        self.world.pull(APP, upper.branch, lower.branch)
        found = await scm.observe([lower, upper])
        assert [one and (one.number, one.base) for one in found.values()] == [
            (1, "main"), (2, lower.branch),
        ]  # fmt: skip
        self.app.delete_merged = True
        self.world.merge(self.app.pulls[1])
        assert (await self.of(scm, upper)).base == "main"


class TestTakenOver(OnGitHub):
    async def test_what_was_taken_over_is_of_whoever_has_it_now(self, scm: GitHubScm) -> None:
        first = replace(self.opened(), claimed=1)
        pull = await self.of(scm, first)
        second = WorkRef("app-2", "pull/1", "main", "", "Go on", "", (), claimed=1)
        assert await self.of(scm, second) == pull
        assert await scm.find(first) is None
        assert await scm.find(second) == pull
        assert await scm.observe([second, first]) == {"app-2": pull, "app-1": None}

    async def test_a_forks_may_be_taken_over(self, scm: GitHubScm) -> None:
        fork = self.world.fork(APP, "stranger")
        self.world.commit("stranger/app", "patch", {"p": "p"})
        there = self.world.pull(APP, "patch", origin=fork)
        taken = WorkRef("app-1", "pull/1", "main", "", "Go on", "", (), claimed=there.number)
        pull = await self.of(scm, taken)
        assert (pull.number, pull.foreign) == (there.number, True)
        assert scm.ref_of(pull) == "refs/pull/1/head"
        assert self.app.bare.find(scm.ref_of(pull)) == pull.head


class TestClaims(OnGitHub):
    async def test_a_broken_file_is_told_with_what_to_do(self, scope: Scope) -> None:
        scope.state.mkdir(parents=True)
        (scope.state / "pulls.json").write_text('{"app-1": "1"}')
        with pytest.raises(Corrupt) as told:
            async with self.made(scope):
                pass
        assert "Move" in str(told.value.hint)


class TestCost(OnGitHub):
    async def test_sessions_without_one_are_one_question(self, scm: GitHubScm) -> None:
        works = [self.work(n) for n in range(1, 8)]
        self.calls()
        assert await scm.observe(works) == {one.session: None for one in works}
        assert self.calls() == {"graphql": 1}
        assert self.github.cost("graphql") <= 1

    async def test_fifty_that_are_known_are_one_question(self, scm: GitHubScm) -> None:
        works = [self.opened(n) for n in range(1, 51)]
        await scm.observe(works)
        self.calls()
        found = await scm.observe(works)
        assert len([one for one in found.values() if one]) == 50
        (call,) = self.github.calls
        assert (call.operation, call.cost) == ("graphql", 1)

    async def test_what_has_not_changed_is_asked_once(self, scm: GitHubScm) -> None:
        works = [self.opened(n) for n in (1, 2)]
        pulls = [pull for pull in (await scm.observe(works)).values() if pull]
        for _ in range(2):  # until it is known whether they conflict
            await scm.observe(works)
            await scm.judge(pulls)
        self.calls()
        await scm.judge(pulls)
        assert self.calls() == {}


class TestNotSeen(OnGitHub):
    async def test_a_failed_look_is_no_word(self, scm: GitHubScm) -> None:
        work = self.opened()
        pull = await self.of(scm, work)
        self.github.faults.next("graphql", "server error", times=8)
        with pytest.raises(Unavailable):
            await scm.observe([work])
        with pytest.raises(Unavailable):
            await scm.judge([pull, replace(pull, number=2)])

    async def test_without_its_repository_no_pull_request_is_gone(self, scm: GitHubScm) -> None:
        work = self.opened()
        await self.of(scm, work)
        self.world.repositories["acme/elsewhere"] = self.world.repositories.pop(APP)
        for look in (scm.find(work), scm.get(1), scm.observe([work])):
            with pytest.raises(NotFound, match="shows no repository") as told:
                await look
            assert "repo" in str(told.value.hint)
