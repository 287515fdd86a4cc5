"""Source hosts know pull requests, their checks and reviews, and how to merge them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ao_core.git.train import Boarded, Gate, TrainResult
from ao_core.ids import SessionId
from ao_core.model.judgement import Judgement
from ao_core.model.work import (
    Check,
    ChecksSummary,
    Landed,
    Mergeability,
    MergeMethod,
    Pull,
    PullState,
    Review,
    ReviewComment,
    ReviewDecision,
    summarise,
)
from ao_core.plugin import ConfigT, Plugin


@dataclass(frozen=True, slots=True)
class WorkRef:
    """A session's work, as a source host needs to know it.

    A pull request belongs to it only if its head is one of `commits`, or it `claimed` that number.
    """

    session: str
    branch: str
    base: str
    base_commit: str
    title: str
    path: str
    commits: tuple[str, ...] = ()
    claimed: int | None = None


class Scm(Plugin[ConfigT]):
    """The pull requests of one repository.

    `remote` is git's name for where work has to be pushed, and where its targets are; None: here.
    """

    remote: ClassVar[str | None] = None

    @abstractmethod
    async def find(self, work: WorkRef) -> Pull | None:
        """The pull request of this work, open or ended, or None."""

    @abstractmethod
    async def get(self, number: int) -> Pull | None:
        """One pull request as it stands."""

    async def state(self, number: int) -> PullState | None:
        """Open, merged or closed."""
        pull = await self.get(number)
        return pull.state if pull else None

    @abstractmethod
    async def merge(self, pull: Pull, method: MergeMethod, *, message: str | None = None) -> Landed:
        """Merge exactly `pull.head`, or say what blocks it. Never forces."""

    @abstractmethod
    async def close(self, pull: Pull) -> None:
        """Close without merging; the branch stays."""

    @abstractmethod
    async def checks(self, pull: Pull) -> tuple[Check, ...]:
        """Every check of the head commit."""

    async def checks_summary(self, pull: Pull) -> ChecksSummary:
        """All checks in one word."""
        return summarise(await self.checks(pull))

    @abstractmethod
    async def reviews(self, pull: Pull) -> tuple[Review, ...]:
        """Every review, oldest first."""

    @abstractmethod
    async def decision(self, pull: Pull) -> ReviewDecision:
        """What the latest review of each reviewer amounts to."""

    @abstractmethod
    async def pending_comments(self, pull: Pull) -> tuple[ReviewComment, ...]:
        """Unresolved remarks by people."""

    @abstractmethod
    async def automated_comments(self, pull: Pull) -> tuple[ReviewComment, ...]:
        """Unresolved remarks by programs."""

    @abstractmethod
    async def mergeability(self, pull: Pull, method: MergeMethod) -> Mergeability:
        """Whether it may be merged now, and every blocker. Changes nothing."""


class BatchObservable(ABC):
    """A host that can look at many sessions' work in a bounded number of calls."""

    @abstractmethod
    async def observe(self, works: Sequence[WorkRef]) -> Mapping[str, Pull | None]:
        """The pull request of each session, by session id. A failed look leaves its key out."""


class Judging(ABC):
    """A host whose checks, reviewers and targets speak up by themselves."""

    @abstractmethod
    async def judge(self, pulls: Sequence[Pull]) -> Mapping[int, Judgement]:
        """What is made of each of these open ones, by number. A failed look leaves its key out."""


@dataclass(frozen=True, slots=True)
class Rider:
    """One session's pull request on a train, and the title its merge is to have."""

    session: SessionId
    pull: Pull
    title: str


@dataclass(frozen=True, slots=True)
class Journey:
    """How a train is to go: `gate` proves each member, `boarded` hears of each; `whole`: all land
    or none. `patience` is how many seconds checks are waited for, where the host runs them.
    """

    method: MergeMethod
    gate: Gate | None = None
    boarded: Boarded | None = None
    whole: bool = False
    dry_run: bool = False
    patience: float = 600.0


