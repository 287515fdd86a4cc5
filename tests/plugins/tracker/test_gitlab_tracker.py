"""Issues on GitLab: the contract, its numbers and filters, and what is lost on the way."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import NotFound, Rejected, Unauthorized, Unavailable
from ao_core.model.work import Issue, IssueChange, IssueDraft, IssueQuery, IssueState
from ao_core.plugin import Scope
from ao_core.testing.clock import FakeClock
from ao_core.testing.tracker import TrackerContract
from ao_plugins.tracker.gitlab import GitLabTracker, GitLabTrackerConfig
from standins.gitlab import GitLab, hosted
from standins.gitlab import records as there


class OnGitLab:
    """`acme/app` is where the issues are; `someone` and `other` may be assigned."""

    gitlab: GitLab

    @pytest.fixture(autouse=True)
    def host(self, tmp_path: Path, clock: FakeClock) -> Iterator[GitLab]:
        with hosted(tmp_path / "host") as host:
            self.gitlab = host
            host.world.now = lambda: clock.now().timestamp()
            for name in ("someone", "other"):
                host.world.member("acme/app", name)
            yield host

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def scope(self, tmp_path: Path, clock: FakeClock, host: GitLab) -> Scope:
        return Scope(
            state=tmp_path / "tracker", project="demo", repo="acme/app", home="0a1b2c3d",
            clock=clock, environment={"GITLAB_TOKEN": host.token},
        )  # fmt: skip

    def make(self, scope: Scope) -> GitLabTracker:
        return GitLabTracker(GitLabTrackerConfig(api=self.gitlab.api), scope)

    @pytest.fixture
    async def tracker(self, scope: Scope) -> AsyncIterator[GitLabTracker]:
        async with self.make(scope) as tracker:
            yield tracker

    @property
    def world(self) -> Any:
        return self.gitlab.world

    @property
    def issues(self) -> dict[int, there.Issue]:
        return self.gitlab.world.named("acme/app").issues

    def count(self, operation: str) -> int:
        return len(self.gitlab.called(operation))


class TestGitLabTracker(OnGitLab, TrackerContract):
    """The contract."""


class TestNumbers(OnGitLab):
    @pytest.mark.parametrize(
        "id", ["1", "#1", "acme/app#1", "{page}", "{page}#note_3", "{work}", "{old}?x=1"]
    )
    async def test_an_issue_is_named_in_any_way(self, tracker: GitLabTracker, id: str) -> None:
        made = await tracker.create(IssueDraft("One"))
        pages = {
            "page": made.url,
            "work": made.url.replace("issues", "work_items"),
            "old": made.url.replace("/-/", "/"),
        }
        assert await tracker.get(id.format(**pages)) == made
        assert tracker.issue_url(id.format(**pages)) == made.url

    @pytest.mark.parametrize(
        "id", ["acme/other#1", "{url}/acme/other/-/issues/1", "!1", "{url}/acme/app/-/issues/"]
    )
    async def test_an_issue_of_another_project_is_not_ours(
        self, tracker: GitLabTracker, id: str
    ) -> None:
        await tracker.create(IssueDraft("One"))
        named = id.format(url=self.gitlab.url)
        assert await tracker.get(named) is None
        with pytest.raises(NotFound, match="acme/app"):
            tracker.issue_url(named)
        assert tracker.issue_label(named) == named

    async def test_the_global_id_names_nothing(self, tracker: GitLabTracker) -> None:
        made = await tracker.create(IssueDraft("One"))
        assert made.id == "1"
        assert await tracker.get(str(self.issues[1].id)) is None
        assert tracker.issue_label(made.url) == "#1"


class TestSearch(OnGitLab):
    async def test_every_page_is_read_and_no_more_than_is_needed(
        self, tracker: GitLabTracker
    ) -> None:
        for n in range(230):
            self.world.issue("acme/app", f"Issue {n}")
        found = await _found(tracker, IssueQuery(limit=1_000))
        assert [issue.id for issue in found] == [str(n) for n in range(1, 231)]
        assert self.count("issues/list") == 3
        assert len(await _found(tracker, IssueQuery(limit=5))) == 5
        assert self.count("issues/list") == 4

    @pytest.mark.parametrize("state", list(IssueState))
    async def test_each_state_is_found_by_itself(
        self, tracker: GitLabTracker, state: IssueState
    ) -> None:
        for one in IssueState:
            made = await tracker.create(IssueDraft(one))
            await tracker.update(made.id, IssueChange(state=one))
        found = await _found(tracker, IssueQuery(states=frozenset({state})))
        assert [issue.title for issue in found] == [state]

    async def test_me_is_who_signs_in(self, tracker: GitLabTracker) -> None:
        await tracker.create(IssueDraft("Mine", assignee="me"))
        await tracker.create(IssueDraft("Theirs", assignee="other"))
        found = await _found(tracker, IssueQuery(assignee="me"))
        assert [(issue.title, issue.assignee) for issue in found] == [("Mine", "root")]

    async def test_nothing_is_asked_for_nothing(self, tracker: GitLabTracker) -> None:
        assert await _found(tracker, IssueQuery(limit=0)) == []
        assert await _found(tracker, IssueQuery(states=frozenset())) == []
        assert await _found(tracker, IssueQuery(labels=("a,b",))) == []
        assert self.gitlab.calls == []

    async def test_a_label_may_tell_the_priority(self, tracker: GitLabTracker) -> None:
        made = await tracker.create(IssueDraft("One", labels=("priority::high",)))
        assert made.priority == "high"


class TestChanges(OnGitLab):
    async def test_all_at_once_is_one_request_and_a_comment(self, tracker: GitLabTracker) -> None:
        made = await tracker.create(IssueDraft("One", "Body", ("a", "b"), "someone"))
        change = IssueChange(
            IssueState.IN_PROGRESS, ("c",), ("a",), "other", "Begun", "Two", "Other body"
        )
        after = await tracker.update(made.id, change)
        assert after == await tracker.get(made.id)
        assert (after.title, after.body, after.assignee) == ("Two", "Other body", "other")
        assert (after.state, after.labels) == (IssueState.IN_PROGRESS, ("b", "c", "in progress"))
        assert [note.body for note in self.issues[1].notes] == ["Begun"]
        assert (self.count("issues/update"), self.count("issue_notes/create")) == (1, 1)

    async def test_a_comment_alone_changes_nothing_else(self, tracker: GitLabTracker) -> None:
        made = await tracker.create(IssueDraft("One"))
        await tracker.update(made.id, IssueChange(comment="Hm."))
        assert self.count("issues/update") == 0

    async def test_states_leave_no_labels_behind(self, tracker: GitLabTracker) -> None:
        made = await tracker.create(IssueDraft("One", labels=("a",)))
        for state in (IssueState.IN_PROGRESS, IssueState.CANCELLED, IssueState.OPEN):
            after = await tracker.update(made.id, IssueChange(state=state))
            assert after.state is state
        assert after.labels == ("a",)

    async def test_a_comment_that_fails_says_what_was_changed(self, tracker: GitLabTracker) -> None:
        made = await tracker.create(IssueDraft("One"))
        self.gitlab.faults.next("issue_notes/create", "server error", status=500)
        with pytest.raises(Unavailable, match="#1 is changed, but the comment is not there"):
            await tracker.update(made.id, IssueChange(title="Two", comment="Hm."))
        assert self.issues[1].title == "Two"

    async def test_whom_nobody_knows_is_told_before_anything_is_changed(
        self, tracker: GitLabTracker
    ) -> None:
        made = await tracker.create(IssueDraft("One"))
        with pytest.raises(NotFound, match="'nobody'"):
            await tracker.update(made.id, IssueChange(title="Two", assignee="nobody"))
        with pytest.raises(NotFound, match="'nobody'"):
            await tracker.create(IssueDraft("Three", assignee="nobody"))
        assert (self.issues[1].title, len(self.issues)) == ("One", 1)

    async def test_what_gitlab_passes_over_is_told(self, tracker: GitLabTracker) -> None:
        self.world.user("stranger")
        with pytest.raises(Rejected, match="#1 is created, but without its assignee"):
            await tracker.create(IssueDraft("One", assignee="stranger"))
        with pytest.raises(Rejected, match="#1 is changed, but its assignee did not"):
            await tracker.update("1", IssueChange(title="Two", assignee="stranger"))
        self.world.member("acme/app", "root", 10)
        with pytest.raises(Rejected, match="#2 is created, but without its labels"):
            await tracker.create(IssueDraft("Two", labels=("a",)))

    async def test_nobody_can_be_assigned(self, tracker: GitLabTracker) -> None:
        made = await tracker.create(IssueDraft("One", assignee="someone"))
        assert (await tracker.update(made.id, IssueChange(assignee=""))).assignee is None
        assert self.issues[1].assignees == []
        await tracker.update(made.id, IssueChange(assignee=""))
        assert self.count("issues/update") == 1

    async def test_that_somebody_stays_assigned_is_told(
        self, tracker: GitLabTracker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await tracker.create(IssueDraft("One", assignee="someone"))

        def ignore(*_: object) -> None:
            pass

        monkeypatch.setattr(self.world, "assign", ignore)
        with pytest.raises(Rejected, match="#1 is changed, but its assignee did not"):
            await tracker.update("1", IssueChange(assignee=""))

    async def test_a_label_with_a_comma_is_refused(self, tracker: GitLabTracker) -> None:
        with pytest.raises(Rejected, match="comma"):
            await tracker.create(IssueDraft("One", labels=("a,b",)))
        assert self.issues == {}

    async def test_a_token_that_may_only_read_is_told(
        self, tracker: GitLabTracker, scope: Scope
    ) -> None:
        await tracker.create(IssueDraft("One"))
        self.world.token("reader", may_write=False)
        config = GitLabTrackerConfig.model_validate({"api": self.gitlab.api, "token": "reader"})
        async with GitLabTracker(config, scope) as reader:
            assert await reader.get("1")
            with pytest.raises(Unauthorized):
                await reader.create(IssueDraft("Two"))


class TestRelations(OnGitLab):
    async def test_what_it_has_to_do_with_others_is_told(self, tracker: GitLabTracker) -> None:
        self.world.project("acme/other")
        one, two, three = (self.world.issue("acme/app", f"Issue {n}") for n in range(1, 4))
        self.world.link(one, two, "blocks")
        self.world.link(one, three, "is_blocked_by")
        self.world.close(three)
        self.world.link(one, self.world.issue("acme/other", "Elsewhere"))
        found = await tracker.get("1")
        assert found
        assert found.relations == (
            "Blocks #2 (opened): Issue 2",
            "Is blocked by #3 (closed): Issue 3",
            "Is related to acme/other#1 (opened): Elsewhere",
        )
        assert self.count("issue_links/list") == 1

    async def test_lists_do_without(self, tracker: GitLabTracker) -> None:
        one, two = (self.world.issue("acme/app", f"Issue {n}") for n in (1, 2))
        self.world.link(one, two)
        assert [issue.relations for issue in await _found(tracker, IssueQuery())] == [(), ()]
        assert self.count("issue_links/list") == 0

    async def test_an_issue_is_there_though_its_links_are_not(self, tracker: GitLabTracker) -> None:
        self.world.issue("acme/app", "One")
        self.gitlab.faults.next("issue_links/list", "server error", status=403)
        assert await tracker.get("1")


class TestCommands(OnGitLab):
    """A line that begins with a slash would be obeyed."""

    async def test_nothing_written_here_is_obeyed(self, tracker: GitLabTracker) -> None:
        made = await tracker.create(IssueDraft("One", "Do it.\n/close\n/usr/bin/env\n"))
        assert made.state is IssueState.OPEN
        assert made.body == "Do it.\n\\/close\n/usr/bin/env\n"
        after = await tracker.update(made.id, IssueChange(comment="Done\n/close now\n/Reopen"))
        assert after.state is (await tracker.get("1") or after).state is IssueState.OPEN
        assert [note.body for note in self.issues[1].notes] == ["Done\n\\/close now\n\\/Reopen"]

    async def test_a_new_body_is_not_either(self, tracker: GitLabTracker) -> None:
        made = await tracker.create(IssueDraft("One"))
        assert (await tracker.update(made.id, IssueChange(body="/close"))).body == "\\/close"


class TestLost(OnGitLab):
    @pytest.mark.parametrize("kind", ["lost reply", "truncated", "not JSON"])
    async def test_an_issue_whose_answer_is_lost_is_made_once(
        self, tracker: GitLabTracker, kind: Any
    ) -> None:
        self.gitlab.faults.next("issues/create", kind)
        made = await tracker.create(IssueDraft("One", "Body", ("a",), "someone"))
        assert (made.id, made.labels, len(self.issues)) == ("1", ("a",), 1)

    async def test_an_older_one_that_says_the_same_is_not_taken_for_it(
        self, tracker: GitLabTracker, clock: FakeClock
    ) -> None:
        await tracker.create(IssueDraft("One", "Body"))
        await clock.advance(3_600)
        self.gitlab.faults.next("issues/create", "dropped")
        with pytest.raises(Unavailable, match="may have been done"):
            await tracker.create(IssueDraft("One", "Body"))
        assert (await tracker.create(IssueDraft("One", "Body"))).id == "2"

    async def test_it_is_looked_for_before_it_is_made_again(self, tracker: GitLabTracker) -> None:
        self.gitlab.faults.next("issues/create", "lost reply")
        self.gitlab.faults.next("issues/list", "not JSON", status=404)
        with pytest.raises(Unavailable, match="may have been done"):
            await tracker.create(IssueDraft("One"))
        assert (await tracker.create(IssueDraft("One"))).id == "1"
        assert len(self.issues) == 1

    async def test_a_comment_whose_answer_is_lost_is_made_once(
        self, tracker: GitLabTracker
    ) -> None:
        await tracker.create(IssueDraft("One"))
        self.gitlab.faults.next("issue_notes/create", "lost reply")
        await tracker.update("1", IssueChange(comment="Hm."))
        assert len(self.issues[1].notes) == 1


async def _found(tracker: GitLabTracker, query: IssueQuery) -> list[Issue]:
    return [issue async for issue in tracker.search(query)]
