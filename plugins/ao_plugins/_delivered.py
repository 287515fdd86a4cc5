"""Deliveries of webhooks, as every host's plugin reads them: strictly, no more than is needed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ao_core.errors import BadRequest
from ao_core.plugin import Config
from ao_core.slots.scm import Notice, Posted
from ao_plugins._secret import Secret

T = TypeVar("T", bound="Told")

Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=500)]  # of a branch, a repository
Sha: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$")]
Number: TypeAlias = Annotated[int, Field(gt=0, lt=2**53)]

_HEADS = "refs/heads/"


class WebhookSettings(Config):
    """What is set of webhooks."""

    webhook_secret: Secret | None = None


class Told(BaseModel):
    """Something that is told. What else there is told of it is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class About:
    """What an event names."""

    pulls: frozenset[int] = frozenset()
    branches: frozenset[str] = frozenset()
    commits: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()

    def notice(self, event: str, delivery: str, repository: str) -> Notice:
        """As the engine is told of it."""
        about = self.pulls, self.branches, self.commits, self.moved
        return Notice(delivery, event, repository, *about)


def pushed(ref: str, after: str) -> About:
    """A branch has other commits: what is to be merged into it may be in conflict now."""
    names = branch(ref)
    return About(branches=names, commits=present([after] if names else []), moved=names)


def header(headers: Mapping[str, str], name: str) -> str:
    """One header, or that it is missing or beyond reason."""
    found = headers.get(name, "")
    if not found or len(found) > 200 or not found.isprintable():
        raise BadRequest(f"a delivery has a header {name}")
    return found


def read(into: type[T], posted: Posted) -> T:
    """What was told; raises `BadRequest`, and quotes nothing of it."""
    try:
        return into.model_validate_json(posted.body)
    except ValidationError as exc:
        raise BadRequest(f"it is not what this host tells ({exc.error_count()} faults)") from None


def branch(ref: str) -> frozenset[str]:
    """The branch that a full name of a ref stands for, if it is one."""
    name = ref.removeprefix(_HEADS)
    return frozenset({name} if name != ref and name else ())


def present(names: Iterable[str | None]) -> frozenset[str]:
    """Those that are something: no commit at all is told as zeros."""
    return frozenset(name for name in names if name and name.strip("0"))
