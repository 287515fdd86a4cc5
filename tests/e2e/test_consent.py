"""A person is asked before a merge and before unsaved work is put away, where a client can ask."""

from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Literal

import anyio
import pytest
from mcp.client import ClientRequestContext
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult

from mcp_client import ERAS, client_of
from team import Team

_NAMES = count()
pytestmark = pytest.mark.parametrize("era", ERAS)


@pytest.fixture(scope="module")
def team(shared_team: Team) -> Team:
    return shared_team


@contextmanager
def wishing(team: Team, wish: str) -> Generator[None]:
    """A home that says when to ask."""
    own = team.home / "config.yaml"
    own.write_text(f"confirm: {wish}\n")
    yield
    own.unlink()


class Person:
    """Somebody at a client, who needs a while to read; a program needs none."""

    def __init__(self, action: Literal["accept", "decline", "cancel"], reads: float = 0.4) -> None:
        self.action: Literal["accept", "decline", "cancel"] = action
        self.reads, self.asked = reads, list[str]()

    async def answer(
        self, context: ClientRequestContext, params: ElicitRequestParams
    ) -> ElicitResult:
        self.asked.append(params.message)
        await anyio.sleep(self.reads)
        return ElicitResult(action=self.action)

    async def call(self, team: Team, era: str, tool: str, **arguments: object) -> CallToolResult:
        async with client_of(team, era, elicitation_callback=self.answer) as client:
            return await client.call_tool(tool, arguments)


def worker(team: Team) -> str:
    name = f"{next(_NAMES)}.txt"
    session = team.spawn(f"do: write {name} a", "do: commit a")
    team.until(session, "pr_open")
    return session


def drafting(team: Team) -> tuple[str, Path]:
    session = team.spawn("do: write draft.txt draft")
    shown = team.until_so(session, lambda now: now["state"] == "idle")
    return session, Path(shown["path"]) / "draft.txt"


async def test_a_merge_that_a_person_agrees_to_is_made(team: Team, era: str) -> None:
    session, person = worker(team), Person("accept", reads=0)
    done = await person.call(team, era, "merge", session=session)
    assert done.structured_content["merged"]
    (asked,) = person.asked
    assert asked.startswith(f"Merge into main: {session} (")


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_merge_that_a_person_does_not_agree_to_is_not_made(
    team: Team, era: str, action: Literal["decline", "cancel"]
) -> None:
    session, person = worker(team), Person(action)
    refused = await person.call(team, era, "merge", session=session)
    assert refused.is_error
    assert refused.structured_content["code"] == "refused"
    assert team.call("show", session=session)["status"] == "pr_open"


async def test_a_no_that_comes_at_once_is_nobodys(team: Team, era: str) -> None:
    session, program = worker(team), Person("cancel", reads=0)
    done = await program.call(team, era, "merge", session=session)
    assert done.structured_content["merged"]
    assert len(program.asked) == 1


async def test_nobody_is_asked_about_what_changes_nothing(team: Team, era: str) -> None:
    session, person = worker(team), Person("decline")
    for how in ({"dry_run": True}, {"update_only": True}):
        done = await person.call(team, era, "merge", session=session, **how)
        assert not done.is_error
    assert person.asked == []


async def test_unsaved_work_is_put_away_only_if_a_person_agrees(team: Team, era: str) -> None:
    session, draft = drafting(team)
    person = Person("decline")
    refused = await person.call(team, era, "kill", session=session)
    assert refused.is_error
    assert person.asked == [
        f"{session} has work that is not committed; it is saved first. End {session}?"
    ]
    assert draft.exists()
    agrees = Person("accept", reads=0)
    ended = await agrees.call(team, era, "kill", session=session)
    assert ended.structured_content["salvage"]
    assert not draft.exists()


async def test_who_has_nothing_unsaved_is_ended_unasked(team: Team, era: str) -> None:
    session, person = worker(team), Person("decline")
    assert not (await person.call(team, era, "kill", session=session)).is_error
    assert person.asked == []


async def test_what_was_done_under_a_key_is_not_asked_about_again(team: Team, era: str) -> None:
    session, person = worker(team), Person("accept", reads=0)
    for _ in range(2):
        done = await person.call(team, era, "merge", session=session, key=f"once-{era}")
        assert done.structured_content["merged"]
    assert len(person.asked) == 1


async def test_a_client_that_cannot_ask_merges_unless_a_person_is_required(
    team: Team, era: str
) -> None:
    session = worker(team)
    async with client_of(team, era) as client:
        with wishing(team, "{merge: require}"):
            refused = await client.call_tool("merge", {"session": session})
        assert refused.structured_content["code"] == "refused"
        assert (await client.call_tool("merge", {"session": session})).structured_content["merged"]


