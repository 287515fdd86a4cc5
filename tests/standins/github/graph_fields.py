"""The fields of GraphQL that are no plain attribute of a record: who asks, repositories, issues."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from standins.github.facts import Telling
from standins.github.limits import Limit
from standins.github.records import Issue, Pull, Record, Repository
from standins.github.state import Access, NotFound
from standins.github.world import World
from standins.graphql import Price, Resolver


@dataclass(frozen=True)
class Ask:
    """Who asks, of which world, at what price."""

    world: World
    telling: Telling
    access: Access
    limit: Limit
    price: Price
    points: int


@dataclass(frozen=True)
class Ref:
    """A branch."""

    typename = "Ref"
    repository: Repository
    name: str
    sha: str
    prefix: str = "refs/heads/"


@dataclass(frozen=True)
class Oid:
    """A commit by its hash."""

    typename = "Commit"
    repository: Repository
    oid: str


Plain = Callable[[Any, Ask], Any]
FIELDS: dict[str, dict[str, Resolver]] = {}


def fields(
    kind: str, *plain: Mapping[str, Plain], by_arguments: Mapping[str, Resolver] | None = None
) -> None:
    """Answer these fields of a type."""
    for some in (*plain, by_arguments or {}):
        FIELDS.setdefault(kind, {}).update(some)


def named(name: str) -> Resolver:
    """The attribute of this name, by whatever name it is asked for."""

    def said(one: Any, ask: Ask, **page: Any) -> Any:
        return getattr(one, name)

    return said


def upper(name: str) -> Plain:
    """The attribute of this name as GraphQL writes its enumerations."""

    def said(one: Any, ask: Ask, **given: Any) -> str | None:
        return value.upper() if (value := getattr(one, name)) else None

    return said


def page(kind: str) -> Plain:
    """Where a person would look at it."""
    return lambda one, ask: ask.telling.page(one.repository, kind, one.number)


def ref(at: Repository | None, name: str) -> Ref | None:
    """A branch, if there is one."""
    sha = at.bare.find(f"refs/heads/{name}") if at else None
    return Ref(at, name, sha) if at and sha else None


def state(one: Issue) -> str:
    """In GraphQL a merged pull request is not merely closed."""
    return "MERGED" if isinstance(one, Pull) and one.merged_at else one.state.upper()


NODE: Mapping[str, Plain] = {
    "id": named("node_id"),
    "databaseId": named("id"),
    "fullDatabaseId": lambda one, ask: str(one.id),
}
ISSUE: Mapping[str, Plain] = {
    **NODE,
    "bodyText": named("body"),
    "closed": lambda one, ask: one.state == "closed",
    "locked": lambda one, ask: False,
    "milestone": lambda one, ask: None,
    "state": lambda one, ask: state(one),
    "stateReason": upper("state_reason"),
    "url": page("issues"),
}


def _repository(_: Any, ask: Ask, owner: str, name: str, **more: Any) -> Repository:
    try:
        return ask.world.named(f"{owner}/{name}")
    except NotFound:
        said = f"Could not resolve to a Repository with the name '{owner}/{name}'."
        raise NotFound(said) from None


def _node(_: Any, ask: Ask, id: str) -> Record:
    return ask.world.known(id, Record)


def _nodes(_: Any, ask: Ask, ids: Sequence[str]) -> list[Record | None]:
    return [ask.world.nodes.get(one) for one in ids]


def _limit(_: Any, ask: Ask, **dry_run: bool) -> Ask:
    return ask


def _numbered(kind: type[Issue]) -> Resolver:
    def found(at: Repository, ask: Ask, number: int) -> Issue:
        one = at.issues.get(number)
        if one is None or type(one) is not kind:
            raise NotFound(f"Could not resolve to a {kind.typename} with the number of {number}.")
        return one

    return found


def _listed(kind: type[Issue]) -> Resolver:
    def found(at: Repository, ask: Ask, **by: Any) -> list[Issue]:
        kept = [one for one in at.issues.values() if type(one) is kind and _alike(one, by)]
        return _ordered(kept, by)

    return found


def _alike(one: Issue, by: Mapping[str, Any]) -> bool:
    labels = {label.name for label in one.labels}
    return (
        state(one) in (by.get("states") or [state(one)])
        and (not by.get("labels") or bool(labels & set(by["labels"])))
        and by.get("headRefName") in (None, getattr(one, "head", None))
        and by.get("baseRefName") in (None, getattr(one, "base", None))
    )


def _ordered(items: list[Issue], by: Mapping[str, Any]) -> list[Issue]:
    order = by.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    name = {"CREATED_AT": "created_at", "UPDATED_AT": "updated_at"}.get(order["field"])
    items.sort(key=lambda one: (getattr(one, name) if name else len(one.comments), one.number))
    return items[::-1] if order["direction"] == "DESC" else items


def _labels(at: Repository, ask: Ask, **page: Any) -> list[Any]:
    return [*at.labels.values()]


def _branch(at: Repository, ask: Ask, qualifiedName: str) -> Ref | None:
    return ref(at, qualifiedName.removeprefix("refs/heads/"))


def _allows(method: str) -> Plain:
    return lambda one, ask: method in one.methods


fields(
    "Query",
    {"viewer": lambda _, ask: ask.access.user},
    by_arguments={"repository": _repository, "node": _node, "nodes": _nodes, "rateLimit": _limit},
)
fields(
    "RateLimit",
    {
        "cost": named("points"),
        "limit": lambda ask, _: ask.limit.limit,
        "nodeCount": lambda ask, _: ask.price.nodes,
        "remaining": lambda ask, _: ask.limit.remaining,
        "resetAt": lambda ask, _: ask.telling.at(ask.limit.reset),
        "used": lambda ask, _: ask.limit.used,
    },
)
fields(
    "Repository",
    NODE,
    {
        "autoMergeAllowed": named("auto_merge_allowed"),
        "defaultBranchRef": lambda one, ask: ref(one, one.default_branch),
        "deleteBranchOnMerge": named("delete_merged"),
        "description": lambda one, ask: None,
        "hasIssuesEnabled": lambda one, ask: True,
        "hasWikiEnabled": lambda one, ask: False,
        "isFork": lambda one, ask: bool(one.parent),
        "isPrivate": named("private"),
        "mergeCommitAllowed": _allows("merge"),
        "nameWithOwner": named("full_name"),
        "rebaseMergeAllowed": _allows("rebase"),
        "squashMergeAllowed": _allows("squash"),
        "url": lambda one, ask: ask.telling.page(one),
        "viewerPermission": lambda one, ask: "WRITE" if ask.access.may_push else "READ",
    },
    by_arguments={
        "issue": _numbered(Issue),
        "issues": _listed(Issue),
        "labels": _labels,
        "pullRequest": _numbered(Pull),
        "pullRequests": _listed(Pull),
        "ref": _branch,
    },
)
for _kind in ("User", "Bot", "Organization"):
    fields(_kind, NODE, {"url": lambda one, ask: f"{ask.world.url}/{one.written}"})
fields("User", {"name": lambda one, ask: None})
fields("Organization", {"name": lambda one, ask: None})
fields("Label", NODE)
fields("Ref", {"target": lambda one, ask: Oid(one.repository, one.sha)})
fields("Issue", ISSUE)