class Trainable(ABC):
    """A host whose merges are made here: many as one train, which moves the target once."""

    @abstractmethod
    async def objections(self, pull: Pull) -> tuple[str, ...]:
        """What keeps it off a train; conflicts do not, they are the train's to find."""

    @abstractmethod
    async def ride(self, riders: Sequence[Rider], journey: Journey) -> TrainResult:
        """Merge exactly these heads into their common base, as far as they can be."""

    async def tidy(self) -> None:
        """Remove what the trains of an engine that was killed have left."""


class Tidying(ABC):
    """A host that a merge leaves something at, such as a branch, which is removed from here."""

    @abstractmethod
    async def tidied(self, pull: Pull) -> None:
        """Remove what is left of a merge that was made from here, but not seen to its end."""


class Claimable(ABC):
    """A host whose pull requests may be made by others, and be taken over."""

    @abstractmethod
    def ref_of(self, pull: Pull) -> str:
        """The ref at the remote that has its head, also where its branch is in a fork."""


class Updating(ABC):
    """A host that can bring a target into a pull request's branch by itself."""

    @abstractmethod
    async def catch_up(self, pull: Pull, *, rebase: bool = False) -> Pull:
        """Have exactly `pull.head` brought up to date; the pull request with its new head."""


@dataclass(frozen=True, slots=True)
class Amendment:
    """What to change on a pull request; None leaves it alone. `reviewers` are asked, too."""

    title: str | None = None
    body: str | None = None
    base: str | None = None
    draft: bool | None = None
    assignees: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


class Authoring(ABC):
    """A host where pull requests are made and changed from here."""

    @abstractmethod
    async def propose(self, work: WorkRef, body: str = "", *, draft: bool = False) -> Pull:
        """Make a pull request of a branch that was pushed; one that is open already is returned."""

    @abstractmethod
    async def amend(self, pull: Pull, change: Amendment) -> Pull:
        """Change it; a change half made is reported in the error."""

    @abstractmethod
    async def reply(self, pull: Pull, comment: str, text: str) -> None:
        """Answer a remark, by its id."""

    @abstractmethod
    async def resolve(self, pull: Pull, comment: str) -> None:
        """Say that a remark is settled, by its id."""


class Reviewable(ABC):
    """A host that takes reviews from here."""

    @abstractmethod
    async def review(self, pull: Pull, review: Review, comments: Sequence[ReviewComment]) -> None:
        """Leave a review with its remarks."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What somebody has posted to us, as it came. The names of `headers` are in small letters."""

    headers: Mapping[str, str]
    body: bytes
    at: float  # as of `time.time()`


@dataclass(frozen=True, slots=True)
class Notice:
    """What a delivery is about: a hint where to look, and never what is to be seen there.

    `moved` names branches that have other commits than before: what is to be merged into one of
    them may be in conflict now. A notice that names nothing is of no interest.
    """

    delivery: str
    event: str
    repository: str
    pulls: frozenset[int] = frozenset()
    branches: frozenset[str] = frozenset()
    commits: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()

    @property
    def names_nothing(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.pulls or self.branches or self.commits or self.moved)


class Hooked(ABC):
    """A host that tells of changes by itself, to an address of ours.

    `signed` and `noticed` keep nothing and are called from a thread.
    """

    @property
    @abstractmethod
    def host(self) -> str:
        """Which of the hosts of this kind it is: other ones may have the same repository."""

    @property
    @abstractmethod
    def repository(self) -> str:
        """`owner/name`, as its deliveries have it."""

    @property
    @abstractmethod
    def events(self) -> Sequence[str]:
        """Those that it is to tell of, by its own names."""

    @abstractmethod
    async def secret(self) -> str | None:
        """The secret that is configured, if one is."""

    @abstractmethod
    def signed(self, posted: Posted, secret: str) -> bool:
        """Whether who posted it knows the secret; found out in a time that tells nothing of it."""

    @abstractmethod
    def noticed(self, posted: Posted) -> Notice:
        """What it is about; raises `BadRequest` for what is no delivery of this host."""

    def relayed(self, address: str) -> str | None:
        """The command that brings deliveries to an address only this machine has, if any does."""
        return None


class Hookable(ABC):
    """A host that takes the order to tell of changes from here."""

    @abstractmethod
    async def hook(self, address: str, secret: str) -> str:
        """See to it that deliveries go there, and once; says what was done."""
