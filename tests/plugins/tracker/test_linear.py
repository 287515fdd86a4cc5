"""Issues in Linear against a stand-in that keeps to Linear's schema: the contract, and what is
mapped to what."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ao_core.errors import ConfigError, NotFound, Rejected, Unauthorized
from ao_core.model.work import Issue, IssueChange, IssueDraft, IssueQuery, IssueState
from ao_core.plugin import Scope
from ao_core.testing.clock import FakeClock
from ao_core.testing.tracker import TrackerContract
from ao_plugins._linear import documents
from ao_plugins.tracker.linear import LinearConfig, LinearTracker
from standins import linear, specs
from standins.graphql import Asked
from standins.linear import Linear
from standins.linear.complexity import MOST, complexity

EVERY = frozenset(IssueState)
Made = Callable[..., LinearTracker]


class TestLinear(TrackerContract):
    @pytest.fixture(autouse=True)
    def _hosted(self, host: Linear) -> None:
        self.host = host

    def make(self, scope: Scope) -> LinearTracker:
        settings = {"token": linear.KEY, "api": self.host.url, "team": "ENG"}
        return LinearTracker(LinearConfig.model_validate(settings), scope)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def made(host: Linear, clock: FakeClock, tmp_path: Any) -> Made:
    def made(**settings: Any) -> LinearTracker:
        given = {"token": linear.KEY, "api": host.url, "team": "ENG", **settings}
        known = {name: value for name, value in given.items() if value is not None}
        scope = Scope(state=tmp_path / "tracker", clock=clock)
        return LinearTracker(LinearConfig.model_validate(known), scope)

    return made


@pytest.fixture
async def tracker(made: Made) -> AsyncIterator[LinearTracker]:
    async with made() as tracker:
        yield tracker


async def ids(tracker: LinearTracker, query: IssueQuery) -> list[str]:
    return [issue.id async for issue in tracker.search(query)]


async def had(tracker: LinearTracker, id: str) -> Issue:
    found = await tracker.get(id)
    assert found is not None
    return found


# -- documents -----------------------------------------------------------------------------------


@pytest.mark.parametrize("document", documents.EVERY, ids=lambda one: one.split()[1].split("(")[0])
def test_every_document_keeps_to_the_schema_and_to_the_price(document: str) -> None:
    graph = linear.described(specs.wanted(linear.NEEDED))
    asked = graph.asked(document, {"first": documents.PAGE, "states": True}, None)
    assert isinstance(asked, Asked), asked
    assert complexity(graph.schema, asked) < MOST / 2


# -- which issue ---------------------------------------------------------------------------------


async def test_an_issue_is_known_by_each_of_its_names(tracker: LinearTracker, host: Linear) -> None:
    issue = host.world.issue(host.team, "A title")
    page = "https://linear.app/acme/issue/ENG-1"
    for id in ("ENG-1", "eng-1", issue.id, page, f"{page}/a-title", f"{page}/a-title#comment-1"):
        assert (await had(tracker, id)).id == "ENG-1"
        assert (await tracker.update(id, IssueChange(title="A title"))).id == "ENG-1"


async def test_an_address_of_another_workspace_is_not_ours(
    tracker: LinearTracker, host: Linear
) -> None:
    host.world.issue(host.team, "Ours")
    theirs = "https://linear.app/another/issue/ENG-1/theirs"
    assert await tracker.get(theirs) is None
    with pytest.raises(NotFound):
        await tracker.update(theirs, IssueChange(title="x"))
    assert tracker.issue_label(theirs) == theirs
    assert not host.called("issueUpdate")


@pytest.mark.parametrize("id", ["ENG-0", "ENG-", "-1", "E NG-1", "https://example.com/issue/ENG-1"])
async def test_what_has_no_such_shape_is_not_asked_for(
    tracker: LinearTracker, host: Linear, id: str
) -> None:
    assert await tracker.get(id) is None
    assert not host.calls


async def test_what_was_deleted_does_not_exist(tracker: LinearTracker, host: Linear) -> None:
    host.world.issue(host.team, "Gone", trashed=True)
    assert await tracker.get("ENG-1") is None
    with pytest.raises(NotFound):
        await tracker.update("ENG-1", IssueChange(title="x"))


async def test_where_nothing_of_linear_is_no_issue_is_missing(made: Made, host: Linear) -> None:
    host.expect("only JSON is taken, at POST /graphql")
    async with made(api=f"{host.url}/nowhere") as tracker:
        with pytest.raises(NotFound, match="404"):
            await tracker.get("ENG-1")


async def test_an_address_needs_no_asking(made: Made, host: Linear) -> None:
    async with made() as tracker:
        assert tracker.issue_url("eng-7") == "https://linear.app/issue/ENG-7"
        with pytest.raises(NotFound):
            tracker.issue_url(host.team.id)
    async with made(workspace="acme") as tracker:
        assert tracker.issue_url("ENG-7") == "https://linear.app/acme/issue/ENG-7"
        assert tracker.issue_label("https://linear.app/acme/issue/eng-7/x") == "ENG-7"
        other = "https://linear.app/other/issue/ENG-7"
        assert tracker.issue_label(other) == other
    assert not host.calls


async def test_an_address_outlives_a_title(tracker: LinearTracker) -> None:
    first = await tracker.create(IssueDraft("One title"))
    assert first.url == "https://linear.app/acme/issue/ENG-1" == tracker.issue_url("ENG-1")
    assert (await tracker.update(first.id, IssueChange(title="Another"))).url == first.url


# -- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "state"),
    [
        ("triage", IssueState.OPEN), ("backlog", IssueState.OPEN), ("unstarted", IssueState.OPEN),
        ("started", IssueState.IN_PROGRESS), ("completed", IssueState.CLOSED),
        ("canceled", IssueState.CANCELLED), ("duplicate", IssueState.CANCELLED),
    ],
)  # fmt: skip
async def test_a_state_is_what_its_type_means(
    tracker: LinearTracker, host: Linear, type: str, state: IssueState
) -> None:
    host.world.issue(host.team, "One", state=host.world.state(host.team, type))
    assert (await had(tracker, "ENG-1")).state is state
    assert await ids(tracker, IssueQuery(frozenset({state}))) == ["ENG-1"]
    assert await ids(tracker, IssueQuery(EVERY - {state})) == []


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (IssueState.OPEN, "Todo"), (IssueState.IN_PROGRESS, "In Progress"),
        (IssueState.CLOSED, "Done"), (IssueState.CANCELLED, "Canceled"),
    ],
)  # fmt: skip
async def test_it_becomes_the_first_state_that_means_so(
    tracker: LinearTracker, host: Linear, state: IssueState, name: str
) -> None:
    begins = "started" if state is IssueState.OPEN else "backlog"
    issue = host.world.issue(host.team, "One", state=host.world.state(host.team, begins))
    await tracker.update("ENG-1", IssueChange(state=state))
    assert issue.state.name == name


async def test_what_stands_so_already_is_left_where_it_is(
    tracker: LinearTracker, host: Linear
) -> None:
    review = next(one for one in host.team.states if one.name == "In Review")
    issue = host.world.issue(host.team, "One", state=review)
    changed = await tracker.update("ENG-1", IssueChange(state=IssueState.IN_PROGRESS))
    assert (issue.state, changed.state) == (review, IssueState.IN_PROGRESS)
    assert not host.called("issueUpdate")


async def test_a_team_may_lack_a_state(tracker: LinearTracker, host: Linear) -> None:
    team = host.world.team("OPS", [("Backlog", "backlog")])
    host.world.issue(team, "One", state=team.states[0])
    with pytest.raises(Rejected, match="no state that means closed"):
        await tracker.update("OPS-1", IssueChange(state=IssueState.CLOSED, title="x"))
    assert not host.called("issueUpdate")


# -- labels --------------------------------------------------------------------------------------


async def test_labels_that_are_there_are_used(tracker: LinearTracker, host: Linear) -> None:
    host.world.label("Bug")
    host.world.label("UI")
    host.world.label("ui", host.team)
    host.world.label("ui", host.world.team("OPS"))
    issue = await tracker.create(IssueDraft("One", labels=("bug", "UI")))
    assert issue.labels == ("Bug", "ui")  # the team's own
    assert not host.called("issueLabelCreate")


async def test_a_label_that_is_not_there_is_made_in_the_team(
    tracker: LinearTracker, host: Linear
) -> None:
    host.world.label("new", host.world.team("OPS"))
    host.world.issue(host.team, "One")
    changed = await tracker.update("ENG-1", IssueChange(add_labels=("new", "New", "other")))
    assert changed.labels == ("new", "other")
    assert [one.team for one in host.world.named("ENG-1").labels] == [host.team, host.team]


async def test_a_group_is_no_label(tracker: LinearTracker, host: Linear) -> None:
    host.world.label("Type", is_group=True)
    await tracker.create(IssueDraft("One", labels=("type",)))
    assert [one.is_group for one in host.world.named("ENG-1").labels] == [False]


async def test_a_label_may_not_be_made_by_everybody(tracker: LinearTracker, host: Linear) -> None:
    host.world.labels_for_admins = True
    with pytest.raises(Unauthorized):
        await tracker.create(IssueDraft("One", labels=("new",)))
    assert not host.called("issueCreate")


async def test_a_label_is_made_once_though_the_reply_is_lost(
    tracker: LinearTracker, host: Linear
) -> None:
    host.faults.next("issueLabelCreate", "lost reply")
    assert (await tracker.create(IssueDraft("One", labels=("new",)))).labels == ("new",)


async def test_labels_come_and_go_at_once(tracker: LinearTracker, host: Linear) -> None:
    bug, ui = host.world.label("Bug"), host.world.label("ui")
    host.world.issue(host.team, "One", labels=[bug])
    change = IssueChange(add_labels=("UI", "bug"), remove_labels=("BUG", "ui", "nothing"))
    assert (await tracker.update("ENG-1", change)).labels == ("Bug", "ui")
    (call,) = host.called("issueUpdate")
    assert call.variables["input"] == {"addedLabelIds": [ui.id]}
    assert (await tracker.update("ENG-1", IssueChange(remove_labels=("BUG",)))).labels == ("ui",)


async def test_of_a_group_one_label_fits(tracker: LinearTracker, host: Linear) -> None:
    group = host.world.label("Type", is_group=True)
    host.world.issue(host.team, "One", labels=[host.world.label("Bug", parent=group)])
    host.world.label("Chore", parent=group)
    with pytest.raises(Rejected) as caught:
        await tracker.update("ENG-1", IssueChange(add_labels=("chore",)))
    assert caught.value.hint
    assert "one label of a group" in caught.value.hint
    change = IssueChange(add_labels=("chore",), remove_labels=("bug",))
    assert (await tracker.update("ENG-1", change)).labels == ("Chore",)


# -- people --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["jo", "JO", "@jo", "jo@work.example", "Jo Do", "me", "the UUID"],
)  # fmt: skip
async def test_somebody_is_known_by_each_name(
    tracker: LinearTracker, host: Linear, name: str
) -> None:
    jo = host.world.user("jo", name="Jo Do", email="jo@work.example")
    host.world.user("me-not", name="jo")
    given = jo.id if name == "the UUID" else name
    found = await tracker.create(IssueDraft("One", assignee=given))
    assert found.assignee == ("lead" if name == "me" else "jo")
    await tracker.create(IssueDraft("Two"))
    expected = ["ENG-1"]
    assert await ids(tracker, IssueQuery(assignee=given)) == expected


async def test_nobody_and_everybody_are_not_assigned(tracker: LinearTracker, host: Linear) -> None:
    host.world.user("gone", active=False)
    host.world.user("one", name="Jo Do")
    host.world.user("two", name="Jo Do")
    for name in ("nobody", "gone"):
        with pytest.raises(NotFound, match="nobody in Linear is called"):
            await tracker.create(IssueDraft("One", assignee=name))
    with pytest.raises(Rejected, match="several people"):
        await tracker.create(IssueDraft("One", assignee="jo do"))
    assert not host.called("issueCreate")


async def test_an_issue_can_be_nobodys_again(tracker: LinearTracker) -> None:
    await tracker.create(IssueDraft("One", assignee="someone"))
    await tracker.create(IssueDraft("Two", assignee="other"))
    assert (await tracker.update("ENG-1", IssueChange(assignee=""))).assignee is None
    assert await ids(tracker, IssueQuery(assignee="")) == ["ENG-1"]


# -- changes -------------------------------------------------------------------------------------


async def test_whatever_changes_does_so_at_once(tracker: LinearTracker, host: Linear) -> None:
    issue = host.world.issue(host.team, "One")
    change = IssueChange(
        IssueState.CLOSED, ("done",), (), "someone", "Said so.", "New title", "New body"
    )
    changed = await tracker.update("ENG-1", change)
    assert (changed.title, changed.body, changed.state) == ("New title", "New body", "closed")
    assert (changed.labels, changed.assignee) == (("done",), "someone")
    assert [one.body for one in issue.comments] == ["Said so."]
    assert changed == await tracker.get("ENG-1")
    writes = [call.fields for call in host.calls if "issueUpdate" in call.fields]
    assert (len(writes), len(host.called("commentCreate"))) == (1, 1)


async def test_a_comment_alone_changes_nothing_else(tracker: LinearTracker, host: Linear) -> None:
    issue = host.world.issue(host.team, "One")
    changed = await tracker.update("ENG-1", IssueChange(comment="Said so."))
    assert [one.body for one in issue.comments] == ["Said so."]
    assert changed == await tracker.get("ENG-1")
    assert not host.called("issueUpdate")


async def test_what_may_have_been_begun_is_finished_and_said_once(
    tracker: LinearTracker, host: Linear
) -> None:
    issue, began = host.world.issue(host.team, "One"), datetime.now(UTC)
    change = IssueChange(title="Two", add_labels=("bug",), comment="Said so.")
    for _ in range(2):
        done = await tracker.finish("ENG-1", change, began)
        assert (done.title, done.labels) == ("Two", ("bug",))
        assert [one.body for one in issue.comments] == ["Said so."]
    await tracker.finish("ENG-1", change, began + timedelta(hours=1))
    assert len(issue.comments) == 2


async def test_no_change_is_none(tracker: LinearTracker, host: Linear) -> None:
    host.world.issue(host.team, "One")
    assert await tracker.update("ENG-1", IssueChange()) == await tracker.get("ENG-1")
    assert {call.fields for call in host.calls} == {("issue",)}


async def test_a_change_that_is_refused_leaves_no_comment(
    tracker: LinearTracker, host: Linear
) -> None:
    issue = host.world.issue(host.team, "One")
    host.world.token(linear.KEY, host.me, may_write=False)
    with pytest.raises(Unauthorized):
        await tracker.update("ENG-1", IssueChange(title="Two", comment="Said so."))
    assert (issue.title, issue.comments) == ("One", [])


# -- what is told --------------------------------------------------------------------------------


async def test_an_issue_is_told_with_what_is_around_it(
    tracker: LinearTracker, host: Linear
) -> None:
    world, team = host.world, host.team
    whole = world.issue(team, "Whole")
    issue = world.issue(team, "One", parent=whole, priority=2, description="Body")
    world.issue(team, "Part", parent=issue, state=world.state(team, "completed"))
    later, earlier, alike = (world.issue(team, name) for name in ("Later", "Earlier", "Alike"))
    world.relate(issue, "blocks", later)
    world.relate(earlier, "blocks", issue)
    world.relate(issue, "related", alike)
    world.relate(alike, "duplicate", issue)
    world.attach(issue, "The log", "https://example.com/log")
    found = await had(tracker, "ENG-2")
    assert (found.priority, (await had(tracker, "ENG-1")).priority) == ("High", None)
    assert found.relations == (
        "Part of ENG-1: Whole",
        "Has a part ENG-3 (closed): Part",
        "Is related to ENG-6: Alike",
        "Blocks ENG-4: Later",
        "Has a duplicate ENG-6: Alike",
        "Is blocked by ENG-5: Earlier",
        "Link: The log: https://example.com/log",
    )
    told = tracker.describe(found)
    assert all(line in told for line in found.relations)
    assert told.endswith("\n\nBody")


async def test_the_branch_is_as_linear_proposes_it(
    tracker: LinearTracker, host: Linear, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.world.issue(host.team, "Fix it")
    assert tracker.branch_name(await had(tracker, "ENG-1")) == "lead/eng-1-fix-it"

    def unusable(issue: object, by: object) -> str:
        return "no..branch"

    monkeypatch.setattr(host.world, "branch", unusable)
    assert tracker.branch_name(await had(tracker, "ENG-1")) == "feat/eng-1"


# -- looking for issues --------------------------------------------------------------------------


async def test_a_long_list_comes_in_pages_oldest_first(
    tracker: LinearTracker, host: Linear
) -> None:
    for n in range(120):
        host.world.issue(host.team, f"Issue {n}")
    assert await ids(tracker, IssueQuery(limit=1_000)) == [f"ENG-{n}" for n in range(1, 121)]
    assert len(host.called("issues")) == 3
    assert len(await ids(tracker, IssueQuery(limit=60))) == 60
    assert [call.variables["first"] for call in host.called("issues")[3:]] == [50, 10]


async def test_linear_itself_filters(tracker: LinearTracker, host: Linear) -> None:
    host.world.issue(host.team, "Needle", labels=[host.world.label("bug")])
    for n in range(60):
        host.world.issue(host.team, f"Hay {n}")
    query = IssueQuery(labels=("BUG",), text="needle", limit=1)
    assert await ids(tracker, query) == ["ENG-1"]
    query = IssueQuery(EVERY, labels=("BUG",), text="needle", assignee="someone")
    assert await ids(tracker, query) == []
    assert len(host.called("issues")) == 2


async def test_only_the_team_is_looked_through(made: Made, host: Linear) -> None:
    host.world.issue(host.team, "One")
    other = host.world.team("OPS")
    host.world.issue(other, "Two")
    for team, expected in ((None, ["ENG-1", "OPS-1"]), ("ops", ["OPS-1"]), (other.id, ["OPS-1"])):
        async with made(team=team) as tracker:
            assert await ids(tracker, IssueQuery()) == expected


async def test_a_new_issue_needs_to_know_its_team(made: Made, host: Linear) -> None:
    async with made(team=None) as tracker:
        assert (await tracker.create(IssueDraft("One"))).id == "ENG-1"
    other = host.world.team("OPS")
    async with made(team=other.id) as tracker:
        assert (await tracker.create(IssueDraft("One"))).id == "OPS-1"
    async with made(team=None) as tracker:
        with pytest.raises(ConfigError, match="not known to which team"):
            await tracker.create(IssueDraft("One"))
    async with made(team="NIL") as tracker:
        with pytest.raises(ConfigError, match="no team 'NIL'"):
            await tracker.create(IssueDraft("One"))
