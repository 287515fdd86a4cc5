"""A team on real git, real tmux and a real engine process, in a home of its own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from team import Team


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit and a configuration whose agent is the shipped worker."""
    return Team.new_repository(tmp_path / "sample")


@pytest.fixture
def team(tmp_path: Path, repository: Path) -> Iterator[Team]:
    """Everything a lead needs; ended afterwards, with nothing left behind."""
    one = Team(tmp_path / "home", repository, tmp_path / "run")
    yield one.trusted()
    one.end()


@pytest.fixture(autouse=True)
def no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own configuration reaches a test."""
    for name in [name for name in os.environ if name.startswith(("AO_", "TMUX", "GIT_"))]:
        monkeypatch.delenv(name)


def git(folder: Path, *args: str) -> str:
    """One git command."""
    done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()
