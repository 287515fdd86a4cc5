"""The engine as a process: `python -I -m ao_mcp.engine_process [--detach] [--lock=FD] HOME`.

`--lock` names the descriptor by which the home's lock is handed over by whoever starts the engine.

Says one line on stdout, that it is ready or why it is not, then nothing more there. Ends well on
SIGTERM and SIGINT. What is heavy is imported once the arguments are right and the parent is left.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ao_core.wire import encode

if TYPE_CHECKING:
    from types import ModuleType

    from anyio import CancelScope

ENDED, REFUSED, MISUSED = 0, 1, 2
_LOCK = "--lock="


def main(arguments: Sequence[str]) -> int:
    """Run the engine of a home to its end."""
    folders = [argument for argument in arguments if not argument.startswith("--")]
    locks = [int(argument[len(_LOCK) :]) for argument in arguments if argument.startswith(_LOCK)]
    if len(folders) != 1:
        sys.stderr.write("usage: python -I -m ao_mcp.engine_process [--detach] [--lock=FD] HOME\n")
        return MISUSED
    if "--detach" in arguments:
        _leave_parent()
    os.umask(0o077)
    try:
        _serve(Path(folders[0]), *locks)
    except Exception as error:
        from ao_mcp.faults import told

        say({"error": told(error, "The start").wire()})
        return REFUSED
    return ENDED


def say(message: dict[str, object]) -> None:
    """Tell whoever started us, which may be gone; only the first line is heard."""
    with suppress(OSError):
        os.write(1, encode(message))
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)


def _serve(home: Path, lock: int | None = None) -> None:
    import anyio

    anyio.run(_until_signalled, home, lock)


async def _until_signalled(home: Path, lock: int | None) -> None:
    import anyio

    app = _loaded()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, tasks.cancel_scope)
        await app.run(home, lambda: say({"ready": True}), lock)
        tasks.cancel_scope.cancel()


def _loaded() -> "ModuleType":
    """What is heavy. It stays for good, so nobody looks through it for garbage."""
    import gc

    gc.disable()
    from ao_mcp import app

    gc.freeze()
    gc.enable()
    return app


async def _end_on_signal(scope: "CancelScope") -> None:
    import signal

    import anyio

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
            return


def _leave_parent() -> None:
    """Become nobody's child: whoever ends a client and all its children does not end us."""
    if hasattr(os, "fork") and os.fork():
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
