"""Prune and compact a journal, killed before one of its steps, as a test asks.

    python store_compactor.py HOME

For each number read, a child is forked from this warm process; it is killed before that many calls
that change the disk were made. `killed` or `ended` is printed when it is gone.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import anyio

from ao_core.store.flat import FilesStore
from ao_core.testing.clock import FakeClock

STEPS = ("fsync", "replace", "unlink", "ftruncate", "rename")


def fuse(left: int) -> None:
    """Die before so many steps."""

    def fused(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*args, **more)

        return call

    for name in STEPS:
        setattr(os, name, fused(getattr(os, name)))


async def compact(home: Path) -> None:
    async with FilesStore(home, FakeClock()) as store:
        await store.prune(3)
        await store.compact()


def main(home: Path) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                fuse(int(line))
                anyio.run(compact, home)
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        ended = os.waitstatus_to_exitcode(status)
        told = {0: "ended", -signal.SIGKILL: "killed"}.get(ended, f"failed: {ended}")
        os.write(1, f"{told}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
