"""What is completed, and how seldom a tracker is asked for it."""

from pathlib import Path

import pytest

from ao_core.engine.caller import Caller, Role
from ao_core.errors import Unavailable
from ao_mcp.mcp.choices import Choices
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from bare_engine import an_engine
from books import clock_of, opened_books


class Asked(Request):
    limit: int
    project: str | None = None


class Listed(Reply):
    issues: list[dict[str, str]]


async def test_a_tracker_is_not_asked_at_every_key(tmp_path: Path) -> None:
    asked: list[str | None] = []

    async def issues(call: Call, what: Asked) -> Listed:
        asked.append(what.project)
        return Listed(issues=[{"issue": f"{what.project}-{n}"} for n in (1, 12, 2)])

    known = Operation("list_issues", "Issues", "List.", Asked, Listed, issues, read_only=True)
    choices = Choices({known.name: known})
    async with opened_books(tmp_path) as books:
        call = Call(an_engine(books), Caller(Role.LEAD, "one"))
        for begun, found in (("", 3), ("a", 3), ("app-1", 2), ("app-12", 1), ("b", 0)):
            told = await choices.complete(call, "issue", begun, {"project": "app"})
            assert len(told.values) == found
        assert asked == ["app"]
        await choices.complete(call, "what", "", {"project": "web"})
        await choices.complete(Call(call.engine, Caller(Role.LEAD, "two")), "issue", "", {})
        assert asked == ["app", "web", None]
        await clock_of(books).advance(60)
        await choices.complete(call, "issue", "", {"project": "app"})
        assert asked[-1] == "app"


@pytest.mark.parametrize("name", ["issue", "nothing"])
async def test_what_nobody_can_say_completes_nothing(tmp_path: Path, name: str) -> None:
    async def away(call: Call, what: Asked) -> Listed:
        raise Unavailable("The tracker is away.", hint="Wait.")

    known = Operation("list_issues", "Issues", "List.", Asked, Listed, away, read_only=True)
    async with opened_books(tmp_path) as books:
        call = Call(an_engine(books), Caller(Role.LEAD, "one"))
        told = await Choices({known.name: known}).complete(call, name, "", {})
    assert told.values == []
    assert told.has_more is False