async def test_a_home_that_wants_no_questions_has_none(team: Team, era: str) -> None:
    session, person = worker(team), Person("decline")
    with wishing(team, "{merge: never}"):
        done = await person.call(team, era, "merge", session=session)
    assert done.structured_content["merged"]
    assert person.asked == []


async def test_a_home_whose_wish_cannot_be_understood_wants_a_person(team: Team, era: str) -> None:
    session = worker(team)
    with wishing(team, "{merge: perhaps}"):
        async with client_of(team, era) as client:
            refused = await client.call_tool("merge", {"session": session})
    assert refused.structured_content["code"] == "refused"


async def test_what_is_wrong_with_a_call_is_said_before_anybody_is_asked(
    team: Team, era: str
) -> None:
    worker(team)
    person = Person("accept")
    for arguments in ({"session": "sam-999"}, {"sessions": 3}):
        assert (await person.call(team, era, "merge", **arguments)).is_error
    assert person.asked == []


# -- before a worker is allowed what it asks for ---------------------------------------------------


def asking(team: Team) -> tuple[str, str]:
    session = team.spawn("do: run touch ran.txt", "do: say done")
    (asked,) = team.until(session, "needs_input")["permissions_pending"]
    return session, asked["request"]


async def test_a_lead_allows_by_itself_unless_the_home_wants_a_person(team: Team, era: str) -> None:
    (session, _), person = asking(team), Person("decline")
    done = await person.call(team, era, "answer", session=session, decision="allow")
    assert done.structured_content["state"] == "answered"
    assert person.asked == []


async def test_what_a_lead_allows_is_done_once_a_person_agrees(team: Team, era: str) -> None:
    session, request = asking(team)
    wish = {"session": session, "decision": "allow", "always": True}
    with wishing(team, "{permission: ask}"):
        refused = await Person("decline").call(team, era, "answer", **wish)
        assert refused.structured_content["code"] == "refused"
        assert team.call("show", session=session)["permissions_pending"]
        person = Person("accept", reads=0)
        done = await person.call(team, era, "answer", **wish)
    assert done.structured_content["state"] == "answered"
    assert person.asked == [
        f"Allow {session}, now and later on (request {request}) to use run: touch ran.txt?"
    ]
    shown = team.until(session, "idle")
    assert (Path(shown["path"]) / "ran.txt").exists()
    assert "(lead, " in shown["always"][0]


async def test_a_lead_denies_by_itself(team: Team, era: str) -> None:
    (session, _), person = asking(team), Person("decline")
    with wishing(team, "{permission: require}"):
        done = await person.call(team, era, "answer", session=session, decision="deny")
    assert done.structured_content["state"] == "answered"
    assert person.asked == []


async def test_a_client_that_cannot_ask_allows_nothing_where_a_person_is_required(
    team: Team, era: str
) -> None:
    session, _ = asking(team)
    allow = {"session": session, "decision": "allow"}
    async with client_of(team, era) as client:
        with wishing(team, "{permission: require}"):
            refused = await client.call_tool("answer", allow)
        assert refused.structured_content["code"] == "refused"
        assert "`confirm: {permission: ask}`" in refused.structured_content["hint"]
        with wishing(team, "{permission: ask}"):
            done = await client.call_tool("answer", allow)
    assert done.structured_content["state"] == "answered"


async def test_a_person_agrees_to_one_request_and_not_to_another(team: Team, era: str) -> None:
    session = team.spawn("do: run touch one.txt", "do: run touch two.txt", "do: say done")
    team.until(session, "needs_input")

    class Slow(Person):
        """While it reads, somebody else answers, and the worker asks for something else."""

        async def answer(
            self, context: ClientRequestContext, params: ElicitRequestParams
        ) -> ElicitResult:
            if not self.asked:
                await anyio.to_thread.run_sync(self.meanwhile)
            return await super().answer(context, params)

        def meanwhile(self) -> None:
            team.call("answer", session=session, decision="deny")
            team.until_so(session, lambda now: "two" in str(now["permissions_pending"]))

    with wishing(team, "{permission: ask}"):
        person = Slow("accept", reads=0)
        found = await person.call(team, era, "answer", session=session, decision="allow")
    shown = team.call("show", session=session)
    if found.is_error:
        assert found.structured_content["code"] == "wrong_state"
        assert len(shown["permissions_pending"]) == 1
        team.call("answer", session=session, decision="deny")
    else:  # where a call comes again with what was said, the other one is asked about, too
        assert "two.txt" in person.asked[-1]
