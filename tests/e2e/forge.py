"""A team whose repository is on a stand-in of a host, and workers that push there."""

import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

from e2e.hosts import APP, Host
from team import CONFIG, PLAIN, Kind, Team, eventually, git

SECRET = ".token"  # the one file, in the home folder of whoever is signed in, that has the token
PUSH = "do: run git push -q origin HEAD"
_HELPER = "!f() { echo username=octocat; printf password=; cat ~/.token; echo; }; f"
_OPEN = """\
import json, subprocess, sys, urllib.request

api, where, field, *fields = sys.argv[1:]


def git(*argv, given=None):
    done = subprocess.run(["git", *argv], input=given, check=True, capture_output=True, text=True)
    return done.stdout.strip()


known = git("credential", "fill", given=f"url={api}\\n\\n")
token = dict(line.split("=", 1) for line in known.splitlines())["password"]
told = {field: git("rev-parse", "--abbrev-ref", "HEAD"), **dict(one.split("=") for one in fields)}
asked = urllib.request.Request(
    f"{api}{where}",
    json.dumps(told).encode(),
    {"authorization": f"Bearer {token}", "content-type": "application/json",
     "user-agent": "worker"},
)
with urllib.request.urlopen(asked) as answer:
    made = json.load(answer)
    print(made.get("html_url") or made["web_url"])
"""


def settings(
    host: Host, kind: Kind = PLAIN, *, before: str = "", token: str | None = None,
    scm: Mapping[str, int] = MappingProxyType({}),
) -> str:  # fmt: skip
    """The configuration of a project there; `scm` has what is set of that slot alone."""
    given = {"checks_within": 1, **scm}  # what is new there is held no longer than that
    how = "".join(f", {name}: {value}" for name, value in given.items())
    there = f"{{plugin: {host.name}, api: '{host.api}', repo: {APP}"
    there += f", token: {token}" if token else ""
    own = f"    scm: {there}{how}}}\n    tracker: {there}}}\n    agent: command"
    return before + kind.project(CONFIG).replace("    agent: command", own)


def signed_in(folder: Path, token: str, variable: str) -> None:
    """Whoever has this home folder: git asks the one file, and so does the login shell."""
    folder.mkdir(exist_ok=True)
    (folder / SECRET).write_text(token)
    (folder / ".profile").write_text(f'export {variable}="$(cat ~/{SECRET})"\n')
    git(folder, "config", "--file", str(folder / ".gitconfig"), "credential.helper", _HELPER)


def pushed(host: Host, folder: Path, config: str) -> Path:
    """A repository that is there, too."""
    made = Team.new_repository(folder, config)
    git(made, "push", "-q", "--force", host.at.remote(APP), "main")
    return _with_origin(host, made)


def cloned(host: Host, repository: Path, folder: Path) -> Path:
    """Another clone of it."""
    git(repository, "clone", "-q", str(repository), str(folder))
    git(folder, "remote", "remove", "origin")
    git(folder, "config", "user.name", "A Person")
    git(folder, "config", "user.email", "person@example.invalid")
    return _with_origin(host, folder)


def _with_origin(host: Host, made: Path) -> Path:
    git(made, "remote", "add", "origin", host.address)
    mirror = "main:refs/remotes/origin/main"
    git(made, "fetch", "-q", "--no-write-fetch-head", host.at.remote(APP), mirror)
    return made


def begun(host: Host, folder: Path, config: str) -> Path:
    """A person who is signed in there has a clone below this folder."""
    signed_in(folder, host.at.token, host.variable)
    return pushed(host, folder / "sample", config)


class Forge:
    """A team and the host of its repository. What is asked of the team survives its engine."""

    def __init__(self, team: Team, host: Host, scripts: Path) -> None:
        self.team, self.host, self.world = team, host, host.world
        self._script, self._count = scripts / "open_pull.py", count(1)
        self._script.write_text(_OPEN)

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        """One call, under a key of its own, until it is answered."""
        return self.team.sure(method, key=f"{method} {next(self._count)}", **params)

    def spawn(self, *script: str, issue: str | None = None, **params: Any) -> str:
        """A worker that does this, pushes its branch and opens a pull request."""
        steps = ["Do this:", *script, PUSH, self._opening(issue), "do: say opened"]
        session = self.do(
            "spawn", prompt="\n".join(steps), permissions="permissionless", issue=issue, **params
        )["session"]
        self.rests(session, "opened")
        self.team.until(session, "pr_open")
        return session

    def _opening(self, issue: str | None) -> str:
        branch, target, text = self.host.fields
        told = {"title": "Work", target: "main", text: f"Closes #{issue}" if issue else "No issue."}
        fields = " ".join(f"'{name}={word}'" for name, word in told.items())
        where = f"{self.host.api} {self.host.pulls} {branch}"
        return f"do: run {sys.executable} -I {self._script} {where} {fields}"

    def does(self, session: str, *script: str) -> None:
        """Have a worker do this, and wait until it has."""
        said = f"done {next(self._count)}"
        self.team.tell(session, "\n".join([*script, f"do: say {said}"]), key=said)
        self.rests(session, said)

    def pushes(self, session: str, *script: str) -> None:
        """Have a worker do this and push it, all in one turn."""
        self.does(session, *script, PUSH)

    def rests(self, session: str, said: str) -> dict[str, Any]:
        """Wait until its turn is over that ended with these words."""
        return self.team.until_so(
            session, lambda now: now["state"] == "idle" and now["report"] == said
        )

    def look(self, session: str) -> None:
        """Have it looked at: a turn ends."""
        self.does(session)

    def pull(self, session: str) -> Any:
        """The pull request of a session, as its host has it."""
        (found,) = self.host.on(self.team.sure("show", session=session)["branch"])
        return found

    def approved(self, *sessions: str) -> None:
        """Its checks pass and a person says yes."""
        for session in sessions:
            pull = self.pull(session)
            self.host.passes(pull)
            self.host.approves(pull)
        for session in sessions:
            eventually(lambda: self._is_mergeable(session))  # noqa: B023

    def _is_mergeable(self, session: str) -> bool:
        """By another look, since what is quite new is held for a moment."""
        self.look(session)
        return self.team.sure("show", session=session)["status"] == "mergeable"

    def merge(self, *sessions: str) -> dict[str, Any]:
        """Merge them in one call."""
        return self.do("merge", session=sessions[0], sessions=sessions[1:])

    def told(self, session: str, word: str) -> str:
        """The one message that has this word."""
        eventually(lambda: any(word in one for one in self.team.heard(session)))
        (found,) = [one for one in self.team.heard(session) if word in one]
        return found

    def on_main(self, file: str) -> str:
        """What a file at the host's main branch says."""
        return git(self.host.bare, "show", f"main:{file}")
