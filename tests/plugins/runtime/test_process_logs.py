"""What the process runtime keeps of agents: how much, for how long, and whose it is."""

import os
import re
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from ao_core.host_log import Log
from ao_core.model.session import RuntimeHandle
from ao_core.plugin import Scope
from ao_core.process import alive
from ao_core.registry import configure
from ao_core.slots.runtime import Command, Direction, Entry, Line, Start
from ao_core.testing.runtime import ENV, python, until
from ao_core.testing.runtime_lines import POUR, said
from ao_plugins.runtime._process.client import connected
from ao_plugins.runtime._process.held import Held, held_of
from ao_plugins.runtime._process.places import Place
from ao_plugins.runtime.process import Process, ProcessConfig

LOG, SEGMENT = 1 << 20, 1 << 17
SMALL = ProcessConfig(grace=1.0, segment=SEGMENT, log=LOG)
PROMPT = b"x" * 1_300_000 + b"."
LISTEN = """
import os
os.write(1, b"half a line")
while not os.read(0, 65536).endswith(b"."): pass
"""
ANSWER = LISTEN + "os.write(1, b', and heard'); os.read(0, 1)"


@asynccontextmanager
async def opened(config: ProcessConfig, scope: Scope) -> AsyncGenerator[Process]:
    async with Process(config, scope) as process:
        try:
            yield process
        finally:
            if left := await process.find("app-1"):
                await process.destroy(left)


@pytest.fixture
async def small(scope: Scope) -> AsyncGenerator[Process]:
    async with opened(SMALL, scope) as process:
        yield process


@pytest.fixture
def pipe(tmp_path: Path) -> Callable[..., Start]:
    def make(code: str, *args: str) -> Start:
        return Start("app-1", tmp_path, Command(python(code, *args), ENV), piped=True)

    return make


@pytest.mark.parametrize("written", [True, False])
async def test_an_agent_whose_log_was_smaller_is_marked_as_often_as_that_log_needs(
    small: Process, pipe: Callable[..., Start], tmp_path: Path, *, written: bool
) -> None:
    handle = await small.create(pipe(POUR, "3000000"))
    if not written:
        _forget_sizes(small.place("app-1"))
    async with (
        Process(ProcessConfig(), small.scope) as later,
        later.line(handle) as line,
    ):
        assert line.capacity == LOG - SEGMENT
        with anyio.fail_after(30):
            await _followed(line, 3_000_000)
    await until(anyio.Path(tmp_path / "poured").exists)


async def test_how_much_a_host_took_is_known_when_it_is_gone_and_guessed_low_where_it_is_not(
    small: Process, pipe: Callable[..., Start]
) -> None:
    handle = await small.create(pipe(ANSWER))
    place, held = small.place("app-1"), held_of(handle)
    os.kill(held.host, signal.SIGKILL)
    await until(lambda: _is_gone(held.host))
    assert place.capacity(held) == LOG - SEGMENT
    _forget_sizes(place)
    assert place.capacity(held) == 1 << 18


@pytest.mark.parametrize("marked", [True, False])
async def test_what_an_agent_is_told_never_closes_its_log_to_what_it_says(
    small: Process, pipe: Callable[..., Start], *, marked: bool
) -> None:
    handle = await small.create(pipe(ANSWER))
    async with small.line(handle) as line, aclosing(line.entries()) as entries:
        found = [await anext(entries)]
        assert await line.write(PROMPT)
        with anyio.fail_after(20):
            while b"heard" not in said(found):
                found.append(entry := await anext(entries))
                if marked and entry.direction is Direction.TOLD:
                    await line.mark(entry.end, b"")
    assert small.place("app-1").extent()[1] > LOG


async def test_what_was_told_lifts_the_cap_until_it_is_marked_and_no_longer(
    small: Process, pipe: Callable[..., Start]
) -> None:
    handle = await small.create(pipe(LISTEN + POUR, "5000000"))
    async with small.line(handle) as line:
        assert await line.write(PROMPT)
        async with connected(held_of(handle)) as host:
            end = int((await host.status())["told"])
        await line.mark(end, b"")
    await until(lambda: _is_waiting(handle))
    assert 0 < small.place("app-1").extent()[1] - end < LOG


