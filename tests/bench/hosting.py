"""The session host beside a bare interpreter: what it adds to a program's start, what it weighs."""

from pathlib import Path
from statistics import median
from time import perf_counter

import anyio

from ao_core.model.session import RuntimeHandle
from ao_core.plugin import Scope
from ao_core.slots.runtime import Command, Start
from ao_plugins.runtime.process import Process, ProcessConfig
from bench import floors
from bench.processes import weight
from bench.size import Size, milliseconds
from bench.stage import stage
from bench.table import Figure, Floor, Goal


def host(size: Size) -> list[Figure]:
    """What it takes to hold an agent by its pipes."""
    with stage() as one:
        hosted = anyio.run(_hosted, one.folder, size.runs)
        bare = [(floors.bare_start(one), floors.waiting_weight(one)) for _ in range(size.runs)]
    began, heavy = zip(*hosted, strict=True)
    start, light = zip(*bare, strict=True)
    return [
        Figure("host_start", "an agent held by a session host: asked for to started",
               milliseconds(*began), "ms", size.runs,
               Floor(milliseconds(*start), "a bare interpreter's start"), Goal(3, times=True)),
        Figure("host_memory", "memory per session host (PSS)", median(heavy), "MB", size.runs,
               Floor(median(light), "a bare interpreter that waits"), Goal(1.5, times=True)),
    ]  # fmt: skip


async def _hosted(folder: Path, runs: int) -> list[tuple[float, float]]:
    environment = {"XDG_RUNTIME_DIR": str(folder)}
    scope = Scope(state=folder / "hosts", environment=environment)
    async with Process(ProcessConfig(), scope) as process:
        await _one(process, folder)  # the first loads what all share
        return [await _one(process, folder) for _ in range(runs)]


async def _one(process: Process, folder: Path) -> tuple[float, float]:
    """Seconds until the program runs, and what its host weighs."""
    command = Command(("cat",), {"PATH": "/usr/bin:/bin"})
    began = perf_counter()
    handle = await process.create(Start("held-1", folder, command, piped=True))
    took = perf_counter() - began
    heavy = weight(_host_of(handle))
    await process.destroy(handle)
    return took, heavy


def _host_of(handle: RuntimeHandle) -> int:
    return int(handle.get("host") or 0)
