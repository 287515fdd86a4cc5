"""What reviewers make of a pull request on GitHub, and what is answered."""

from typing import Any

import pytest

from ao_core.errors import NotFound, Unavailable
from ao_core.model.work import MergeMethod, Pull, ReviewComment, ReviewDecision, ReviewState
from ao_core.plugin import Scope
from ao_plugins.scm.github import GitHubScm
from plugins.scm.github_there import APP, OnGitHub


class TestDecision(OnGitHub):
    @pytest.mark.parametrize(
        ("said", "decision"),
        [
            ((), ReviewDecision.NONE),
            (("COMMENTED",), ReviewDecision.NONE),
            (("APPROVED",), ReviewDecision.APPROVED),
            (("CHANGES_REQUESTED",), ReviewDecision.CHANGES_REQUESTED),
            (("CHANGES_REQUESTED", "APPROVED"), ReviewDecision.APPROVED),
            (("APPROVED", "CHANGES_REQUESTED"), ReviewDecision.CHANGES_REQUESTED),
            (("CHANGES_REQUESTED", "COMMENTED"), ReviewDecision.CHANGES_REQUESTED),
        ],
    )
    @pytest.mark.parametrize("reviews", [0, 1])
    async def test_the_latest_of_a_reviewer_decides(
        self, scm: GitHubScm, said: tuple[Any, ...], decision: ReviewDecision, reviews: int
    ) -> None:
        self.world.protect(APP, reviews=reviews)
        pull = await self.seen(scm)
        for state in said:
            self.world.review(self.there(pull), state, "so")
        nothing = ReviewDecision.PENDING if reviews else ReviewDecision.NONE
        found = await scm.decision(pull)
        assert found is (nothing if decision is ReviewDecision.NONE else decision)

    async def test_who_was_asked_and_has_said_nothing_is_waited_for(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.ask(self.there(pull), [self.world.reviewer])
        assert await scm.decision(pull) is ReviewDecision.PENDING

    async def test_one_that_was_dismissed_is_none(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.dismiss(self.world.review(self.there(pull), "CHANGES_REQUESTED", "no"))
        assert await scm.decision(pull) is ReviewDecision.NONE

    async def test_who_may_not_write_there_decides_nothing(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        stranger = self.world.user("stranger")
        stranger.writes = False
        self.world.review(self.there(pull), "APPROVED", author=stranger)
        assert await scm.decision(pull) is ReviewDecision.NONE
        (judgement,) = (await scm.judge([pull])).values()
        assert judgement.reviews == ()

    async def test_programs_decide_nothing(self, host: object, scope: Scope) -> None:
        work = self.opened()
        for name in ("critic", "robot"):
            author = self.world.user(name, "Bot" if name == "robot" else "User")
            self.world.review(self.app.pulls[1], "CHANGES_REQUESTED", "no", author=author)
        async with self.made(scope, bots=["critic"]) as scm:
            pull = await self.of(scm, work)
            assert await scm.decision(pull) is ReviewDecision.NONE
            (judgement,) = (await scm.judge([pull])).values()
            assert (judgement.decision, judgement.reviews) == (ReviewDecision.NONE, ())
            able = await scm.mergeability(pull, MergeMethod.MERGE)
            assert (able.blockers, able.decision) == ((), ReviewDecision.NONE)
        async with self.made(scope) as scm:
            assert await scm.decision(pull) is ReviewDecision.CHANGES_REQUESTED

    async def test_every_review_is_told_oldest_first(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        for n in range(120):
            await self.clock.sleep(1)
            self.world.review(self.there(pull), "COMMENTED", f"{n}\x1b[2J")
        self.world.review(self.there(pull), "PENDING", "not yet", author=self.world.person)
        found = await scm.reviews(pull)
        assert [one.body for one in found] == [str(n) for n in range(120)]
        assert found[0].state is ReviewState.COMMENTED


class TestThreads(OnGitHub):
    async def test_those_of_people_are_apart_from_those_of_programs(
        self, host: object, scope: Scope
    ) -> None:
        work = self.opened()
        there, bot = self.app.pulls[1], self.world.user("robot", "Bot")
        mine = self.world.thread(there, "file-1.txt", 1, "Why?")
        self.world.reply(mine, "Because.", self.world.person)
        self.world.thread(there, "file-1.txt", 1, "42 % covered", author=bot)
        self.world.thread(there, "file-1.txt", 1, "style", author=self.world.user("critic"))
        self.world.resolve(self.world.thread(there, "file-1.txt", 1, "done"))
        async with self.made(scope, bots=["critic"]) as scm:
            pull = await self.of(scm, work)
            (one,) = await scm.pending_comments(pull)
            assert (one.author, one.path, one.line) == ("hubot", "file-1.txt", 1)
            assert one.body == "Why?\noctocat: Because."
            told = await scm.automated_comments(pull)
            assert sorted(one.author for one in told) == ["critic", "robot"]
            (judgement,) = (await scm.judge([pull])).values()
            assert (judgement.comments, judgement.automated) == ((one,), told)

    async def test_what_others_add_is_news_and_what_is_answered_here_is_none(
        self, host: object, scm: GitHubScm
    ) -> None:
        pull = await self.seen(scm)
        thread = self.world.thread(self.there(pull), "file-1.txt", 1, "Why?")
        first = await self._judged(scm, pull)
        await scm.reply(pull, first.id, "Done.")
        answered = await self._judged(scm, pull)
        assert (answered.body, answered.last) == ("Why?\noctocat: Done.", first.last)
        for n in range(30):
            self.world.reply(thread, f"No, still wrong: {n}")
        more = await self._judged(scm, pull)
        assert more.id == first.id
        assert more.last == thread.comments[-1].node_id != first.last
        assert more.body.startswith("Why?\noctocat: Done.\nhubot: No")
        assert more.body.endswith("still wrong: 29")

    async def test_the_last_word_of_a_long_thread_is_kept(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        thread = self.world.thread(self.there(pull), "file-1.txt", 1, "Why?")
        self.world.reply(thread, "x" * 20_000)
        self.world.reply(thread, "No, still wrong.")
        (one,) = await scm.pending_comments(pull)
        assert one.body.startswith("Why?\nhubot: xxx")
        assert one.body.endswith("hubot: No, still wrong.")
        assert len(one.body) <= 8_000

    async def _judged(self, scm: GitHubScm, pull: Pull) -> ReviewComment:
        await self.clock.sleep(1)
        await scm.get(pull.number)
        (judgement,) = (await scm.judge([pull])).values()
        (one,) = judgement.comments
        return one

    async def test_one_that_was_just_resolved_is_gone(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        thread = self.world.thread(self.there(pull), "file-1.txt", 1, "Why?")
        (one,) = await scm.pending_comments(pull)
        await scm.resolve(pull, one.id)
        assert thread.resolved_by is self.world.person
        assert await scm.pending_comments(pull) == ()

    async def test_what_is_odd_in_it_is_left_out(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        self.world.thread(self.there(pull), "file-1.txt", 1, "\x1b[2Jlong" + "x" * 20_000)
        (one,) = await scm.pending_comments(pull)
        assert one.body.startswith("long")
        assert len(one.body) <= 8_000


class TestReplies(OnGitHub):
    async def _thread(self, scm: GitHubScm) -> tuple[Pull, str, list[Any]]:
        pull = await self.seen(scm)
        thread = self.world.thread(self.there(pull), "file-1.txt", 1, "Why?")
        return pull, (await scm.pending_comments(pull))[0].id, thread.comments

    async def test_a_thread_is_answered(self, scm: GitHubScm) -> None:
        pull, id, comments = await self._thread(scm)
        await scm.reply(pull, id, "Because.")
        assert [one.body for one in comments] == ["Why?", "Because."]

    async def test_if_githubs_word_is_lost_it_is_answered_once(self, scm: GitHubScm) -> None:
        pull, id, comments = await self._thread(scm)
        self.github.faults.next("graphql", "lost reply")
        await scm.reply(pull, id, "Because.")
        assert [one.body for one in comments] == ["Why?", "Because."]

    async def test_if_it_never_arrived_that_is_told(self, scm: GitHubScm) -> None:
        pull, id, comments = await self._thread(scm)
        self.github.faults.next("graphql", "dropped")
        with pytest.raises(Unavailable):
            await scm.reply(pull, id, "Because.")
        assert len(comments) == 1

    async def test_there_has_to_be_such_a_thread(self, scm: GitHubScm) -> None:
        pull = await self.seen(scm)
        with pytest.raises(NotFound):
            await scm.reply(pull, "PRRT_nothing", "Because.")
        with pytest.raises(NotFound):
            await scm.resolve(pull, "PRRT_nothing")
