"""Issues on a stand-in for GitHub: the contract, and what is special there."""

from collections.abc import AsyncIterator, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio.lowlevel
import pytest
from pydantic import SecretStr

from ao_core.clock import SystemClock
from ao_core.errors import NotFound, PluginError, Rejected, Unauthorized, Unavailable
from ao_core.model.work import IssueChange, IssueDraft, IssueQuery, IssueState
from ao_core.plugin import Scope
from ao_core.testing.tracker import TrackerContract
from ao_plugins.tracker.github import GitHubTracker, GitHubTrackerConfig
from standins.github import GitHub, hosted
from standins.github.issues import Issues

EVERY = frozenset(IssueState)
CREATE = "POST /repos/{owner}/{repo}/issues"
COMMENT = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"


class Hasty(SystemClock):
    """Whoever sleeps has slept."""

    def __init__(self) -> None:
        super().__init__()
        self.slept = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept += max(0.0, seconds)
        await anyio.lowlevel.checkpoint()


@pytest.fixture
def host(tmp_path: Path, clock: Hasty) -> Generator[GitHub]:
    with hosted(tmp_path / "host") as host:
        host.world.now = lambda: clock.now().timestamp()
        for login in ("someone", "other"):
            host.world.user(login)
        yield host


@pytest.fixture
def clock() -> Hasty:
    return Hasty()


@pytest.fixture
def scope(tmp_path: Path, clock: Hasty) -> Scope:
    return Scope(state=tmp_path / "tracker", clock=clock)


@pytest.fixture
async def tracker(host: GitHub, scope: Scope) -> AsyncIterator[GitHubTracker]:
    async with made(host, scope) as tracker:
        yield tracker


def made(host: GitHub, scope: Scope, **settings: Any) -> GitHubTracker:
    """One whose token nobody had before: budgets are kept by token."""
    given = settings.pop("token", None) or host.world.token(f"ghp_{uuid4().hex}").token
    config = GitHubTrackerConfig(repo="acme/app", api=host.url, token=SecretStr(given), **settings)
    return GitHubTracker(config, scope)


async def ids(tracker: GitHubTracker, **asked: Any) -> list[str]:
    return [issue.id async for issue in tracker.search(IssueQuery(**asked))]


class TestGitHubTracker(TrackerContract):
    @pytest.fixture(autouse=True)
    def standing_in(self, host: GitHub) -> None:
        self.host = host

    @pytest.fixture
    def clock(self) -> Hasty:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Hasty()

    @pytest.fixture
    def scope(self, tmp_path: Path, clock: Hasty) -> Scope:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Scope(state=tmp_path / "tracker", clock=clock)

    def make(self, scope: Scope) -> GitHubTracker:
        return made(self.host, scope)


# -- what an issue is called, and what is none ---------------------------------------------------


@pytest.mark.parametrize(
    "id",
    [
        "1",
        "#1",
        "acme/app#1",
        "Acme/App#1",
        "https://github.com/acme/app/issues/1",
        "https://github.com/acme/app/issues/1#issuecomment-3",
    ],
)
async def test_an_issue_goes_by_several_names(
    host: GitHub, tracker: GitHubTracker, id: str
) -> None:
    host.world.issue("acme/app", "One")
    found = await tracker.get(id)
    assert found is not None
    assert (found.id, found.url) == ("1", "https://github.com/acme/app/issues/1")
    assert tracker.issue_url(id) == found.url
    assert tracker.issue_label(found.url) == "#1"
    assert tracker.branch_name(found) == "feat/1"


@pytest.mark.parametrize(
    "id", ["other/app#1", "acme/appx#1", "https://github.com/acme/other/issues/1", "##1", "1/2"]
)
async def test_issues_elsewhere_are_not_asked_for(
    host: GitHub, tracker: GitHubTracker, id: str
) -> None:
    host.world.issue("acme/app", "One")
    assert await tracker.get(id) is None
    with pytest.raises(NotFound):
        tracker.issue_url(id)
    assert host.calls == []


async def test_a_pull_request_is_no_issue(host: GitHub, tracker: GitHubTracker) -> None:
    host.world.commit("acme/app", "feature", {"a.txt": "a"})
    pull = host.world.pull("acme/app", "feature", title="needle")
    issue = host.world.issue("acme/app", "needle")
    assert await tracker.get(str(pull.number)) is None
    assert await ids(tracker) == [str(issue.number)]
    assert await ids(tracker, text="needle") == [str(issue.number)]
    with pytest.raises(NotFound):
        await tracker.update(str(pull.number), IssueChange(title="x", comment="y"))
    assert (pull.title, pull.comments) == ("needle", [])


