"""An engine process for tests: the real socket and faces over a few tiny operations."""

import json
import os
import sys
import types
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parents[1]))

import anyio

from ao_core.engine.caller import Role
from ao_core.engine.engine import Engine
from ao_core.engine.home import open_home
from ao_mcp import engine_process
from ao_mcp.handshake import FILE
from ao_mcp.server import serve
from ao_mcp.start import socket_path
from faces.fake_operations import OPERATIONS, authenticate


async def silent(after: int) -> AsyncGenerator[object]:
    """A journal in which nothing happens."""
    await anyio.sleep_forever()
    yield


async def run(home: Path, ready: Callable[[], None], lock: int | None = None) -> None:
    """Stands for the composition root."""
    if (home / "refuse").exists():
        raise RuntimeError("a secret in the works: ghp_abcdefghijklmnopqrstuvwxyz012345")
    if (home / "hold").exists():
        (home / "hold").read_bytes()  # a FIFO: until the test lets go
    held = open_home(home)
    path = socket_path(home, os.environ)
    records = types.SimpleNamespace(head=0, follow=silent)
    engine = types.SimpleNamespace(records=records)
    listen = partial(
        serve,
        cast("Engine", engine),
        OPERATIONS,
        path,
        home_id=held.id,
        version="0.1.0",
        authenticate=authenticate,
        instructions={Role.LEAD: "Spawn, wait, merge.", Role.WORKER: "Report, ask."},
        handshake=home / FILE,
    )
    (home / "environment.json").write_text(json.dumps(dict(os.environ)))
    try:
        async with anyio.create_task_group() as tasks:
            engine.tasks = tasks
            await tasks.start(listen)
            held.announce("0.1.0", path)
            with (home / "starts").open("a") as starts:
                starts.write(f"{os.getpid()}\n")
            ready()
    finally:
        held.close()


if __name__ == "__main__":
    app: Any = types.ModuleType("ao_mcp.app")
    app.run = run
    sys.modules["ao_mcp.app"] = app
    sys.exit(engine_process.main(sys.argv[1:]))
