"""A call that ends between the deed and the word of it is not done twice when it is repeated."""

from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import StoreUnavailable
from ao_core.model.event import EventKind
from ao_mcp.operations.contract import Call
from ao_mcp.operations.issues import CREATE_ISSUE, UPDATE_ISSUE, CreateIssue, UpdateIssue
from ao_plugins.tracker.local import LocalTracker
from inside import a_person, engine_at, settled


def ends_after(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The first time the tracker does it, nobody hears that it was done."""
    real, calls = getattr(LocalTracker, method), list[object]()

    async def once(tracker: LocalTracker, *args: Any) -> Any:
        calls.append(args)
        done = await real(tracker, *args)
        if len(calls) == 1:
            raise StoreUnavailable("the engine ended here")
        return done

    monkeypatch.setattr(LocalTracker, method, once)


async def ends_at_once(*_: object) -> None:
    raise StoreUnavailable("the engine ended here")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "sample"


async def test_an_issue_is_created_once(
    home: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_after(monkeypatch, "create")
    async with engine_at(settled(home, repository)) as engine:
        call = Call(engine, a_person(repository))
        asked = CreateIssue(title="Say  hello", body="and\nmore", key="k")
        with pytest.raises(StoreUnavailable):
            await CREATE_ISSUE.run(call, asked)
        again = [await CREATE_ISSUE.run(call, asked) for _ in range(2)]
        assert [issue.issue for issue in again] == ["1", "1"]
        other = await CREATE_ISSUE.run(call, asked.model_copy(update={"key": "other"}))
        assert other.issue == "2"
        events = [event.kind async for event in engine.records.follow(0, live=False)]
        assert events.count(EventKind.ISSUE_CREATED) == 2


async def test_what_another_call_made_is_not_taken_for_its_own(
    home: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_at(settled(home, repository)) as engine:
        call = Call(engine, a_person(repository))
        first = await CREATE_ISSUE.run(call, CreateIssue(title="Say hello", key="one"))
        with monkeypatch.context() as patch:
            patch.setattr(LocalTracker, "create", ends_at_once)
            with pytest.raises(StoreUnavailable):
                await CREATE_ISSUE.run(call, CreateIssue(title="Say hello", key="two"))
        second = await CREATE_ISSUE.run(call, CreateIssue(title="Say hello", key="two"))
        assert (first.issue, second.issue) == ("1", "2")


async def test_a_comment_is_made_once(
    home: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_after(monkeypatch, "update")
    async with engine_at(settled(home, repository)) as engine:
        call = Call(engine, a_person(repository))
        issue = (await CREATE_ISSUE.run(call, CreateIssue(title="Say hello"))).issue
        asked = UpdateIssue(issue=issue, comment="only once", key="k")
        with pytest.raises(StoreUnavailable):
            await UPDATE_ISSUE.run(call, asked)
        for _ in range(2):
            assert (await UPDATE_ISSUE.run(call, asked)).body.count("only once") == 1
