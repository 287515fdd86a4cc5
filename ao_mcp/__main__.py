"""`ao-mcp`: the server a lead's client starts. A relay between its pipes and the engine.

Standard library and a few modules of the core only: it has to be there at once and weigh nothing.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ao_mcp import __version__

if TYPE_CHECKING:
    from ao_core import wire
    from ao_mcp.handshake import Handshake
    from ao_mcp.relay import Dial

USAGE = """\
usage: ao-mcp [--config FILE]
       ao-mcp --worker

An MCP server on stdin and stdout. Register it with your client; docs/clients.md shows how.

  --config FILE   the agent-orchestrator.yaml to use, instead of the one found upwards from here
  --worker        serve the worker that AO_TOKEN belongs to; its agent is told to start this
  --version       say which version this is
  --help          say this
"""

_DIFFERS = """\
ao-mcp: the engine is version {}, this relay {}. `ao restart` replaces the engine, no agent ends by
it; restart the MCP client to replace the relay.
"""

_WORKERS_PATIENCE = 20.0


def main() -> int:
    """Run the relay, or say what was asked."""
    arguments = sys.argv[1:]
    if "--version" in arguments:
        return _say(f"ao-mcp {__version__}\n")
    if "--help" in arguments or "-h" in arguments:
        return _say(USAGE)
    if arguments == ["--worker"]:
        return _relay_worker()
    config = _config(arguments)
    if config is None:
        sys.stderr.write(USAGE)
        return 2
    return _relay_lead(config)


def _say(text: str) -> int:
    sys.stdout.write(text)
    return 0


def _config(arguments: Sequence[str]) -> str | None:
    """The configuration asked for, empty for none; None where the arguments make no sense."""
    match list(arguments):
        case []:
            chosen = os.environ.get("AO_CONFIG_PATH", "")
        case ["--config", path]:
            chosen = path
        case [one] if one.startswith("--config="):
            chosen = one.removeprefix("--config=")
        case _:
            return None
    return os.path.abspath(chosen) if chosen else ""


def _relay_lead(config: str) -> int:
    from ao_core import wire
    from ao_mcp import start
    from ao_mcp.handshake import FILE, Handshake

    environment = os.environ
    home = start.home(environment)
    preamble = _preamble()._replace(
        cwd=_folder(), config=config, env=wire.environment_snapshot(environment)
    )
    told: set[str] = set()

    def dial(starting: Callable[[], None]) -> wire.Connection:
        connection = start.open_connection(home, environment, preamble, starting=starting)
        _tell_apart(connection.greeting.version, told)
        return connection

    return _relay(dial, Handshake(home / FILE, __version__))


def _relay_worker() -> int:
    from ao_core import wire
    from ao_mcp import start
    from ao_mcp.handshake import Handshake

    environment = os.environ
    home = start.home(environment)
    preamble = _preamble()._replace(role="worker", token=environment.get("AO_TOKEN", ""))

    def dial(starting: Callable[[], None]) -> wire.Connection:
        return start.join_engine(home, environment, preamble, _WORKERS_PATIENCE)

    return _relay(dial, Handshake(None, __version__))


def _preamble() -> "wire.Preamble":
    from ao_core import wire

    return wire.Preamble(wire.MCP, version=__version__, pid=os.getpid(), client="ao-mcp")


def _relay(dial: "Dial", remembered: "Handshake") -> int:
    import signal

    from ao_mcp.relay import Relay

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    if os.isatty(0):
        sys.stderr.write("ao-mcp: waiting for an MCP client on stdin; see ao-mcp --help\n")
    Relay(dial, remembered, 0, 1).run()
    return 0


def _tell_apart(version: str, told: set[str]) -> None:
    """Say once on stderr, which clients keep as a log, that the engine is another version."""
    if version == __version__ or version in told:
        return
    told.add(version)
    with suppress(OSError):  # nobody reads it
        sys.stderr.write(_DIFFERS.format(version, __version__))


def _leave(number: int, frame: object) -> None:
    sys.exit(0)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # removed under us
        return ""


if __name__ == "__main__":
    sys.exit(main())
