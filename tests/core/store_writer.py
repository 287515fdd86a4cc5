"""Start writers that commit as fast as they can, one at a time, to be killed by a test.

    python store_writer.py module:Class PATH

For each line read, a child is forked from this warm process, which has imported everything. It
prints `pid N`, then each commit that was acknowledged as `name value revision seq`; when the child
is dead, `dead` follows.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

import anyio

from ao_core.clock import Clock, SystemClock
from ao_core.model.event import EventKind, NewEvent, Said
from ao_core.store.contract import Put, Store
from ao_core.store.records import COUNTER, Counter
from ao_core.testing.store_kit import Make

WRITERS = ("a", "b", "c")


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def write(store: Store, name: str) -> None:
    """Count upwards for ever: the record and the journal say the same number."""
    row = await store.read(COUNTER, name)
    value, revision = (row.value.value, row.revision) if row else (0, 0)
    while True:
        value += 1
        made = await store.commit(
            [Put(COUNTER, name, Counter(name, value), revision)],
            [NewEvent(EventKind.SESSION_REPORTED, Said(f"{name} {value}"))],
        )
        revision = made.revisions[0]
        tell(f"{name} {value} {revision} {made.events[0].seq}")


async def write_all(make: Make, path: Path, clock: Clock) -> None:
    async with make(path, clock) as store, anyio.create_task_group() as tasks:
        for name in WRITERS:
            tasks.start_soon(write, store, name)


def main(target: str, path: Path) -> None:
    module, _, name = target.partition(":")
    make: Make = getattr(import_module(module), name)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                tell(f"pid {os.getpid()}")
                anyio.run(write_all, make, path, SystemClock())
            finally:
                os._exit(1)
        os.waitpid(child, 0)
        tell("dead")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
