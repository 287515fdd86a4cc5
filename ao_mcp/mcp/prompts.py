"""The prompts a client offers its person: a lead's chores, with what they are about attached."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from mcp_types import (
    EmbeddedResource,
    GetPromptResult,
    ListPromptsResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from ao_core import prompt
from ao_core.errors import BadRequest
from ao_core.redact import visible
from ao_mcp.mcp import shelves
from ao_mcp.mcp.library import Library, refused
from ao_mcp.operations.contract import Call
from ao_mcp.perform import shown

_LONGEST = 4_000
Names = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Chore:
    """One prompt. `attached` are the addresses of what it is about, `needs` the tools without which
    it makes no sense.
    """

    name: str
    title: str
    description: str
    asks: Mapping[str, str]
    needs: frozenset[str]
    optional: frozenset[str] = frozenset()
    values: Callable[[Names], Names] = dict
    attached: Callable[[Names], Sequence[str]] = lambda given: ()


def _of_session(given: Names) -> Sequence[str]:
    return (
        shelves.SESSION.at(given["session"]),
        f"{shelves.SESSION.at(given['session'])}/diff",
    )


def _goal(given: Names) -> Names:
    return {"goal": given.get("goal") or "Every open issue is merged, or it is clear why not."}


def _where(given: Names) -> Names:
    project = given.get("project")
    return {"where": f" of project `{project}`" if project else ""}


CHORES: tuple[Chore, ...] = (
    Chore(
        "orchestrate", "Lead a team", "How to lead the team, and a goal to lead it to.",
        {"goal": "What is to be reached."}, frozenset({"spawn", "wait", "merge"}),
        frozenset({"goal"}), _goal,
    ),
    Chore(
        "delegate", "Delegate work", "Give issues, or other work, to workers.",
        {"what": "Issues by id, or what is to be done."}, frozenset({"spawn"}),
    ),
    Chore(
        "review", "Review a worker", "Review the work of one worker.",
        {"session": "The worker."}, frozenset({"review"}), attached=_of_session,
    ),
    Chore(
        "fix-checks", "Have checks mended", "See to it that a worker's checks pass.",
        {"session": "The worker."}, frozenset({"read", "send", "wait"}),
        attached=lambda given: _of_session(given)[:1],
    ),
    Chore(
        "triage", "Triage issues", "Sort the open issues: ready, too large, unclear, done.",
        {"project": "The project; else the one you work in."}, frozenset({"list_issues"}),
        frozenset({"project"}), _where,
    ),
    Chore(
        "standup", "How the team stands", "What was done, what waits, what comes next.",
        {}, frozenset(), attached=lambda given: (shelves.SESSIONS.at(),),
    ),
)  # fmt: skip
_BY_NAME = {one.name: one for one in CHORES}


def listed(absent: Collection[str]) -> ListPromptsResult:
    """Those whose tools are there."""
    return ListPromptsResult(
        prompts=[_prompt(one) for one in CHORES if one.needs.isdisjoint(absent)]
    )


def arguments(name: str, absent: Collection[str]) -> Collection[str]:
    """What a prompt asks for; of one that there is not nothing can be filled in."""
    chore = _BY_NAME.get(name)
    return chore.asks.keys() if chore and chore.needs.isdisjoint(absent) else ()


async def filled(
    library: Library, call: Call, name: str, given: Names, absent: Collection[str]
) -> GetPromptResult:
    """One of them, with its arguments and what it is about."""
    chore = _chore(name, absent)
    _require(chore, given)
    said = {key: visible(value, _LONGEST) for key, value in given.items()}
    text = prompt.lead_request(chore.name, chore.values(said), absent)
    if chore.name == "orchestrate":
        text = f"{prompt.lead_prompt(absent)}\n{text}"
    attached = [
        EmbeddedResource(resource=content)
        for address in chore.attached(said)
        for content in (await library.read(call, address)).contents
    ]
    blocks = [TextContent(text=text), *attached]
    messages = [PromptMessage(role="user", content=one) for one in blocks]
    return GetPromptResult(description=chore.description, messages=messages)


def _chore(name: str, absent: Collection[str]) -> Chore:
    chore = _BY_NAME.get(name)
    if chore is None or not chore.needs.isdisjoint(absent):
        raise refused(BadRequest(f"There is no prompt `{shown(name)}`."))
    return chore


def _require(chore: Chore, given: Names) -> None:
    missing = sorted(chore.asks.keys() - chore.optional - {key for key in given if given[key]})
    unknown = sorted(given.keys() - chore.asks.keys())
    if missing:
        raise refused(BadRequest(f"`{missing[0]}` is required."))
    if unknown:
        raise refused(BadRequest(f"`{shown(unknown[0])}` is not an argument."))


def _prompt(chore: Chore) -> Prompt:
    arguments = [
        PromptArgument(name=name, description=told, required=name not in chore.optional)
        for name, told in chore.asks.items()
    ]
    return Prompt(
        name=chore.name, title=chore.title, description=chore.description, arguments=arguments
    )
