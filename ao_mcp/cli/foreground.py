"""The engine in this process: its log on stderr, ended by Ctrl-C. Its agents go on."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ao_core import platform
from ao_mcp.cli.outcome import FAILED, FINE, tell

if TYPE_CHECKING:
    from anyio import CancelScope


def serve(home: Path) -> int:
    """Run the engine of a home to its end."""
    import anyio

    from ao_mcp.faults import told

    os.umask(0o077)
    platform.make_private(home)
    try:
        anyio.run(_serve, home)
    except Exception as error:
        return tell(told(error, "The engine"))
    return FINE if home.exists() else FAILED


async def _serve(home: Path) -> None:
    import anyio

    from ao_mcp import app

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, tasks.cancel_scope)
        await app.run(home, lambda: _ready(home))
        tasks.cancel_scope.cancel()


def _ready(home: Path) -> None:
    """The engine writes its log to a file; from here on, to stderr as well."""
    from ao_core.engine.home import running

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    for file in logging.getLogger().handlers:
        for redaction in file.filters:
            handler.addFilter(redaction)
    logging.getLogger().addHandler(handler)
    log = logging.getLogger("ao_mcp")
    log.info("the engine of %s is ready; Ctrl-C ends it", home)
    if (told := running(home)) and told.http:
        log.info("MCP over HTTP: %s", told.http)


async def _end_on_signal(scope: "CancelScope") -> None:
    import anyio

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
            return
