"""What one pass of the loop takes, and whether the sessions that are over cost anything in it."""

import os
import tempfile
from pathlib import Path
from statistics import median

import anyio

from ao_core.engine.loop import Loop
from bench.size import Size
from bench.table import Figure, Floor, Goal
from crowd import Crowd, crowd_at


def passing(size: Size) -> list[Figure]:
    """With so many alive; then with all the others in the store as well."""
    with tempfile.TemporaryDirectory(prefix="ao-bench-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        few, many = anyio.run(_both, Path(folder), size)
    ended = size.stored - size.crowd
    return [
        Figure("pass", f"one pass over {size.crowd} idle sessions, {ended} more ended",
               1000 * many, "ms", size.runs, Floor(1000 * few, "the same, none ended"),
               Goal(1.5, times=True)),
    ]  # fmt: skip


async def _both(folder: Path, size: Size) -> tuple[float, float]:
    async with crowd_at(folder / "home", folder) as crowd:
        await crowd.alive(size.crowd)
        few = await _timed(crowd, size.runs)
        await crowd.ended(size.stored - size.crowd)
        return few, await _timed(crowd, size.runs)


async def _timed(crowd: Crowd, runs: int) -> float:
    """Seconds, once the loop knows them all."""
    loop, everybody = Loop(crowd.engine), frozenset(one.id for one in crowd.engine.live())
    took: list[float] = []
    for _ in range(runs + 2):
        began = anyio.current_time()
        await loop.look(everybody)
        took.append(anyio.current_time() - began)
    return median(took[2:])
