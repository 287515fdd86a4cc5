"""One REST request, and the table of who answers which operation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from standins.github.facts import Telling
from standins.github.limits import Limits
from standins.github.records import Issue, Pull, Repository, User
from standins.github.state import Access, NotFound
from standins.github.world import World

T = TypeVar("T")
_MOST = 100


@dataclass
class Asked:
    """What is asked, by whom; it was found to be in order."""

    world: World
    telling: Telling
    access: Access
    limits: Limits
    url: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any] | None = None
    accept: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def by(self) -> User:
        return self.access.user

    @property
    def at(self) -> Repository:
        """The repository in the path."""
        return self.world.named(f"{self.path['owner']}/{self.path['repo']}")

    @property
    def issue(self) -> Issue:
        return found(self.at.issues.get(int(self.path["issue_number"])))

    @property
    def pull(self) -> Pull:
        return found(self.at.pulls.get(int(self.path["pull_number"])))

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the body; none, if there was no body."""
        return self.body or {}

    def given(self, name: str, otherwise: Any = None) -> Any:
        """A field of the body."""
        return self.fields.get(name, otherwise)

    def sha(self, name: str = "ref") -> str:
        """The commit that a name in the path stands for."""
        return found(self.at.bare.find(self.path[name]))

    def page_of(self, items: Sequence[T]) -> Sequence[T]:
        """The page that is asked for; where others are is told besides."""
        size = max(1, min(_MOST, int(self.query.get("per_page", 30))))
        page, last = max(1, int(self.query.get("page", 1))), max(1, -(-len(items) // size))
        near = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        wanted = {
            rel: at
            for rel, at in near.items()
            if 1 <= at <= last and at != page and (page < last or rel in ("prev", "first"))
        }
        if wanted:
            told = (f'<{self._page_at(at)}>; rel="{rel}"' for rel, at in wanted.items())
            self.headers["link"] = ", ".join(told)
        return items[(page - 1) * size : page * size]

    def _page_at(self, page: int) -> str:
        return f"{self.url}?{urlencode({**self.query, 'page': page})}"


@dataclass(frozen=True)
class Answer:
    """Facts, of which the description says which are shown; or something that is not JSON."""

    status: int
    facts: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    text: str | None = None


Route = Callable[[Asked], Answer]
ROUTES: dict[str, Route] = {}


def answers(operation: str) -> Callable[[Route], Route]:
    """Have a function answer an operation, by its id in the description."""

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
    return found(next((one for one in items if getattr(one, "id") == int(number)), None))  # noqa: B009