# -- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("completed", IssueState.CLOSED),
        (None, IssueState.CLOSED),
        ("not_planned", IssueState.CANCELLED),
        ("duplicate", IssueState.CANCELLED),
    ],
)
async def test_why_it_was_closed_tells_how_it_ended(
    host: GitHub, tracker: GitHubTracker, reason: str | None, state: IssueState
) -> None:
    host.world.close(host.world.issue("acme/app", "One"), reason=reason)
    found = await tracker.get("1")
    assert found is not None
    assert found.state is state
    assert await ids(tracker) == []
    assert await ids(tracker, states=frozenset({state})) == ["1"]


async def test_a_label_tells_that_it_is_worked_on(host: GitHub, scope: Scope) -> None:
    host.world.issue("acme/app", "One", labels=["Doing"])
    host.world.issue("acme/app", "Two")
    async with made(host, scope, in_progress_label="doing") as tracker:
        assert await ids(tracker, states=frozenset({IssueState.IN_PROGRESS})) == ["1"]
        assert await ids(tracker, states=frozenset({IssueState.OPEN})) == ["2"]
        begun = await tracker.update("2", IssueChange(state=IssueState.IN_PROGRESS))
        assert (begun.state, begun.labels) == (IssueState.IN_PROGRESS, ("Doing",))
        ended = await tracker.update("2", IssueChange(state=IssueState.CLOSED))
        assert (ended.state, ended.labels) == (IssueState.CLOSED, ())


@pytest.mark.parametrize("before", IssueState)
@pytest.mark.parametrize("after", IssueState)
async def test_each_state_follows_each(
    host: GitHub, tracker: GitHubTracker, before: IssueState, after: IssueState
) -> None:
    host.world.issue("acme/app", "One")
    await tracker.update("1", IssueChange(state=before))
    assert (await tracker.update("1", IssueChange(state=after))).state is after


# -- changes -------------------------------------------------------------------------------------


async def test_all_of_it_changes_at_once(host: GitHub, tracker: GitHubTracker) -> None:
    issue = host.world.issue("acme/app", "One", labels=["a"], assignees=["someone", "hubot"])
    changed = await tracker.update(
        "1",
        IssueChange(IssueState.CANCELLED, ("b/c",), ("A",), "me", "Not now.", "Other", "Why"),
    )
    assert (changed.title, changed.body, changed.state) == ("Other", "Why", IssueState.CANCELLED)
    assert (changed.labels, changed.assignee) == (("b/c",), "octocat")
    assert [user.login for user in issue.assignees] == ["octocat"]
    assert [comment.body for comment in issue.comments] == ["Not now."]


async def test_what_is_as_wished_is_not_sent(host: GitHub, tracker: GitHubTracker) -> None:
    host.world.issue("acme/app", "One", labels=["a"])
    await tracker.update("1", IssueChange(IssueState.OPEN, ("A",), ("b",)))
    assert {call.method for call in host.calls} == {"GET"}


async def test_nobody_is_assigned_by_an_empty_name(host: GitHub, tracker: GitHubTracker) -> None:
    host.world.issue("acme/app", "One", assignees=["someone"])
    assert (await tracker.update("1", IssueChange(assignee=""))).assignee is None


async def test_whom_github_passes_over_is_told_of_and_those_before_stay(
    host: GitHub, tracker: GitHubTracker
) -> None:
    issue = host.world.issue("acme/app", "One", assignees=["someone"])
    with pytest.raises(Rejected, match=r"#1: the text changed, then the assignee did not") as told:
        await tracker.update("1", IssueChange(title="New", assignee="nobody-here", comment="x"))
    assert "write there" in str(told.value.hint)
    assert (issue.title, [user.login for user in issue.assignees]) == ("New", ["someone"])
    assert issue.comments == []


async def test_labels_and_people_that_github_passes_over_are_told_of(
    host: GitHub, scope: Scope
) -> None:
    token = host.world.token("reader", "hubot", may_push=False).token
    async with made(host, scope, token=token) as tracker:
        with pytest.raises(Rejected, match="#1 is created, but without its labels and its") as told:
            await tracker.create(IssueDraft("One", labels=("a",), assignee="me"))
        assert "Do not create it again" in str(told.value.hint)
        assert (await tracker.create(IssueDraft("Two"))).id == "2"


