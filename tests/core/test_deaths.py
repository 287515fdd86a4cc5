"""The end of a process is awaited, not looked for."""

import os
import subprocess
from collections.abc import Generator

import anyio
import psutil
import pytest

from ao_core.deaths import gone
from ao_core.platform import process_started
from ao_core.process import alive


@pytest.fixture
def cat() -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process


async def _refused(_: float) -> None:
    raise AssertionError("it is looked for")


async def killed_while_waited_for(process: subprocess.Popen[bytes]) -> None:
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gone, process.pid, process_started(process.pid))
            await anyio.wait_all_tasks_blocked()
            process.kill()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="takes process descriptors")
async def test_the_end_of_a_process_is_told_by_the_kernel(
    cat: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anyio, "sleep", _refused)
    await killed_while_waited_for(cat)


async def test_where_the_kernel_does_not_tell_it_is_seen_all_the_same(
    cat: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    await killed_while_waited_for(cat)


async def test_one_that_has_ended_and_one_who_took_over_its_number_are_not_waited_for(
    cat: subprocess.Popen[bytes],
) -> None:
    with anyio.fail_after(10):
        await gone(cat.pid, 1.5)
        cat.kill()
        await gone(cat.pid, None)
        cat.wait()
        await gone(cat.pid, None)


async def test_who_waits_no_longer_leaves_nothing_open(cat: subprocess.Popen[bytes]) -> None:
    before = psutil.Process().num_fds()
    with anyio.move_on_after(0.1) as scope:
        await gone(cat.pid, process_started(cat.pid))
    assert scope.cancelled_caught
    assert psutil.Process().num_fds() == before
    assert alive(cat.pid)
