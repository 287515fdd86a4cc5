"""Merge requests made and changed on GitLab."""

from typing import Any

import pytest

from ao_core.errors import NotFound, Rejected, Unavailable
from ao_core.slots.scm import Amendment, WorkRef
from ao_plugins.scm.gitlab import GitLabScm
from plugins.scm.gitlab_there import Simple


class TestProposing(Simple):
    async def test_a_branch_that_was_pushed_becomes_one(self, scm: GitLabScm) -> None:
        pull = await scm.propose(self._pushed(), "Why\n/merge\n", draft=True)
        assert (pull.number, pull.title, pull.draft) == (1, "Draft: Do 1", True)
        assert self.there(pull).description == "Why\n\\/merge\n"
        assert (await scm.propose(self._pushed())).number == 1

    @pytest.mark.parametrize("kind", ["lost reply", "not JSON"])
    async def test_an_answer_that_is_lost_is_looked_for(self, scm: GitLabScm, kind: Any) -> None:
        self.gitlab.faults.next("merge_requests/create", kind)
        assert (await scm.propose(self._pushed())).number == 1
        assert len(self.project.merge_requests) == 1

    async def test_one_that_is_there_already_is_taken(self, scm: GitLabScm) -> None:
        work = self._pushed()
        find, scm.find = scm.find, _nothing_at_first(scm.find)
        self.world.merge_request("acme/app", work.branch)
        assert (await scm.propose(work)).number == 1
        scm.find = find

    async def test_one_that_was_closed_is_not_the_new_one(self, scm: GitLabScm) -> None:
        work = self._pushed()
        await scm.close(await scm.propose(work))
        self.gitlab.faults.next("merge_requests/create", "dropped")
        with pytest.raises(Unavailable):
            await scm.propose(work)
        assert (await scm.propose(work)).number == 2

    async def test_a_branch_that_was_not_pushed_is_refused(self, scm: GitLabScm) -> None:
        with pytest.raises(Rejected):
            await scm.propose(WorkRef("app-1", "nowhere", "main", "", "Do", "", ()))

    def _pushed(self) -> WorkRef:
        head = self.world.commit("acme/app", "ao/app-1", {"a": "b"}, onto="main")
        return WorkRef("app-1", "ao/app-1", "main", "", "Do 1", "", (head,))


class TestAmending(Simple):
    async def test_all_of_it_is_one_request(self, scm: GitLabScm) -> None:
        self.world.commit("acme/app", "next", {"n": "n"})
        pull = await self.seen(scm, reviewers=[self.world.member("acme/app", "ann")])
        change = Amendment("Do it", "Body", "next", True, ("root",), ("reviewer",))
        after = await scm.amend(pull, change)
        assert (after.title, after.base, after.draft) == ("Draft: Do it", "next", True)
        there = self.there(pull)
        assert (there.description, [one.username for one in there.assignees]) == ("Body", ["root"])
        assert [one.username for one in there.reviewers] == ["ann", "reviewer"]
        assert self.calls()["merge_requests/update"] == 1

    @pytest.mark.parametrize("title", ["Draft: Do", "[Draft] Do", "(draft) Draft: Do"])
    async def test_a_draft_becomes_ready_by_its_title(self, scm: GitLabScm, title: str) -> None:
        pull = await self.seen(scm)
        self.there(pull).title = title
        assert (await scm.amend(pull, Amendment(draft=False))).title == "Do"
        assert (await scm.amend(pull, Amendment(title="Other"))).title == "Other"

    async def test_nothing_is_asked_for_nothing(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        assert await scm.amend(pull, Amendment(draft=False)) == await scm.get(1)
        assert "merge_requests/update" not in self.calls()

    async def test_whom_nobody_knows_is_told(self, scm: GitLabScm) -> None:
        pull = await self.seen(scm)
        with pytest.raises(NotFound, match="'nobody'"):
            await scm.amend(pull, Amendment(title="New", reviewers=("nobody",)))
        assert self.there(pull).title == "Do 1"


def _nothing_at_first(find: Any) -> Any:
    asked: list[object] = []

    async def found(work: WorkRef) -> Any:
        asked.append(work)
        return None if len(asked) == 1 else await find(work)

    return found
