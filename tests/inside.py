"""An engine inside the test's own process, so that what it does can be watched and changed."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine
from ao_core.engine.kill import kill
from ao_core.engine.loop import Loop
from ao_core.model.session import SessionReason
from ao_mcp.app import engine_on
from team import PLAIN, Kind, Team, git

CONFIG = """\
projects:
  sample:
    path: {path}
    agent: command
    agentConfig:
      preset: worker
"""


def settled(home: Path, repository: Path, kind: Kind = PLAIN) -> Path:
    """A home whose own configuration, which needs no trust, knows a new repository."""
    home.mkdir(mode=0o700)
    Team.new_repository(repository, "")
    git(repository, "rm", "-q", "agent-orchestrator.yaml")
    git(repository, "commit", "-q", "-m", "no settings of its own")
    (home / "config.yaml").write_text(kind.home + kind.project(CONFIG.format(path=repository)))
    return home


def a_person(repository: Path) -> Caller:
    """Somebody at a terminal in the repository."""
    return Caller(Role.PERSON, "c1", repository, environment=dict(os.environ))


@asynccontextmanager
async def engine_at(home: Path) -> AsyncGenerator[Engine]:
    """The engine of a home and its loop, without faces; its agents end with it."""
    async with engine_on(home) as engine, anyio.create_task_group() as tasks:
        tasks.start_soon(Loop(engine).run)
        yield engine
        for session in engine.live():
            await kill(engine, session.id, reason=SessionReason.MANUALLY_KILLED)
        tasks.cancel_scope.cancel()
