"""A team whose repository is on a stand-in of GitHub, and workers that push there."""

import sys
from pathlib import Path
from typing import Any

from standins.github import GitHub
from standins.github.records import Pull
from team import CONFIG, PLAIN, Kind, Team, git

APP = "acme/app"
_OPEN = """\
import json, sys, urllib.request

url, token, head, base, title = sys.argv[1:]
body = json.dumps({"title": title, "head": head, "base": base, "body": "Closes #1"}).encode()
asked = urllib.request.Request(
    f"{url}/repos/acme/app/pulls", body,
    {"authorization": f"Bearer {token}", "content-type": "application/json",
     "accept": "application/vnd.github+json", "user-agent": "worker"},
)
with urllib.request.urlopen(asked) as answer:
    print(json.load(answer)["html_url"])
"""


def settings(github: GitHub, kind: Kind = PLAIN, **more: Any) -> str:
    """The configuration of a project there."""
    config = kind.project(CONFIG)
    how = "".join(f", {name}: {value}" for name, value in more.items())
    there = f"    scm: {{plugin: github, api: '{github.url}/api/v3', repo: {APP}{how}}}\n"
    return config.replace("    agent: command", f"{there}    agent: command")


def pushed(github: GitHub, folder: Path, config: str) -> Path:
    """A repository that is there, too."""
    made = Team.new_repository(folder, config)
    git(made, "remote", "add", "origin", github.remote(APP))
    git(made, "push", "-q", "--force", "origin", "main")
    git(made, "fetch", "-q", "origin")
    return made


class Forge:
    """A team and the host of its repository."""

    def __init__(self, team: Team, github: GitHub, scripts: Path) -> None:
        self.team, self.github, self.world = team, github, github.world
        self._script = scripts / "open_pull.py"
        self._script.write_text(_OPEN)

    def spawn(self, *script: str, title: str = "Work", **params: Any) -> str:
        """A worker that does this, pushes its branch and opens a pull request."""
        open_it = (
            f"{sys.executable} -I {self._script} {self.github.url}/api/v3 {self.github.token} "
            f"BRANCH main '{title}'"
        )
        session = self.team.spawn(*script, permissions="permissionless", **params)
        self.team.until_so(session, lambda now: now["state"] == "idle")
        branch = self.team.call("show", session=session)["branch"]
        open_it = open_it.replace("BRANCH", branch)
        self.team.tell(session, f"do: run git push -q origin HEAD\ndo: run {open_it}")
        self.team.until(session, "pr_open")
        return session

    def pull(self, session: str) -> Pull:
        """The pull request of a session, as its host has it."""
        branch = self.team.call("show", session=session)["branch"]
        (found,) = [one for one in self.world.named(APP).pulls.values() if one.head == branch]
        return found

    def look(self, session: str) -> None:
        """Have it looked at: a turn ends."""
        self.team.tell(session, "do: say looking")
