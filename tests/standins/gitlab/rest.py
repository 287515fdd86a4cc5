"""One request, and the table of who answers which operation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from standins.gitlab.facts import Telling, moment_of
from standins.gitlab.records import Issue, MergeRequest, Project, User
from standins.gitlab.state import Access, NotFound, Refused
from standins.gitlab.world import World

T = TypeVar("T")
_MOST = 100
_COUNTED = 10_000  # of more things the host does not say how many there are


@dataclass
class Asked:
    """What is asked, by whom; it was found to be in order."""

    world: World
    telling: Telling
    access: Access
    url: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    several: Mapping[str, Sequence[str]]
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def by(self) -> User:
        return self.access.user

    @property
    def at(self) -> Project:
        """The project in the path, if whoever asks may know of it."""
        return self.visible(self.path["id"])

    @property
    def issue(self) -> Issue:
        return found(self.at.issues.get(int(self.path["issue_iid"])))

    @property
    def merge_request(self) -> MergeRequest:
        return found(self.at.merge_requests.get(int(self.path["merge_request_iid"])))

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the body; none, if there was no body."""
        return self.body or {}

    def visible(self, path: str) -> Project:
        at = self.world.named(path)
        if at.visibility == "private" and self.by not in at.members:
            raise NotFound("Project")
        return at

    def at_least(self, level: int) -> None:
        """Refuse those who are less in this project."""
        if self.at.members.get(self.by, 0) < level:
            raise Refused(403, "403 Forbidden")

    def given(self, name: str, otherwise: Any = None) -> Any:
        """A field of the body."""
        return self.fields.get(name, otherwise)

    def page_of(self, items: Sequence[T]) -> Sequence[T]:
        """The page that is asked for; where others are is told besides."""
        size = max(1, min(_MOST, int(self.query.get("per_page", 20))))
        page, last = max(1, int(self.query.get("page", 1))), max(1, -(-len(items) // size))
        before, after = (page - 1 if page > 1 else ""), (page + 1 if page < last else "")
        self.headers |= {
            "x-page": str(page), "x-per-page": str(size), "x-prev-page": str(before),
            "x-next-page": str(after),
        }  # fmt: skip
        near: dict[str, Any] = {"prev": before, "next": after, "first": 1}
        if len(items) <= _COUNTED:
            self.headers |= {"x-total": str(len(items)), "x-total-pages": str(last)}
            near["last"] = last
        self.headers["link"] = ", ".join(
            f'<{self._page_at(at, size)}>; rel="{rel}"' for rel, at in near.items() if at
        )
        return items[(page - 1) * size : page * size]

    def _page_at(self, page: int, size: int) -> str:
        return f"{self.url}?{urlencode({**self.query, 'page': page, 'per_page': size})}"


@dataclass(frozen=True)
class Answer:
    """Facts, of which the description says which are shown; or something that is not JSON."""

    status: int
    facts: Any = None
    text: str | None = None


Route = Callable[[Asked], Answer]
ROUTES: dict[str, Route] = {}


def answers(operation: str) -> Callable[[Route], Route]:
    """Have a function answer an operation, by its name in the description."""

    def kept(route: Route) -> Route:
        ROUTES[operation] = route
        return route

    return kept


def found(one: T | None) -> T:
    """It, or that there is no such thing."""
    if one is None:
        raise NotFound
    return one


def of_id(items: Sequence[T], number: str) -> T:
    """The one of this id."""
    return found(next((one for one in items if str(getattr(one, "id")) == number), None))  # noqa: B009


def names(told: str | Sequence[str]) -> list[str]:
    """Names in a list, or with commas between."""
    some = told.split(",") if isinstance(told, str) else told
    return [name.strip() for name in some if name.strip()]


def members(asked: Asked, *fields: str) -> list[User] | None:
    """Whom the ids of the body mean; none, if it does not speak of them."""
    for field_ in fields:
        if field_ in asked.fields:
            told = asked.fields[field_]
            some = cast(list[int], told if isinstance(told, list) else [told])
            known = (asked.world.member_of_id(asked.at, number) for number in some if number)
            return [one for one in known if one]
    return None


def labels_after(asked: Asked, before: Sequence[str]) -> list[str] | None:
    """The labels after what the body asks; none, if it asks nothing of them."""
    if not asked.fields.keys() & {"labels", "add_labels", "remove_labels"}:
        return None
    kept = names(asked.given("labels", list(before)))
    gone = set(names(asked.given("remove_labels", "")))
    return [name for name in [*kept, *names(asked.given("add_labels", ""))] if name not in gone]


def kept_by(items: Sequence[Any], query: Mapping[str, str]) -> list[Any]:
    """What both kinds of list keep, and in which order."""
    kept = [one for one in items if _fits(one, query)]
    order = query.get("order_by", "created_at")
    field_ = order if order in ("created_at", "updated_at", "title") else "created_at"
    kept.sort(
        key=lambda one: (getattr(one, field_), one.id), reverse=query.get("sort", "desc") == "desc"
    )
    return kept


def _fits(one: Issue, query: Mapping[str, str]) -> bool:
    has = {label.name for label in one.labels}
    text = f"{one.title}\n{one.description or ''}" if query.get("in") != "title" else one.title
    since = query.get("updated_after")
    return (
        query.get("state", "all") in ("all", one.state)
        and _labelled(has, query.get("labels"))
        and not has & set(names(query.get("not[labels]", "")))
        and query.get("search", "").lower() in text.lower()
        and query.get("author_username", one.author.username) == one.author.username
        and query.get("author_id", str(one.author.id)) == str(one.author.id)
        and _assigned(one, query)
        and (since is None or moment_of(one.updated_at) >= moment_of(since))
    )


def _labelled(has: set[str], wanted: str | None) -> bool:
    if wanted in ("None", "Any"):
        return bool(has) == (wanted == "Any")
    return set(names(wanted or "")) <= has


def _assigned(one: Issue, query: Mapping[str, str]) -> bool:
    wanted = query.get("assignee_id")
    if wanted in ("None", "Any"):
        return bool(one.assignees) == (wanted == "Any")
    name = query.get("assignee_username", query.get("assignee_username[]"))
    ids, known = {str(u.id) for u in one.assignees}, {u.username for u in one.assignees}
    return (wanted is None or wanted in ids) and (name is None or name in known)
