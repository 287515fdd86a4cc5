"""Where an agent plays: a home of its own, a repository, an engine, and the model behind it all."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from agents.known import Real
from clients.known import path_of
from models.server import serving
from models.worker import Worker
from team import PLAIN, PROTOCOL, Team

_GATE = {"name": "greeting", "command": ["grep", "-q", "hello", "hello.txt"]}


@dataclass(slots=True)
class Stage:
    """A team of one agent."""

    real: Real
    team: Team
    model: Worker
    user: Path  # the agent's home, which is somebody's own
    had: Mapping[Path, bytes]  # what was set there before


@contextmanager
def staged(real: Real, folder: Path, programs: Path) -> Generator[Stage]:
    """Set it up; end it, and see that nothing is left."""
    user, repository = folder / "user", folder / "sample"
    user.mkdir(parents=True)
    with serving(Worker()) as model:
        path = os.pathsep.join([str(programs / "bin"), path_of(programs, programs / "bin")])
        env = {"PATH": path, "HOME": str(user), **real.prepare(user, model.url, repository)}
        had = {file: file.read_bytes() for file in user.rglob("*") if file.is_file()}
        project = {
            "path": ".", "agent": real.agent, "drive": real.drive, "env": env,
            "agentConfig": dict(real.settings), "gates": [_GATE],
        }  # fmt: skip
        Team.new_repository(repository, yaml.safe_dump({"projects": {"sample": project}}))
        kind = PROTOCOL if real.drive == "protocol" else PLAIN
        team = Team(folder / "home", repository, folder / "run", kind)
        team.env["PATH"] = path
        try:
            yield Stage(real, team.trusted(), model, user, had)
        finally:
            model.hold.set()
            team.end()
