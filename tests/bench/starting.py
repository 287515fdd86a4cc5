"""Start-up: the relay beside a bare interpreter, the engine beside the import of the SDK."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from ao_mcp.start import engine_environment
from bench import floors
from bench.processes import Child, weight
from bench.size import Size, milliseconds
from bench.stage import HELLO, TOOLS, Stage, stage
from bench.table import Figure, Floor, Goal

_RELAY = (str(Path(sys.executable).with_name("ao-mcp")),)


def relay(size: Size) -> list[Figure]:
    """What a client sees that starts `ao-mcp`."""
    with stage() as one:
        one.settle()
        timed = [_pair(one) for _ in range(size.runs)]
        weights = [(_weight(one, _RELAY), floors.waiting_weight(one)) for _ in range(size.runs)]
        first = [_first_reply(one) for _ in range(size.spawns)]
    loop = milliseconds(*(bare for _, bare in timed))
    bare = Floor(loop, "a bare Python JSON loop")
    light = Floor(median(bare for _, bare in weights), "a bare interpreter that waits")
    ours = milliseconds(*(ours for ours, _ in timed))
    started = Figure("relay_start", "`ao-mcp` start to `initialize` reply, engine up",
                     ours, "ms", size.runs, bare, Goal(3, times=True))  # fmt: skip
    heavy = Figure("relay_memory", "memory per stdio client (PSS of the relay)",
                   median(ours for ours, _ in weights), "MB", size.runs, light,
                   Goal(1.5, times=True))  # fmt: skip
    early = Figure("first_reply", "the same, while the engine is still starting",
                   milliseconds(*first), "ms", size.spawns, bare, Goal(3, times=True))  # fmt: skip
    return [started, heavy, early, *_beside(size, bare, light), _listed()]


def _beside(size: Size, bare: Floor, light: Floor) -> list[Figure]:
    """The same of a server that has nothing to do: what a lead would pay without a relay."""
    with stage() as one:
        timed = [_greeted(one, floors.mcp_server()) for _ in range(size.starts)]
        weights = [_weight(one, floors.mcp_server()) for _ in range(size.starts)]
    return [
        Figure("server_start", "the same of a bare `MCPServer` of the SDK", milliseconds(*timed),
               "ms", size.starts, bare),
        Figure("server_memory", "memory of a bare `MCPServer`, each client's own", median(weights),
               "MB", size.starts, light),
    ]  # fmt: skip


def _listed() -> Figure:
    """What a model is shown of the tools, as long as nobody asks for more or fewer."""
    with stage() as one:
        one.team.call("about")
        said = one.answer(TOOLS)
    return Figure("tools_list", "size of `tools/list`, as it comes", len(said) / 1024, "KB",
                  1, None, Goal(20))  # fmt: skip


def engine(size: Size) -> list[Figure]:
    """What the first client of a home waits for."""
    with stage() as one:
        _engine_start(one)  # the home is made
        timed = [(*_engine_start(one), floors.mcp_import(one)) for _ in range(size.starts)]
    ready, served, bare = (milliseconds(*column) for column in zip(*timed, strict=True))
    floor = Floor(bare, "`import mcp`")
    return [
        Figure("engine_ready", "engine cold start to ready", ready, "ms", size.starts, floor,
               Goal(1.5, times=True)),
        Figure("engine_served", "engine cold start to its first MCP reply", served, "ms",
               size.starts, floor, Goal(1.5, times=True)),
    ]  # fmt: skip


def _pair(one: Stage) -> tuple[float, float]:
    return _greeted(one, _RELAY), _greeted(one, floors.json_loop())


def _greeted(one: Stage, argv: Sequence[str]) -> float:
    """Seconds from the start of a server to its answer."""
    began = perf_counter()
    child = Child(argv, one.team.env, one.repository)
    child.say(HELLO)
    child.hear()
    took = perf_counter() - began
    child.end()
    return took


def _weight(one: Stage, argv: Sequence[str]) -> float:
    child = Child(argv, one.team.env, one.repository)
    child.say(HELLO)
    child.hear()
    heavy = weight(child.pid)
    child.end()
    return heavy


def _first_reply(one: Stage) -> float:
    """The relay starts the engine, and answers meanwhile from what the last one said."""
    one.stop_engine()
    took = _greeted(one, _RELAY)
    one.settle()  # the engine that was being started
    return took


def _engine_start(one: Stage) -> tuple[float, float]:
    """Seconds until an engine says it is ready, and until it has answered over MCP."""
    began = perf_counter()
    argv = (sys.executable, "-I", "-m", "ao_mcp.engine_process", str(one.team.home))
    child = Child(argv, engine_environment(one.team.env), one.folder)
    child.hear()
    ready = perf_counter() - began
    one.greet()
    served = perf_counter() - began
    os.kill(child.pid, signal.SIGTERM)
    child.end()
    return ready, served
