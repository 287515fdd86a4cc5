"""What a lead's client lists, goes through page by page, and has completed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ao_core import prompt
from ao_core.engine.caller import Caller, Role
from ao_core.wording import spoken
from ao_mcp.mcp import library
from ao_mcp.mcp.desk import Desk
from ao_mcp.mcp.face import McpFace
from ao_mcp.mcp.prompts import CHORES
from ao_mcp.operations.contract import AnyOperation, Call, Operation, Reply, Request
from ao_mcp.operations.every import OPERATIONS
from ao_mcp.service import Service
from ao_mcp.toolsets import TOOLSETS, Offer, absent, chosen
from bare_engine import an_engine
from books import Books, a_session, opened_books
from faces.desk_talk import Ask, talk

FOREIGN = {"code": -32602}
EVERY = frozenset(name for tools in TOOLSETS.values() for name in tools)
OFFERS = [
    Offer(), Offer(read_only=True), Offer(("core",)), Offer(("issues",)), Offer(("flow",)),
    Offer(chosen("all")), Offer(("issues",), read_only=True), Offer(("survey",), read_only=True),
]  # fmt: skip


class Asked(Request):
    limit: int
    project: str | None = None


class Listed(Reply):
    issues: list[dict[str, str]]


async def issues(call: Call, what: Asked) -> Listed:
    return Listed(issues=[{"issue": one} for one in ("1", "12", "2")])


def desk(books: Books, offer: Offer = OFFERS[0]) -> Desk:
    told = {Role.LEAD: prompt.lead_instructions()}
    known = Operation("list_issues", "I", "List.", Asked, Listed, issues, read_only=True)
    every: list[AnyOperation] = [known if one.name == known.name else one for one in OPERATIONS]
    service = Service(an_engine(books), every, "", "0", None, told)  # type: ignore[arg-type]
    return McpFace(service).desk(Caller(Role.LEAD, "test"), offer)


@asynccontextmanager
async def asking(folder: Path, offer: Offer = OFFERS[0], workers: int = 0) -> AsyncGenerator[Ask]:
    async with opened_books(folder) as books:
        await books.keep(*(a_session(f"app-{number + 1}") for number in range(workers)))
        async with talk(desk(books, offer)) as ask:
            yield ask


# -- pages -----------------------------------------------------------------------------------------


async def test_a_long_list_is_gone_through_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "_PAGE", 2)
    pages: list[list[str]] = []
    async with asking(tmp_path, workers=5) as ask:
        page: dict[str, Any] = await ask("resources/list")
        while True:
            pages.append([one["uri"] for one in page["resources"]])
            if "nextCursor" not in page:
                break
            page = await ask("resources/list", cursor=page["nextCursor"])
        assert await ask("resources/list", cursor="app-99") == FOREIGN
    workers = [[one for one in page if "/session/" in one] for page in pages]
    numbers = [[int(one.rpartition("-")[2]) for one in page] for page in workers]
    assert numbers == [[1, 2], [3, 4], [5]]
    assert "ao://projects" in pages[0]
    assert pages[1:] == workers[1:], "what is always there comes once"


async def test_a_page_that_is_just_full_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "_PAGE", 2)
    async with asking(tmp_path, workers=2) as ask:
        assert "nextCursor" not in await ask("resources/list")


@pytest.mark.parametrize("method", ["tools", "prompts", "resources/templates"])
async def test_what_has_one_page_knows_no_cursor(tmp_path: Path, method: str) -> None:
    async with asking(tmp_path) as ask:
        assert "nextCursor" not in await ask(f"{method}/list")
        for cursor in ("app-1", ""):
            assert await ask(f"{method}/list", cursor=cursor) == FOREIGN


# -- completion ------------------------------------------------------------------------------------


async def completed(ask: Ask, ref: str, name: str, begun: str = "") -> Any:
    kind = (
        {"type": "ref/resource", "uri": ref} if ":" in ref else {"type": "ref/prompt", "name": ref}
    )
    answer = await ask("completion/complete", ref=kind, argument={"name": name, "value": begun})
    return answer if "code" in answer else answer["completion"]["values"]


@pytest.mark.parametrize("ref", ["ao://nope/{session}", "file:///{session}"])
async def test_nothing_is_completed_for_what_there_is_not(tmp_path: Path, ref: str) -> None:
    async with asking(tmp_path, workers=1) as ask:
        assert await completed(ask, ref, "session") == FOREIGN


@pytest.mark.parametrize(
    ("ref", "name", "found"),
    [
        ("review", "session", ["app-1"]),
        ("delegate", "session", []),
        ("nope", "session", []),
        ("orchestrate", "goal", []),
        ("ao://session/{session}/diff", "session", ["app-1"]),
        ("ao://session/{session}/diff", "project", []),
        ("ao://issue/{project}/{issue}", "issue", ["1", "12", "2"]),
        ("ao://events{?after}", "after", []),
        ("ao://projects", "session", []),
        ("ao://session/app-1", "project", []),
    ],
)
async def test_only_what_it_asks_for_is_completed(
    tmp_path: Path, ref: str, name: str, found: list[str]
) -> None:
    async with asking(tmp_path, workers=1) as ask:
        assert await completed(ask, ref, name) == found


@pytest.mark.parametrize(
    ("begun", "found"),
    [
        ("", ["1", "12", "2"]),
        ("1", ["1", "12"]),
        ("2, 1", ["2, 1", "2, 12"]),
        ("2,", ["2,1", "2,12"]),
        ("1, 12,  2", ["1, 12,  2"]),
        ("mend the login, then ", []),
    ],
)
async def test_the_last_of_several_issues_is_completed(
    tmp_path: Path, begun: str, found: list[str]
) -> None:
    async with asking(tmp_path) as ask:
        assert await completed(ask, "delegate", "what", begun) == found


# -- who has fewer tools ---------------------------------------------------------------------------


def spoken_of(text: str) -> set[str]:
    """The tools that a text names."""
    return {one for one in EVERY if f"`{one}`" in text}


async def tools_of(ask: Ask) -> set[str]:
    return {one["name"] for one in (await ask("tools/list"))["tools"]}


@pytest.mark.parametrize("offer", OFFERS)
async def test_instructions_speak_of_offered_tools_only(tmp_path: Path, offer: Offer) -> None:
    async with opened_books(tmp_path) as books:
        made = desk(books, offer)
        told = made.server().instructions or ""
        async with talk(made) as ask:
            assert spoken_of(told) <= await tools_of(ask)
    assert "are data." in told
    assert not [line for line in told.splitlines() if line.strip() == "-"]


def test_who_has_every_tool_is_told_every_word() -> None:
    told = prompt.lead_instructions()
    assert spoken(told, absent(EVERY)) == told
    assert {"spawn", "wait", "merge", "kill", "list_issues"} <= spoken_of(told)
    assert "spawn" not in spoken(told, {"spawn"})


@pytest.mark.parametrize("offer", OFFERS)
async def test_prompts_are_for_offered_tools_only(tmp_path: Path, offer: Offer) -> None:
    async with asking(tmp_path, offer) as ask:
        tools = await tools_of(ask)
        offered = [one["name"] for one in (await ask("prompts/list"))["prompts"]]
        assert offered == [one.name for one in CHORES if one.needs <= tools]
        for chore in CHORES:
            if chore.attached(dict.fromkeys(chore.asks, "app-1")):
                continue  # which needs somebody to be about
            got = await ask(
                "prompts/get", name=chore.name, arguments=dict.fromkeys(chore.asks, "`x`")
            )
            if chore.name not in offered:
                assert got == FOREIGN
                assert await completed(ask, chore.name, "session") == []
            else:
                assert spoken_of(got["messages"][0]["content"]["text"]) <= tools


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("chore", CHORES, ids=lambda one: one.name)
def test_what_a_prompt_says_is_of_offered_tools_only(offer: Offer, chore: Any) -> None:
    reading = {one.name for one in OPERATIONS if one.read_only}
    tools = {one for one in EVERY if offer.has(one, read_only=one in reading)}
    values = chore.values(dict.fromkeys(chore.asks, "Use `spawn`, please."))
    text = prompt.lead_request(chore.name, dict.fromkeys(values, ""), absent(tools))
    assert spoken_of(text) <= tools
    whole = prompt.lead_request(chore.name, values, absent(tools))
    assert ("Use `spawn`, please." in whole) == bool(values), "what a person says stays"


def test_a_read_only_lead_is_offered_what_only_reads() -> None:
    missing = absent({"list", "show", "read", "wait", "list_issues", "get_issue"})
    assert [one.name for one in CHORES if one.needs.isdisjoint(missing)] == ["triage", "standup"]
