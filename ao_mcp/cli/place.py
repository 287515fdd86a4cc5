"""Where a command was given, and its connection to the engine of that place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from ao_core import wire
from ao_core.errors import EngineUnreachable
from ao_mcp import __version__, start
from ao_mcp.cli.working import Working

CALL_DEADLINE = 900.0  # a spawn may fetch, a merge may run gates
_CONNECT_DEADLINE = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """The home, and what decides which project is meant."""

    home: Path
    environment: Mapping[str, str]
    cwd: Path | None
    config: Path | None = None
    project: str | None = None

    def connect(self) -> wire.Connection:
        """A connection to the engine, which is started if need be."""
        return start.open_connection(self.home, self.environment, self._preamble())

    def connect_running(self) -> wire.Connection | None:
        """A connection to an engine that runs already; None where there is none."""
        found = start.find_engine(self.home, self.environment)
        if found is None:
            return None
        try:
            return wire.connect(found, self._preamble(), _CONNECT_DEADLINE)
        except EngineUnreachable:
            return None

    def ask(
        self, method: str, params: Mapping[str, object] | None = None, doing: str = ""
    ) -> wire.Message:
        """One call on a connection of its own; what it is `doing` is shown while it lasts."""
        with Working(doing) as working, self.connect() as connection:
            return connection.call(method, params, CALL_DEADLINE, working.told)

    def _preamble(self) -> wire.Preamble:
        return wire.Preamble(
            face=wire.OPERATIONS,
            role="person",
            version=__version__,
            cwd=str(self.cwd or ""),
            pid=os.getpid(),
            config=str(self.config or ""),
            client="ao",
            env=wire.environment_snapshot(self.environment),
        )


def place(home: str | None, config: str | None, project: str | None) -> Place:
    """The place of this process, with what was said on its command line."""
    environment = dict(os.environ) | ({"AO_HOME": os.path.abspath(home)} if home else {})
    try:
        cwd = Path.cwd()
    except OSError:  # somebody removed it
        cwd = None
    return Place(
        home=start.home(environment),
        environment=environment,
        cwd=cwd,
        config=Path(os.path.abspath(config)) if config else None,
        project=project,
    )


pass_place = click.make_pass_decorator(Place)
