"""A team whose repository is on a stand-in of a host, and workers that push there."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from standins.github import GitHub
from standins.github.records import Pull
from standins.gitlab import GitLab
from standins.gitlab.records import MergeRequest
from team import CONFIG, PLAIN, Kind, Team, eventually, git

APP = "acme/app"
_OPEN = """\
import json, sys, urllib.request

address, token, *fields = sys.argv[1:]
body = json.dumps(dict(one.split("=", 1) for one in fields)).encode()
headers = {"authorization": f"Bearer {token}", "content-type": "application/json",
           "user-agent": "worker"}
with urllib.request.urlopen(urllib.request.Request(address, body, headers)) as answer:
    made = json.load(answer)
    print(made.get("html_url") or made["web_url"])
"""


@dataclass
class Host(ABC):
    """What differs: where it all is, and how a person does something there."""

    at: Any
    name: ClassVar[str]
    variable: ClassVar[str]  # that has the token of whoever signs in
    fields: ClassVar[tuple[str, str, str]]  # of a new one: its branch, its target and its text

    @property
    @abstractmethod
    def api(self) -> str:
        """The address of the interface."""

    @property
    @abstractmethod
    def pulls(self) -> str:
        """Where a new one is posted, below it."""

    @abstractmethod
    def opened(self, branch: str) -> int:
        """A person opens one for a branch that is there; its number."""

    @abstractmethod
    def on(self, branch: str) -> list[Any]:
        """Those of a branch."""

    @abstractmethod
    def close(self, number: int) -> None:
        """A person closes it."""

    @property
    def world(self) -> Any:
        """The host as a test arranges it."""
        return self.at.world

    @property
    def bare(self) -> Path:
        """Its own repository."""
        return self.world.named(APP).bare.folder


class OnGitHub(Host):
    """Pull requests."""

    name, variable, fields = "github", "GH_ENTERPRISE_TOKEN", ("head", "base", "body")
    at: GitHub

    @property
    def api(self) -> str:
        return f"{self.at.url}/api/v3"

    @property
    def pulls(self) -> str:
        return f"/repos/{APP}/pulls"

    def opened(self, branch: str) -> int:
        return self.at.world.pull(APP, branch, title="Work").number

    def on(self, branch: str) -> list[Pull]:
        return [one for one in self.at.world.named(APP).pulls.values() if one.head == branch]

    def close(self, number: int) -> None:
        self.at.world.close(self.at.world.named(APP).pulls[number])


class OnGitLab(Host):
    """Merge requests."""

    name, variable = "gitlab", "GITLAB_TOKEN"
    fields = ("source_branch", "target_branch", "description")
    at: GitLab

    @property
    def api(self) -> str:
        return self.at.api

    @property
    def pulls(self) -> str:
        return "/projects/acme%2Fapp/merge_requests"

    def opened(self, branch: str) -> int:
        return self.at.world.merge_request(APP, branch, title="Work").iid

    def on(self, branch: str) -> list[MergeRequest]:
        every = self.at.world.named(APP).merge_requests.values()
        return [one for one in every if one.source_branch == branch]

    def close(self, number: int) -> None:
        self.at.world.close(self.at.world.named(APP).merge_requests[number])


def settings(host: Host, kind: Kind = PLAIN, *, tracker: bool = False, **more: Any) -> str:
    """The configuration of a project there."""
    config = kind.project(CONFIG)
    there = f"plugin: {host.name}, api: '{host.api}', repo: {APP}"
    how = "".join(f", {name}: {value}" for name, value in more.items())
    lines = f"    scm: {{{there}{how}}}\n"
    lines += f"    tracker: {{{there}}}\n" if tracker else ""
    return config.replace("    agent: command", f"{lines}    agent: command")


def pushed(host: Host, folder: Path, config: str) -> Path:
    """A repository that is there, too."""
    made = Team.new_repository(folder, config)
    git(made, "remote", "add", "origin", host.at.remote(APP))
    git(made, "push", "-q", "--force", "origin", "main")
    git(made, "fetch", "-q", "origin")
    return made


class Forge:
    """A team and the host of its repository."""

    def __init__(self, team: Team, host: Host, scripts: Path) -> None:
        self.team, self.host, self.world = team, host, host.world
        self._script = scripts / "open_pull.py"
        self._script.write_text(_OPEN)

    def spawn(self, *script: str, title: str = "Work", **params: Any) -> str:
        """A worker that does this, pushes its branch and opens a pull request."""
        session = self.team.spawn(*script, permissions="permissionless", **params)
        self.publish(session, title)
        return session

    def publish(self, session: str, title: str = "Work") -> None:
        """Have a worker push what it has done, and open a pull request."""
        shown = self.team.until_so(session, lambda now: now["state"] == "idle")
        head, base, body = self.host.fields
        told = {"title": title, head: shown["branch"], base: "main", body: "Closes #1"}
        self.team.tell(session, f"do: run git push -q origin HEAD\ndo: run {self._opening(told)}")
        self.team.until_so(session, lambda now: now["pull_request"] == "open")

    def _opening(self, told: Mapping[str, str]) -> str:
        fields = " ".join(f"'{name}={text}'" for name, text in told.items())
        address = f"{self.host.api}{self.host.pulls} {self.host.at.token}"
        return f"{sys.executable} -I {self._script} {address} {fields}"

    def pull(self, session: str) -> Any:
        """The pull request of a session, as its host has it."""
        (found,) = self.host.on(self.team.call("show", session=session)["branch"])
        return found

    def look(self, session: str) -> None:
        """Have it looked at: a turn ends."""
        self.team.tell(session, "do: say looking")


@contextmanager
def founded(folder: Path, host: Host, kind: Kind = PLAIN, **more: Any) -> Generator[Forge]:
    """A team whose repository is there, and whose login shell knows the token."""
    (folder / ".profile").write_text(f"export {host.variable}={host.at.token}\n")
    repository = pushed(host, folder / "sample", settings(host, kind, **more))
    team = Team(folder / "home", repository, folder / "run", kind)
    yield Forge(team.trusted(), host, folder)
    team.end()


def mended(team: Team, session: str, word: str) -> str:
    """The one message that asks for it."""
    eventually(lambda: len([one for one in team.heard(session) if word in one]) == 1)
    return next(one for one in team.heard(session) if word in one)