async def test_an_app_is_nobody(host: GitHub, tracker: GitHubTracker) -> None:
    host.faults.next("GET /user", "server error", status=403)
    with pytest.raises(Unauthorized) as told:
        await tracker.create(IssueDraft("One", assignee="me"))
    assert "login" in str(told.value.hint)
    assert host.called("issues/create") == []


async def test_a_label_that_somebody_else_took_away_is_away(
    host: GitHub, tracker: GitHubTracker
) -> None:
    issue = host.world.issue("acme/app", "One", labels=["a", "b"])
    host.faults.next(
        "DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}", "lost reply"
    )
    assert (await tracker.update("1", IssueChange(remove_labels=("a",)))).labels == ("b",)
    assert len(host.called("issues/remove-label")) == 2
    assert [label.name for label in issue.labels] == ["b"]


@pytest.mark.parametrize(
    "where",
    [
        "PATCH /repos/{owner}/{repo}/issues/{issue_number}",
        "POST /repos/{owner}/{repo}/issues/{issue_number}/labels",
        "POST /repos/{owner}/{repo}/issues/{issue_number}/assignees",
    ],
)
async def test_a_change_whose_reply_is_lost_is_made_again(
    host: GitHub, tracker: GitHubTracker, where: str
) -> None:
    host.world.issue("acme/app", "One")
    host.faults.next(where, "lost reply")
    wish = IssueChange(IssueState.CLOSED, ("a",), assignee="someone")
    changed = await tracker.update("1", wish)
    assert (changed.state, changed.labels, changed.assignee) == (
        IssueState.CLOSED, ("a",), "someone",
    )  # fmt: skip


# -- once only -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost reply", "truncated", "not JSON"])
async def test_an_issue_whose_reply_is_lost_is_found(
    host: GitHub, tracker: GitHubTracker, fault: Any
) -> None:
    host.world.issue("acme/app", "One", "Other words")
    host.faults.next(CREATE, fault)
    issue = await tracker.create(IssueDraft("One", "Body\n", ("a",)))
    assert (issue.id, await tracker.get("2")) == ("2", issue)
    assert await ids(tracker) == ["1", "2"]


async def test_an_issue_that_was_not_made_is_made_by_who_repeats_it(
    host: GitHub, tracker: GitHubTracker
) -> None:
    host.faults.next(CREATE, "dropped")
    with pytest.raises(Unavailable, match="may have been done all the same"):
        await tracker.create(IssueDraft("One"))
    assert (await tracker.create(IssueDraft("One"))).id == "1"
    assert await ids(tracker) == ["1"]


async def test_what_shows_late_is_not_made_twice(host: GitHub, tracker: GitHubTracker) -> None:
    host.faults.next(CREATE, "lost reply")
    host.faults.next("GET /repos/{owner}/{repo}/issues", "server error", times=4, status=500)
    with pytest.raises(Unavailable):
        await tracker.create(IssueDraft("One"))
    assert (await tracker.create(IssueDraft("One"))).id == "1"
    assert len(host.called("issues/create")) == 1


async def test_the_same_may_be_wanted_twice(tracker: GitHubTracker) -> None:
    assert (await tracker.create(IssueDraft("One"))).id == "1"
    assert (await tracker.create(IssueDraft("One"))).id == "2"


async def test_what_was_made_long_ago_is_another(
    host: GitHub, tracker: GitHubTracker, clock: Hasty
) -> None:
    host.world.issue("acme/app", "One")
    clock.slept += 3600
    host.faults.next(CREATE, "dropped")
    with pytest.raises(Unavailable):
        await tracker.create(IssueDraft("One"))


async def test_a_comment_whose_reply_is_lost_is_said_once(
    host: GitHub, tracker: GitHubTracker
) -> None:
    issue = host.world.issue("acme/app", "One")
    host.faults.next(COMMENT, "lost reply")
    await tracker.update("1", IssueChange(title="Two", comment="Done."))
    host.faults.next(COMMENT, "dropped")
    with pytest.raises(Unavailable, match="the text changed, then the comment did not"):
        await tracker.update("1", IssueChange(title="Three", comment="Again."))
    await tracker.update("1", IssueChange(title="Three", comment="Again."))
    assert [comment.body for comment in issue.comments] == ["Done.", "Again."]


