"""Pull requests on GitHub that are made and changed from here."""

import pytest

from ao_core.errors import RateLimited, Rejected, Unavailable
from ao_core.model.work import PullState
from ao_core.slots.scm import Amendment
from ao_plugins.scm.github import GitHubScm
from plugins.scm.github_there import APP, OnGitHub

CREATE = "pulls/create"


class TestPropose(OnGitHub):
    @pytest.mark.parametrize("draft", [False, True])
    async def test_it_is_made_once(self, scm: GitHubScm, draft: bool) -> None:
        work = self.work()
        made = await scm.propose(work, "Why.", draft=draft)
        assert (made.title, made.base, made.draft) == ("Do 1", "main", draft)
        assert self.there(made).body == "Why."
        assert await scm.propose(work) == made
        assert len(self.app.pulls) == 1

    async def test_if_githubs_word_is_lost_it_is_found(self, scm: GitHubScm) -> None:
        work = self.work()
        self.github.faults.next(CREATE, "lost reply")
        made = await scm.propose(work)
        assert len(self.app.pulls) == 1
        assert await scm.find(work) == made

    async def test_if_it_never_arrived_that_is_told(self, scm: GitHubScm) -> None:
        work = self.opened()
        await scm.close(await self.of(scm, work))
        self.github.faults.next(CREATE, "dropped")
        with pytest.raises(Unavailable):
            await scm.propose(work)
        made = await scm.propose(work)
        assert (made.number, made.state) == (2, PullState.OPEN)

    async def test_what_github_has_against_it_is_told(self, scm: GitHubScm) -> None:
        work = self.work()
        before = self.app.bare.heads()
        self.app.bare.point("refs/heads/main", work.commits[0])
        self.world.pushed(self.app, before, self.world.person)
        with pytest.raises(Rejected) as told:
            await scm.propose(work)
        assert "No commits between" in str(told.value.said)

    async def test_a_title_is_as_long_as_github_takes_it(self, scm: GitHubScm) -> None:
        from dataclasses import replace

        made = await scm.propose(replace(self.work(), title="x" * 400))
        assert len(made.title) <= 256


class TestAmend(OnGitHub):
    async def test_each_part_is_changed(self, scm: GitHubScm) -> None:
        self.world.commit(APP, "release", {"r": "r"})
        pull = await self.seen(scm)
        change = Amendment(
            "Title", "Body", "release", draft=True, assignees=("octocat",), reviewers=("hubot",)
        )
        after = await scm.amend(pull, change)
        there = self.there(pull)
        assert (after.title, after.base, after.draft) == ("Title", "release", True)
        assert (there.body, there.assignees) == ("Body", [self.world.person])
        assert there.reviewers == [self.world.reviewer]
        assert not (await scm.amend(pull, Amendment(draft=False))).draft
        assert there.title == "Title"

    async def test_what_is_so_already_is_not_asked_for(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.calls()
        await scm.amend(pull, Amendment(draft=False))
        assert self.calls() == {"graphql": 2}

    async def test_of_a_change_half_made_it_is_told_which_half(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        with pytest.raises(Rejected, match=r"^reviewers of #1 .*; changed before: title$") as told:
            await scm.amend(pull, Amendment(title="Title", reviewers=("nobody",)))
        assert "collaborators" in str(told.value.said)
        assert self.there(pull).title == "Title"

    async def test_when_to_try_again_is_told(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.github.faults.next("pulls/update", "secondary limit", retry_after=90)
        with pytest.raises(RateLimited) as told:
            await scm.amend(pull, Amendment(title="Title"))
        assert told.value.retry_after == pytest.approx(90, abs=5)

    async def test_whom_github_passes_over_is_told(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        with pytest.raises(Rejected) as told:
            await scm.amend(pull, Amendment(assignees=("nobody",)))
        assert "write there" in str(told.value.hint)

    async def test_a_lost_word_is_no_matter(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.github.faults.next("pulls/update", "lost reply", times=2)
        assert (await scm.amend(pull, Amendment(title="Title"))).title == "Title"
        self.github.faults.next("pulls/update", "lost reply")
        await scm.close(pull)
        assert await scm.state(pull.number) is PullState.CLOSED


class TestReply(OnGitHub):
    async def test_what_was_said_before_is_not_the_new_answer(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        thread = self.world.thread(self.there(pull), "file-1.txt", 1, "Why?")
        await scm.reply(pull, thread.node_id, "Done.")
        await self.clock.sleep(600)
        self.github.faults.next("graphql", "dropped")
        with pytest.raises(Unavailable):
            await scm.reply(pull, thread.node_id, "Done.")
        await scm.reply(pull, thread.node_id, "Done.")
        assert [one.body for one in thread.comments] == ["Why?", "Done.", "Done."]