@pytest.mark.parametrize("step", ["recorded", "watch"])
async def test_an_agent_that_cannot_be_told_of_is_ended(
    small: Process, pipe: Callable[..., Start], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    begun = list[Held]()

    def fail(place: Place) -> None:
        if held := place.held():
            begun.append(held)
            raise OSError("no more")

    async def refuse(_: Process, handle: RuntimeHandle) -> None:
        begun.append(held_of(handle))
        raise OSError("no more")

    with monkeypatch.context() as patch:
        if step == "recorded":
            patch.setattr(Place, step, fail)
        else:
            patch.setattr(Process, step, refuse)
        with pytest.raises(OSError, match="no more"):
            await small.create(pipe(ANSWER))
    await _nothing_is_left(small, begun)


async def test_an_agent_whose_start_is_cancelled_at_the_last_moment_is_ended(
    small: Process, pipe: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, scope, watch = list[Held](), anyio.CancelScope(), Process.watch

    async def wait(process: Process, handle: RuntimeHandle) -> None:
        await watch(process, handle)
        begun.append(held_of(handle))
        scope.cancel()
        await anyio.sleep_forever()

    with monkeypatch.context() as patch:
        patch.setattr(Process, "watch", wait)
        with scope:
            await small.create(pipe(ANSWER))
    await _nothing_is_left(small, begun)
    assert not small._deaths.knows("app-1", begun[0].host)  # pyright: ignore[reportPrivateUsage]


async def test_whose_log_it_is_is_looked_at_now_and_then_not_at_every_word(
    small: Process, pipe: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
) -> None:
    held, place, looks = held_of(await small.create(pipe(ANSWER))), Place(small.state / "b"), [0]
    place.folder.mkdir()
    (place.folder / "meta").write_bytes((small.place("app-1").folder / "meta").read_bytes())
    log, is_of = Log(str(place.folder), 4096), Place.is_of
    for number in range(5000):
        log.append(b"S", b"%d" % number)

    def looked(one: Place, whose: Held) -> bool:
        looks[0] += 1
        return is_of(one, whose)

    monkeypatch.setattr(Place, "is_of", looked)
    words = [data for _, data, _ in place.own_entries(held, 0)]
    assert words == [b"%d" % number for number in range(5000)]
    assert looks[0] < 50


async def test_no_segment_needs_to_be_named_to_make_a_log_small(
    scope: Scope, pipe: Callable[..., Start]
) -> None:
    config = configure(Process, {"log": LOG})
    assert isinstance(config, ProcessConfig)
    async with opened(config, scope) as process:
        handle = await process.create(pipe(POUR, "3000000"))
        async with process.line(handle) as line:
            assert line.capacity == LOG // 2
            with anyio.fail_after(30):
                await _followed(line, 3_000_000)
        kept = process.place("app-1").folder.glob("[0-9a-f]" * 16)
        assert sum(file.stat().st_size for file in kept) < 2 * LOG


async def _followed(line: Line, size: int) -> None:
    """Read so much, marking as seldom as the line allows."""
    marked = heard = 0
    async with aclosing(line.entries()) as entries:
        while heard < size:
            entry: Entry = await anext(entries)
            heard += len(entry.data)
            if entry.end - marked >= line.capacity // 4:
                await line.mark(entry.end, b"")
                marked = entry.end


async def _nothing_is_left(process: Process, begun: list[Held]) -> None:
    assert begun
    assert not any(alive(one.host) or alive(one.child) for one in begun)
    assert not process.place("app-1").folder.exists()
    assert await process.find("app-1") is None


def _forget_sizes(place: Place) -> None:
    """Leave it as hosts did that did not write them down."""
    meta = place.folder / "meta"
    meta.write_text(re.sub(r"(?m)^(segment|cap)=.*\n", "", meta.read_text()))


async def _is_gone(pid: int) -> bool:
    return not alive(pid)


async def _is_waiting(handle: RuntimeHandle) -> bool:
    async with connected(held_of(handle)) as host:
        return (await host.status())["waiting"] == "1"
