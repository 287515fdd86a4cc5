"""What every tracker plugin must do."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.errors import NotFound
from ao_core.model.work import Issue, IssueChange, IssueDraft, IssueQuery, IssueState
from ao_core.plugin import Scope
from ao_core.slots.tracker import Tracker
from ao_core.testing.clock import FakeClock

NASTY = "'; rm -rf / $(touch x) `id` \u202e --- \n---\n{{ }} ünï 🚀\n# not a heading of ours"


class TrackerContract(ABC):
    """Inherit, and say how the plugin is made."""

    @abstractmethod
    def make(self, scope: Scope) -> Tracker[Any]:
        """A plugin that has not been entered."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def scope(self, tmp_path: Path, clock: FakeClock) -> Scope:
        return Scope(state=tmp_path / "tracker", project="demo", home="0a1b2c3d", clock=clock)

    @pytest.fixture
    async def tracker(self, scope: Scope) -> AsyncIterator[Tracker[Any]]:
        async with self.make(scope) as tracker:
            yield tracker

    async def test_what_is_created_is_read_back_equal(self, tracker: Tracker[Any]) -> None:
        draft = IssueDraft("Fix it", "Line one\n\n- a list\n", ("bug", "a b"), "someone")
        made = await tracker.create(draft)
        assert await tracker.get(made.id) == made
        assert (made.title, made.body) == (draft.title, draft.body)
        assert sorted(made.labels) == sorted(draft.labels)  # some keep an order of their own
        assert (made.state, made.assignee) == (IssueState.OPEN, "someone")

    async def test_nasty_text_stays_text(self, tracker: Tracker[Any]) -> None:
        made = await tracker.create(IssueDraft(NASTY, NASTY))
        found = await tracker.get(made.id)
        assert found == made
        assert "\n" not in made.title
        assert "# not a heading of ours" in made.body

    @pytest.mark.parametrize("id", ["999", "nothing", "../1", "", "1\n", "-1", "x" * 1000])
    async def test_what_does_not_exist_is_none(self, tracker: Tracker[Any], id: str) -> None:
        assert await tracker.get(id) is None
        with pytest.raises(NotFound):
            await tracker.update(id, IssueChange(title="x"))

    async def test_each_field_changes_alone(self, tracker: Tracker[Any]) -> None:
        made = await tracker.create(IssueDraft("Title", "Body", ("one", "two"), "someone"))
        await tracker.update(made.id, IssueChange(title="New title"))
        await tracker.update(made.id, IssueChange(add_labels=("three",), remove_labels=("one",)))
        await tracker.update(made.id, IssueChange(assignee="other"))
        changed = await tracker.update(made.id, IssueChange(body="New body"))
        assert changed == await tracker.get(made.id)
        assert (changed.title, changed.body, changed.assignee) == ("New title", "New body", "other")
        assert sorted(changed.labels) == ["three", "two"]

    @pytest.mark.parametrize("state", list(IssueState))
    async def test_every_state_is_kept_and_completion_follows(
        self, tracker: Tracker[Any], state: IssueState
    ) -> None:
        made = await tracker.create(IssueDraft("Title"))
        assert (await tracker.update(made.id, IssueChange(state=state))).state is state
        done = state in (IssueState.CLOSED, IssueState.CANCELLED)
        assert await tracker.is_completed(made.id) is done

    async def test_search_filters_and_keeps_the_order(self, tracker: Tracker[Any]) -> None:
        one = await tracker.create(IssueDraft("Alpha", "needle", ("bug",)))
        two = await tracker.create(IssueDraft("Needle beta", "", ("bug", "ui"), "someone"))
        three = await tracker.create(IssueDraft("Gamma"))
        await tracker.update(three.id, IssueChange(state=IssueState.CLOSED))

        async def ids(query: IssueQuery) -> list[str]:
            return [issue.id async for issue in tracker.search(query)]

        everything = frozenset(IssueState)
        assert await ids(IssueQuery()) == [one.id, two.id]
        assert await ids(IssueQuery(states=everything)) == [one.id, two.id, three.id]
        assert await ids(IssueQuery(labels=("bug", "ui"))) == [two.id]
        assert await ids(IssueQuery(assignee="someone")) == [two.id]
        assert await ids(IssueQuery(text="NEEDLE")) == [one.id, two.id]
        assert await ids(IssueQuery(states=everything, limit=1)) == [one.id]

    async def test_many_created_at_once_all_exist(self, tracker: Tracker[Any]) -> None:
        made: list[Issue] = []

        async def one(n: int) -> None:
            made.append(await tracker.create(IssueDraft(f"Issue {n}")))

        async with anyio.create_task_group() as group:
            for n in range(20):
                group.start_soon(one, n)
        found = [issue async for issue in tracker.search(IssueQuery())]
        assert {issue.title for issue in found} == {f"Issue {n}" for n in range(20)}
        assert len({issue.id for issue in made}) == 20

    async def test_address_and_label_belong_together(self, tracker: Tracker[Any]) -> None:
        made = await tracker.create(IssueDraft("Title"))
        assert tracker.issue_url(made.id) == made.url
        assert made.id in tracker.issue_label(made.url)
        assert tracker.issue_label("https://example.com/x") == "https://example.com/x"

    async def test_a_worker_is_told_all_it_needs(self, tracker: Tracker[Any]) -> None:
        made = await tracker.create(IssueDraft("Title", "Body", ("bug",)))
        text = tracker.describe(made)
        assert all(part in text for part in (made.id, "Title", "Body", "bug", made.url))
