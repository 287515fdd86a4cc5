"""GitHub does what it was asked for, and the answer is lost: it is found, and not done twice."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest

from ao_core.errors import Unavailable
from ao_core.ids import SessionId
from ao_core.model.work import Landing, MergeMethod, PullState
from ao_core.plugin import Scope
from ao_core.slots.scm import WorkRef
from ao_core.testing.repository import Sample
from ao_plugins.scm.github import GitHubScm, GitHubScmConfig
from plugins.scm.test_github_scm import OnGitHub
from standins.faults import Kind
from standins.github import GitHub

LOST: list[Kind] = ["lost reply", "truncated", "not JSON"]


@pytest.mark.parametrize("kind", LOST)
class TestLostReplies(OnGitHub):
    @pytest.fixture
    async def scm(self, scope: Scope, config: GitHubScmConfig) -> AsyncIterator[GitHubScm]:
        async with GitHubScm(config.model_copy(update={"checks_within": 0}), scope) as scm:
            yield scm

    @pytest.fixture
    async def work(self, repository: Sample) -> WorkRef:
        base = await repository.git("rev-parse", "main")
        await repository.git("checkout", "-q", "-b", "work")
        head = await repository.commit("a.txt", "a\n")
        await repository.git("push", "-q", "origin", "work")
        return WorkRef(
            SessionId("app-1"), "work", "main", base, "Do", str(repository.path), (head,)
        )

    async def test_one_pull_request_is_made(
        self, scm: GitHubScm, github: GitHub, work: WorkRef, kind: Kind
    ) -> None:
        github.faults.next("pulls/create", kind)
        made = await scm.propose(work)
        assert await scm.propose(work) == made
        assert [*github.world.named("acme/app").pulls] == [made.number]

    async def test_it_is_merged_once(
        self, scm: GitHubScm, github: GitHub, work: WorkRef, kind: Kind
    ) -> None:
        pull = await scm.propose(work)
        assert (await scm.mergeability(pull, MergeMethod.MERGE)).mergeable
        github.faults.next("pulls/merge", kind)
        landed = await scm.merge(pull, MergeMethod.MERGE)
        there = github.world.named("acme/app")
        assert (landed.landing, landed.commit) == (Landing.LANDED, there.bare.find("main"))
        assert (await scm.merge(pull, MergeMethod.MERGE)).landing is Landing.ALREADY
        assert there.bare.find("refs/heads/work") is None
        assert len(there.bare.commits(work.base_commit, str(landed.commit))) == 2

    async def test_a_remark_is_answered_once(
        self, scm: GitHubScm, github: GitHub, work: WorkRef, kind: Kind
    ) -> None:
        pull = await scm.propose(work)
        thread = github.world.thread(github.world.named("acme/app").pulls[1], "a.txt", 1, "Why?")
        github.faults.next("graphql", kind)
        await scm.reply(pull, thread.node_id, "Because.")
        assert [one.body for one in thread.comments] == ["Why?", "Because."]

    async def test_it_is_closed_though_nobody_heard_so(
        self, scm: GitHubScm, github: GitHub, work: WorkRef, kind: Kind
    ) -> None:
        pull = await scm.propose(work)
        github.faults.next("pulls/update", kind)
        with suppress(Unavailable):  # it may be asked again at once
            await scm.close(pull)
        await scm.close(pull)
        found = await scm.find(replace(work, claimed=pull.number))
        assert found
        assert found.state is PullState.CLOSED