async def test_what_is_refused_is_not_looked_for(host: GitHub, scope: Scope) -> None:
    token = host.world.token("blind", may_write=False).token
    async with made(host, scope, token=token) as tracker:
        with pytest.raises(Unauthorized):
            await tracker.create(IssueDraft("One"))
    assert host.called("issues/list-for-repo") == []


# -- looking -------------------------------------------------------------------------------------


async def test_what_has_not_changed_is_not_sent_again(host: GitHub, tracker: GitHubTracker) -> None:
    host.world.issue("acme/app", "One")
    assert await tracker.get("1") == await tracker.get("1")
    assert [call.status for call in host.called("issues/get")] == [200, 304]
    assert host.cost("core") == 1


async def test_a_long_list_is_read_page_by_page_and_no_further_than_asked(
    host: GitHub, tracker: GitHubTracker
) -> None:
    for n in range(250):
        host.world.issue("acme/app", f"Issue {n}", "needle")
    assert await ids(tracker, limit=1000) == [str(n) for n in range(1, 251)]
    assert len(host.called("issues/list-for-repo")) == 3
    assert await ids(tracker, limit=100) == [str(n) for n in range(1, 101)]
    assert len(host.called("issues/list-for-repo")) == 4
    assert await ids(tracker, text="needle", limit=150) == [str(n) for n in range(1, 151)]
    assert len(host.called("search/issues-and-pull-requests")) == 2


async def test_the_host_filters(host: GitHub, tracker: GitHubTracker) -> None:
    world: Issues = host.world
    world.issue("acme/app", "One", "needle", labels=["a", "b"], assignees=["octocat"])
    world.close(world.issue("acme/app", "Two needle", labels=["a"]), reason="not_planned")
    world.issue("acme/app", "Three", labels=["a, b"])
    cancelled = frozenset({IssueState.CANCELLED})
    for text in (None, "needle"):
        assert await ids(tracker, text=text, states=cancelled) == ["2"]
        assert await ids(tracker, text=text, states=EVERY, labels=("A",)) == ["1", "2"]
        assert await ids(tracker, text=text, labels=("b", "a")) == ["1"]
        assert await ids(tracker, text=text, assignee="me") == ["1"]
    assert await ids(tracker, labels=("a, b",)) == ["3"]
    assert await ids(tracker, states=frozenset()) == []
    assert await ids(tracker, limit=0) == []


@pytest.mark.parametrize("text", ['" repo:other/x "', "is:pr", "a:b -c NOT d", '"', "x" * 300])
async def test_a_text_is_no_command(host: GitHub, tracker: GitHubTracker, text: str) -> None:
    host.world.repository("other/x")
    host.world.issue("other/x", "One")
    host.world.issue("acme/app", "Nothing like it")
    assert await ids(tracker, text=text) == ([] if text != '"' else ["1"])


async def test_what_it_is_a_part_of_and_what_its_parts_are_is_told(
    host: GitHub, tracker: GitHubTracker
) -> None:
    world = host.world
    whole, middle, part = (world.issue("acme/app", name) for name in ("Whole", "Middle", "Part"))
    world.part(whole, middle)
    world.part(middle, part)
    world.close(part)
    found = await tracker.get("2")
    assert found is not None
    assert found.relations == ("Part of acme/app#1", "Has a part #3 (closed): Part")
    assert "Part of acme/app#1\nHas a part #3 (closed): Part\n" in tracker.describe(found)
    await tracker.get("3")
    assert len(host.called("issues/list-sub-issues")) == 1


async def test_a_repository_that_is_not_there_is_told_of(host: GitHub, scope: Scope) -> None:
    given = host.world.token(f"ghp_{uuid4().hex}").token
    config = GitHubTrackerConfig(repo="acme/none", api=host.url, token=SecretStr(given))
    async with GitHubTracker(config, scope) as tracker:
        with pytest.raises(PluginError, match="404"):
            await ids(tracker)


async def test_what_is_quite_new_is_found_without_the_index(
    host: GitHub, tracker: GitHubTracker
) -> None:
    began = datetime.now(UTC)
    old = host.world.issue("acme/app", "The needle")
    old.updated_at = "2020-01-01T00:00:00Z"
    for title in ("A  Needle here", "Hay"):
        host.world.issue("acme/app", title)
    query = IssueQuery(text="a needle", since=began - timedelta(minutes=2))
    assert [one.id async for one in tracker.search(query)] == ["2"]
    assert not host.called("search/issues-and-pull-requests")
