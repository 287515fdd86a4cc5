"""What differs between two hosts: where things are, and how people and machines act there."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from standins import github, gitlab
from standins.github import GitHub
from standins.github.records import Pull
from standins.gitlab import GitLab
from standins.gitlab.records import MergeRequest

APP = "acme/app"


@dataclass
class Host(ABC):
    """A stand-in, and what a test has to know of it."""

    at: Any
    name: ClassVar[str]
    variable: ClassVar[str]  # that has the token of whoever signs in
    fields: ClassVar[tuple[str, str, str]]  # of a new one: its branch, its target and its text
    pulls: ClassVar[str]  # where a new one is posted
    page: ClassVar[str]  # and where people see it
    shape: ClassVar[str]  # what its tokens look like
    blamed: ClassVar[tuple[str, ...]]  # how a worker is told of the failed job
    merges: ClassVar[str]  # the operations of the stand-in
    issues: ClassVar[str]
    comments: ClassVar[str]

    @property
    @abstractmethod
    def api(self) -> str:
        """The address of the interface."""

    @property
    def address(self) -> str:
        """Of the repository for git, without any token."""
        return f"{self.at.url}/{APP}.git"

    @property
    def world(self) -> Any:
        """The host as a test arranges it."""
        return self.at.world

    @property
    def bare(self) -> Path:
        """Its own repository."""
        return self.world.named(APP).bare.folder

    # -- what people and machines do ---------------------------------------------------------------

    @abstractmethod
    def opened(self, branch: str) -> int:
        """Somebody else opens one for a branch that is there; its number."""

    @abstractmethod
    def close(self, number: int) -> None:
        """A person closes it."""

    @abstractmethod
    def fails(self, pull: Any, log: Sequence[str]) -> None:
        """A check of it fails, and has said this."""

    @abstractmethod
    def passes(self, pull: Any) -> None:
        """All of its checks pass."""

    @abstractmethod
    def waits(self, pull: Any) -> None:
        """One more check of it runs, and goes on."""

    @abstractmethod
    def refuses(self, pull: Any, path: str, body: str) -> str:
        """A reviewer asks for a change, in a thread on the first line of a file; its id."""

    @abstractmethod
    def settles(self, pull: Any, thread: str) -> None:
        """The thread is over."""

    @abstractmethod
    def approves(self, pull: Any) -> None:
        """A reviewer says yes."""

    @abstractmethod
    def unchecked(self) -> dict[str, int]:
        """Nothing there judges any work; the settings that say so."""

    # -- what there is -----------------------------------------------------------------------------

    @abstractmethod
    def on(self, branch: str) -> list[Any]:
        """Those of a branch."""

    @abstractmethod
    def every(self) -> dict[int, Any]:
        """All of them, by number."""

    @abstractmethod
    def head(self, pull: Any) -> str:
        """The commit it is at."""

    @abstractmethod
    def number(self, pull: Any) -> int:
        """What it is known by."""

    @abstractmethod
    def is_merged(self, pull: Any) -> bool:
        """Whether it is."""

    @abstractmethod
    def words(self, about: Any) -> list[str]:
        """What was said about it, the host's own notes aside."""

    def issue(self, number: str) -> Any:
        """An issue by its number."""
        return self.world.named(APP).issues[int(number)]


class OnGitHub(Host):
    """Pull requests."""

    at: GitHub
    name, variable, page = "github", "GH_ENTERPRISE_TOKEN", "/pull/"
    fields, pulls = ("head", "base", "body"), f"/repos/{APP}/pulls"
    shape = "ghp_0Ksz9fYbVq3mUe7LtWd2RhXc5NaGj8PoTi41"
    blamed = ("ci / lint",)
    merges, issues, comments = "pulls/merge", "issues/create", "issues/create-comment"

    @property
    def api(self) -> str:
        return f"{self.at.url}/api/v3"

    def opened(self, branch: str) -> int:
        world = self.at.world
        return world.pull(APP, branch, title="Work", author=world.reviewer).number

    def close(self, number: int) -> None:
        self.at.world.close(self.every()[number])

    def fails(self, pull: Pull, log: Sequence[str]) -> None:
        said = [f"2026-01-01T00:00:00.0000000Z {line}" for line in log]
        said[-1] = said[-1].replace("Z ", "Z ##[error]")
        self.at.world.job(pull, "lint", "failure", log="\n".join([*said, ""]))

    def passes(self, pull: Pull) -> None:
        self.at.world.job(pull, "lint", "success")

    def waits(self, pull: Pull) -> None:
        self.at.world.job(pull, "lint", None)

    def refuses(self, pull: Pull, path: str, body: str) -> str:
        thread = self.at.world.thread(pull, path, 1, body)
        self.at.world.review(pull, "CHANGES_REQUESTED", "Not yet.")
        return thread.node_id

    def settles(self, pull: Pull, thread: str) -> None:
        (one,) = [one for one in pull.threads if one.node_id == thread]
        self.at.world.resolve(one)

    def approves(self, pull: Pull) -> None:
        self.at.world.review(pull, "APPROVED")

    def unchecked(self) -> dict[str, int]:
        return {"checks_within": 0}

    def on(self, branch: str) -> list[Pull]:
        return [one for one in self.every().values() if one.head == branch]

    def every(self) -> dict[int, Pull]:
        return self.at.world.named(APP).pulls

    def head(self, pull: Pull) -> str:
        return pull.head_sha

    def number(self, pull: Pull) -> int:
        return pull.number

    def is_merged(self, pull: Pull) -> bool:
        return pull.merged_at is not None

    def words(self, about: Any) -> list[str]:
        return [one.body for one in about.comments]


