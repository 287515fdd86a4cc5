"""The fields of GraphQL that are no plain attribute of a record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from standins.graphql import Resolver
from standins.linear.filters import fits
from standins.linear.records import Issue, Label, Record, Team, User
from standins.linear.world import Access, World

PRIORITIES = ("No priority", "Urgent", "High", "Medium", "Low")
_ORDERS = {"Ascending": False, "Descending": True}


@dataclass(frozen=True)
class Ask:
    """Who asks, of which world."""

    world: World
    access: Access


def shown(items: Sequence[Record], ask: Ask, by: Mapping[str, Any]) -> list[Record]:
    """Those that are asked for; the newest is the first, unless somebody says otherwise."""
    kept = [one for one in items if by.get("includeArchived") or one.archived_at is None]
    wanted: Mapping[str, Any] = by.get("filter") or {}
    kept = [one for one in kept if fits(one, wanted, ask.access.user)]
    name, newest = _order(by)
    return sorted(kept, key=lambda one: getattr(one, name), reverse=newest)


def _order(by: Mapping[str, Any]) -> tuple[str, bool]:
    names = {"createdAt": "created_at", "updatedAt": "updated_at"}
    if not by.get("sort"):
        return names[by.get("orderBy") or "createdAt"], True
    ((name, how),) = by["sort"][0].items()
    return names[name], _ORDERS[how["order"]]


Plain = Callable[[Any, Ask], Any]


def _every(kind: type[Record]) -> Resolver:
    def found(_: Any, ask: Ask, **by: Any) -> list[Record]:
        return shown(ask.world.every(kind), ask, by)

    return found


def _people(_: Any, ask: Ask, **by: Any) -> list[Record]:
    every = ask.world.every(User)
    return shown([one for one in every if one.active or by.get("includeDisabled")], ask, by)


def _one(kind: type[Record]) -> Resolver:
    def found(_: Any, ask: Ask, id: str) -> Record:
        return ask.world.known(id, kind)

    return found


def _within(name: str) -> Resolver:
    def found(one: Record, ask: Ask, **by: Any) -> list[Record]:
        return shown(getattr(one, name), ask, by)

    return found


def _labels(one: Issue, ask: Ask, **by: Any) -> list[Label]:
    """In the order in which the issue got them."""
    return [label for label in one.labels if fits(label, by.get("filter") or {}, ask.access.user)]


def _priority(one: Issue, ask: Ask) -> str:
    return PRIORITIES[one.priority]


_BY_ARGUMENTS: dict[str, dict[str, Resolver]] = {
    "Query": {
        "issue": _one(Issue),
        "issueLabels": _every(Label),
        "issues": _every(Issue),
        "team": _one(Team),
        "teams": _every(Team),
        "users": _people,
    },
    "Issue": {
        "attachments": _within("attachments"),
        "children": _within("children"),
        "comments": _within("comments"),
        "inverseRelations": _within("inverse_relations"),
        "labels": _labels,
        "relations": _within("relations"),
    },
    "Team": {"issues": _within("issues"), "states": _within("states")},
}
_PLAIN: dict[str, dict[str, Plain]] = {
    "Query": {
        "organization": lambda _, ask: ask.world,
        "viewer": lambda _, ask: ask.access.user,
    },
    "Issue": {
        "branchName": lambda one, ask: ask.world.branch(one, ask.access.user),
        "labelIds": lambda one, ask: [label.id for label in one.labels],
        "priorityLabel": _priority,
        "url": lambda one, ask: ask.world.url(one),
    },
    "User": {"isMe": lambda one, ask: one is ask.access.user},
}
FIELDS: dict[str, dict[str, Resolver]] = {
    kind: {**_BY_ARGUMENTS.get(kind, {}), **_PLAIN.get(kind, {})}
    for kind in _BY_ARGUMENTS.keys() | _PLAIN.keys()
}
