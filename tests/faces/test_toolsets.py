"""Which tools a lead is shown, by the sets it chose."""

import pytest

from ao_core.engine.caller import Role
from ao_core.errors import BadRequest
from ao_mcp.mcp.tools import Toolbox
from ao_mcp.operations.every import OPERATIONS
from ao_mcp.service import Service
from ao_mcp.toolsets import DEFAULT, TOOLSETS, Offer, chosen

WORKERS = {"report", "ask", "inbox", "message", "approve"}
READING = {"list", "show", "read", "wait", "list_issues", "get_issue"}


@pytest.fixture(scope="module")
def toolbox() -> Toolbox:
    return Toolbox(Service(None, OPERATIONS, "", "0", None))  # type: ignore[arg-type]  # no calls


def names(toolbox: Toolbox, offer: Offer, role: Role = Role.LEAD) -> set[str]:
    return {tool.name for tool in toolbox.tools(role, offer)}


def test_every_set_is_shown_whole_to_whoever_chose_it(toolbox: Toolbox) -> None:
    for name, tools in TOOLSETS.items():
        assert names(toolbox, Offer((name,))) == set(tools)
    every = {name for tools in TOOLSETS.values() for name in tools}
    assert names(toolbox, Offer(chosen("all"))) == every


def test_what_people_alone_may_do_is_in_no_set(toolbox: Toolbox) -> None:
    people = {one.name for one in OPERATIONS if Role.LEAD not in one.roles}
    assert {"stop", "trust"} <= people
    assert not people & names(toolbox, Offer(chosen("all")))


def test_to_who_only_reads_nothing_is_shown_that_changes_anything(toolbox: Toolbox) -> None:
    assert names(toolbox, Offer(read_only=True)) == READING
    changing = {one.name for one in OPERATIONS if not one.read_only}
    assert not changing & names(toolbox, Offer(chosen("all"), read_only=True))


def test_a_workers_tools_are_its_own_whatever_was_chosen(toolbox: Toolbox) -> None:
    for offer in (Offer(), Offer(chosen("all"), read_only=True)):
        assert names(toolbox, offer, Role.WORKER) == WORKERS


@pytest.mark.parametrize(
    ("text", "found"),
    [("", DEFAULT), ("core", ("core",)), (" flow, core,flow", ("flow", "core")), ("x,all", ())],
)
def test_sets_are_chosen_by_name(text: str, found: tuple[str, ...]) -> None:
    assert chosen(text) == (found or tuple(TOOLSETS))


def test_a_set_there_is_none_of_is_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        chosen("core,admin")
    assert "core, issues, flow, survey, all" in str(caught.value.hint)
