"""`ao-mcp`: the server a lead's client starts. A relay between its pipes and the engine.

Standard library and a few modules of the core only: it has to be there at once and weigh nothing.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from ao_core.errors import BadRequest
from ao_mcp import __version__
from ao_mcp.arguments import given
from ao_mcp.toolsets import Offer

if TYPE_CHECKING:
    from ao_core import wire
    from ao_mcp.handshake import Handshake
    from ao_mcp.relay import Dial, Join

USAGE = """\
usage: ao-mcp [--config FILE] [--toolsets NAMES] [--read-only]
       ao-mcp --worker

An MCP server on stdin and stdout. Register it with your client; docs/clients.md shows how.

  --config FILE     the agent-orchestrator.yaml to use, instead of the one found upwards from here
  --toolsets NAMES  which tools to offer: core,issues; also flow and survey; or all
  --read-only       offer only tools that change nothing
  --worker          serve the worker that AO_TOKEN belongs to; its agent is told to start this
  --version         say which version this is
  --help            say this
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
    try:
        config, offer = given(arguments)
    except BadRequest as error:
        sys.stderr.write(f"ao-mcp: {error.message} {error.hint}\n" if error.hint else USAGE)
        return 2
    return _relay_lead(os.environ.get("AO_CONFIG_PATH", "") if config is None else config, offer)


def _say(text: str) -> int:
    sys.stdout.write(text)
    return 0


def _relay_lead(config: str, offer: Offer) -> int:
    from ao_core import wire
    from ao_mcp import start
    from ao_mcp.handshake import FILE, Handshake

    environment = os.environ
    home = start.home(environment)
    preamble = _preamble()._replace(
        cwd=_folder(), config=os.path.abspath(config) if config else "",
        toolsets=",".join(offer.toolsets), read_only=offer.read_only,
        env=wire.environment_snapshot(environment),
    )  # fmt: skip
    told: set[str] = set()

    def dial(starting: Callable[[], None]) -> wire.Connection:
        connection = start.open_connection(home, environment, preamble, starting=starting)
        _tell_apart(connection.greeting.version, told)
        return connection

    def join(patience: float) -> wire.Connection:
        return start.join_engine(home, environment, preamble, patience)

    return _relay(dial, join, Handshake(home / FILE, __version__, offer))


def _relay_worker() -> int:
    from ao_core import wire
    from ao_mcp import start
    from ao_mcp.handshake import Handshake

    environment = os.environ
    home = start.home(environment)
    preamble = _preamble()._replace(role="worker", token=environment.get("AO_TOKEN", ""))

    def join(patience: float) -> wire.Connection:
        return start.join_engine(home, environment, preamble, patience)

    return _relay(
        lambda starting: join(_WORKERS_PATIENCE), join, Handshake(None, __version__, Offer())
    )


def _preamble() -> "wire.Preamble":
    from ao_core import wire

    return wire.Preamble(wire.MCP, version=__version__, pid=os.getpid(), client="ao-mcp")


def _relay(dial: "Dial", join: "Join", remembered: "Handshake") -> int:
    import signal

    from ao_mcp.relay import Relay

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    if os.isatty(0):
        sys.stderr.write("ao-mcp: waiting for an MCP client on stdin; see ao-mcp --help\n")
    Relay(dial, join, remembered, 0, 1).run()
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
