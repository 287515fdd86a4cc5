"""A team whose repository is on a stand-in of GitHub, and workers that push there."""

import sys
from itertools import count
from pathlib import Path
from typing import Any

from standins.github import GitHub
from standins.github.records import Pull
from team import CONFIG, PLAIN, Kind, Team, eventually, git

APP = "acme/app"
SECRET = ".token"  # the one file, in the home folder of whoever is signed in, that has the token
_HELPER = "!f() { echo username=octocat; printf password=; cat ~/.token; echo; }; f"
_OPEN = """\
import json, subprocess, sys, urllib.request

api, title, body = sys.argv[1:]


def git(*argv, given=None):
    done = subprocess.run(["git", *argv], input=given, check=True, capture_output=True, text=True)
    return done.stdout.strip()


known = git("credential", "fill", given=f"url={api}\\n\\n")
token = dict(line.split("=", 1) for line in known.splitlines())["password"]
head = git("rev-parse", "--abbrev-ref", "HEAD")
asked = urllib.request.Request(
    f"{api}/repos/acme/app/pulls",
    json.dumps({"title": title, "head": head, "base": "main", "body": body}).encode(),
    {"authorization": f"Bearer {token}", "content-type": "application/json",
     "accept": "application/vnd.github+json", "user-agent": "worker"},
)
with urllib.request.urlopen(asked) as answer:
    print(json.load(answer)["html_url"])
"""


def settings(github: GitHub, kind: Kind = PLAIN, *, before: str = "", **more: Any) -> str:
    """The configuration of a project there."""
    how = "".join(f", {name}: {value}" for name, value in more.items())
    there = f"{{plugin: github, api: '{github.url}/api/v3', repo: {APP}{how}}}"
    own = f"    scm: {there}\n    tracker: {there}\n    agent: command"
    return before + kind.project(CONFIG).replace("    agent: command", own)


def signed_in(folder: Path, token: str, variable: str = "GH_ENTERPRISE_TOKEN") -> None:
    """Whoever has this home folder: git asks the one file, and so does the login shell."""
    folder.mkdir(exist_ok=True)
    (folder / SECRET).write_text(token)
    (folder / ".profile").write_text(f'export {variable}="$(cat ~/{SECRET})"\n')
    git(folder, "config", "--file", str(folder / ".gitconfig"), "credential.helper", _HELPER)


def pushed(github: GitHub, folder: Path, config: str) -> Path:
    """A repository that is there, too."""
    made = Team.new_repository(folder, config)
    git(made, "push", "-q", "--force", github.remote(APP), "main")
    return _with_origin(github, made)


def cloned(github: GitHub, repository: Path, folder: Path) -> Path:
    """Another clone of it."""
    git(repository, "clone", "-q", str(repository), str(folder))
    git(folder, "remote", "remove", "origin")
    git(folder, "config", "user.name", "A Person")
    git(folder, "config", "user.email", "person@example.invalid")
    return _with_origin(github, folder)


def _with_origin(github: GitHub, made: Path) -> Path:
    git(made, "remote", "add", "origin", f"{github.url}/{APP}.git")
    mirror = "main:refs/remotes/origin/main"
    git(made, "fetch", "-q", "--no-write-fetch-head", github.remote(APP), mirror)
    return made


class Forge:
    """A team and the host of its repository. What is asked of the team survives its engine."""

    def __init__(self, team: Team, github: GitHub, scripts: Path) -> None:
        self.team, self.github, self.world = team, github, github.world
        self._script, self._count = scripts / "open_pull.py", count(1)
        self._script.write_text(_OPEN)

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        """One call, under a key of its own, until it is answered."""
        return self.team.sure(method, key=f"{method} {next(self._count)}", **params)

    def spawn(self, *script: str, issue: str | None = None, **params: Any) -> str:
        """A worker that does this, pushes its branch and opens a pull request."""
        body = f"Closes #{issue}" if issue else "No issue."
        api = f"{self.github.url}/api/v3"
        opened = f"do: run {sys.executable} -I {self._script} {api} Work '{body}'"
        steps = ["Do this:", *script, "do: run git push -q origin HEAD", opened, "do: say opened"]
        session = self.do(
            "spawn", prompt="\n".join(steps), permissions="permissionless", issue=issue, **params
        )["session"]
        self.rests(session, "opened")
        self.team.until(session, "pr_open")
        return session

    def does(self, session: str, *script: str) -> None:
        """Have a worker do this, and wait until it has."""
        said = f"done {next(self._count)}"
        self.team.tell(session, "\n".join([*script, f"do: say {said}"]), key=said)
        self.rests(session, said)

    def pushes(self, session: str, *script: str) -> None:
        """Have a worker do this and push it, all in one turn."""
        self.does(session, *script, "do: run git push -q origin HEAD")

    def rests(self, session: str, said: str) -> dict[str, Any]:
        """Wait until its turn is over that ended with these words."""
        return self.team.until_so(
            session, lambda now: now["state"] == "idle" and now["report"] == said
        )

    def look(self, session: str) -> None:
        """Have it looked at: a turn ends."""
        self.does(session)

    def pull(self, session: str) -> Pull:
        """The pull request of a session, as its host has it."""
        branch = self.team.sure("show", session=session)["branch"]
        (found,) = [one for one in self.world.named(APP).pulls.values() if one.head == branch]
        return found

    def approved(self, *sessions: str) -> None:
        """Its checks pass and a person says yes."""
        for session in sessions:
            pull = self.pull(session)
            self.world.job(pull, "lint", "success")
            self.world.review(pull, "APPROVED")
            self.look(session)
        for session in sessions:
            self.team.until(session, "mergeable")

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
        return git(self.world.named(APP).bare.folder, "show", f"main:{file}")
