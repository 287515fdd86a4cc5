"""Issues as files: the contract, people's hands in them, and what breaks."""

import stat
from dataclasses import replace

import pytest

from ao_core.errors import Rejected
from ao_core.model.work import IssueChange, IssueDraft, IssueQuery, IssueState
from ao_core.plugin import Scope
from ao_core.testing.tracker import TrackerContract
from ao_plugins.tracker.local import LocalTracker, LocalTrackerConfig


class TestLocalTracker(TrackerContract):
    def make(self, scope: Scope) -> LocalTracker:
        return LocalTracker(LocalTrackerConfig(), scope)

    async def test_a_file_written_by_hand_is_an_issue(
        self, tracker: LocalTracker, scope: Scope
    ) -> None:
        scope.state.mkdir()
        (scope.state / "7.md").write_text("---\ntitle: By hand\nlabels: a, b\n---\nDo it.\n")
        found = await tracker.get("#7")
        assert found
        assert (found.id, found.title, found.body, found.labels) == (
            "7", "By hand", "Do it.", ("a", "b"),
        )  # fmt: skip
        assert (await tracker.create(IssueDraft("Next"))).id == "8"

    async def test_keys_that_people_add_survive_a_change(
        self, tracker: LocalTracker, scope: Scope
    ) -> None:
        scope.state.mkdir()
        path = scope.state / "1.md"
        path.write_text("---\ntitle: T\nestimate: 3 days\n---\n\nBody\n")
        await tracker.update("1", IssueChange(state=IssueState.IN_PROGRESS))
        assert "estimate: 3 days" in path.read_text()

    @pytest.mark.parametrize(
        "text",
        [
            "no front matter",
            "---\ntitle: [unclosed\n---\n",
            "---\ntitle: T\nstate: sideways\n---\n",
            "---\ntitle: T\n",
            "---\n- a list\n---\n",
            "---\ntitle: !!python/object/apply:os.getcwd []\n---\n",
            "",
            b"---\ntitle: \xff\n---\n",
            "---\ntitle: " + "[" * 5000 + "\n---\n",
            "---\ntitle: T\n---\n" + "x" * 2_000_000,
        ],
    )
    async def test_a_file_broken_by_hand_is_said_and_hides_no_other(
        self, scope: Scope, text: str | bytes
    ) -> None:
        notes: list[str] = []

        async def announce(_: str, line: str) -> None:
            notes.append(line)

        async with self.make(replace(scope, announce=announce)) as tracker:
            await tracker.create(IssueDraft("Good"))
            data = text.encode() if isinstance(text, str) else text
            (scope.state / "2.md").write_bytes(data)
            with pytest.raises(Rejected, match=r"2\.md is not an issue file"):
                await tracker.get("2")
            for _ in range(2):
                assert [one.id async for one in tracker.search(IssueQuery())] == ["1"]
        assert len(notes) == 1
        assert (scope.state / "2.md").read_bytes() == data

    async def test_comments_are_added_and_outlive_a_new_body(self, tracker: LocalTracker) -> None:
        made = await tracker.create(IssueDraft("T", "Body"))
        await tracker.update(made.id, IssueChange(comment="First"))
        await tracker.update(made.id, IssueChange(comment="Second"))
        changed = await tracker.update(made.id, IssueChange(body="New"))
        assert changed.body.startswith("New\n\n## Comment · ")
        assert changed.body.index("First") < changed.body.index("Second")
        assert "Body" not in changed.body

    async def test_files_are_private_and_no_draft_is_left(
        self, tracker: LocalTracker, scope: Scope
    ) -> None:
        await tracker.create(IssueDraft("T"))
        await tracker.update("1", IssueChange(comment="x"))
        (only,) = scope.state.iterdir()
        assert stat.S_IMODE(only.stat().st_mode) == 0o600

    async def test_escape_sequences_reach_no_file(
        self, tracker: LocalTracker, scope: Scope
    ) -> None:
        await tracker.create(IssueDraft("T\x1b[31m", "B\x1b]0;x\x07\x00"))
        text = (scope.state / "1.md").read_text()
        assert "\x1b" not in text
        assert "\\x1b" not in text