class OnGitLab(Host):
    """Merge requests."""

    at: GitLab
    name, variable, page = "gitlab", "GITLAB_TOKEN", "/-/merge_requests/"
    fields = ("source_branch", "target_branch", "description")
    pulls = "/projects/acme%2Fapp/merge_requests"
    shape = "glpat-0Ksz9fYbVq3mUe7LtWd2"
    blamed = ("lint", "failed in stage check")
    merges, issues, comments = "merge_requests/merge", "issues/create", "issue_notes/create"

    def __init__(self, at: GitLab) -> None:
        super().__init__(at)
        at.world.named(APP).pipeline_must_succeed = True

    @property
    def api(self) -> str:
        return self.at.api

    def opened(self, branch: str) -> int:
        world = self.at.world
        return world.merge_request(APP, branch, title="Work", author=world.reviewer).iid

    def close(self, number: int) -> None:
        self.at.world.close(self.every()[number])

    def fails(self, pull: MergeRequest, log: Sequence[str]) -> None:
        world, said = self.at.world, "\n".join([*log[:-1], f"ERROR: {log[-1]}"])
        run = world.pipeline(pull, {"build": "success"})
        world.job(run, "lint", "failed", stage="check", trace=said)

    def passes(self, pull: MergeRequest) -> None:
        self.at.world.pipeline(pull, {"build": "success", "lint": "success"})

    def waits(self, pull: MergeRequest) -> None:
        self.at.world.pipeline(pull, {"build": "success", "slow": "running"})

    def refuses(self, pull: MergeRequest, path: str, body: str) -> str:
        refs = {"base_sha": pull.base_sha, "start_sha": pull.start_sha, "head_sha": pull.sha}
        at = {"position_type": "text", "old_path": path, "new_path": path, "new_line": 1}
        world = self.at.world
        note = world.discussion(pull, body, world.reviewer, position={**refs, **at})
        world.review(pull, "requested_changes")
        (thread,) = [one for one in pull.discussions if note in one.notes]
        return thread.id

    def settles(self, pull: MergeRequest, thread: str) -> None:
        (one,) = [one for one in pull.discussions if one.id == thread]
        self.at.world.resolve(one)

    def approves(self, pull: MergeRequest) -> None:
        self.at.world.review(pull, "approved")

    def unchecked(self) -> dict[str, int]:
        self.at.world.named(APP).pipeline_must_succeed = False
        return {"checks_within": 0}

    def on(self, branch: str) -> list[MergeRequest]:
        return [one for one in self.every().values() if one.source_branch == branch]

    def every(self) -> dict[int, MergeRequest]:
        return self.at.world.named(APP).merge_requests

    def head(self, pull: MergeRequest) -> str:
        return pull.sha

    def number(self, pull: MergeRequest) -> int:
        return pull.iid

    def is_merged(self, pull: MergeRequest) -> bool:
        return pull.state == "merged"

    def words(self, about: Any) -> list[str]:
        return [one.body for one in about.notes if not one.system]


HOSTS: dict[str, tuple[Any, type[Host]]] = {
    "github": (github.hosted, OnGitHub),
    "gitlab": (gitlab.hosted, OnGitLab),
}


@contextmanager
def host_of(name: str, folder: Path) -> Generator[Host]:
    """A stand-in of this host, of which everything must have been in order at the end."""
    hosted, kind = HOSTS[name]
    standin: AbstractContextManager[Any] = hosted(folder)
    with standin as at:
        yield kind(at)
