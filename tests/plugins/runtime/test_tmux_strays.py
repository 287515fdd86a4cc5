"""Which servers that cannot be reached any more are ended, and which are left alone."""

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen

import anyio
import anyio.to_thread
import pytest

from ao_plugins.runtime._tmux import server

Server = Popen[str]

_SERVER = """
import os, signal, sys, time
if not os.fork():
    {child}
    os._exit(0)
os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT) if {over} else None
print("up", flush=True)
signal.pause()
"""


@contextmanager
def holding(folder: Path, child: str, over: bool = False) -> Generator[tuple[list[str], Server]]:
    """Something that looks like one of our servers and has one child."""
    code = _SERVER.format(child=child, over=over)
    argv = [sys.executable, "-I", "-S", "-c", code, str(folder)]
    with (
        Popen(["sleep", "0.2"], stdout=PIPE) as feed,  # who reads from it goes on that long
        Popen(argv, stdin=feed.stdout, stdout=PIPE, text=True, process_group=0) as process,
    ):
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        yield argv, process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def outlives(process: Server) -> bool:
    """Whether it is there after a while; who was told to end is gone by then."""
    with anyio.move_on_after(0.3):
        await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
    return process.poll() is None


async def test_one_that_holds_an_agent_stays(tmp_path: Path) -> None:
    with holding(tmp_path, "os.execvp('sleep', ['sleep', '30'])") as (argv, process):
        await server.end_strays(argv)
        assert await outlives(process)


@pytest.mark.parametrize(
    ("child", "over"),
    [
        ("os._exit(0)", True),  # nobody waited for it
        ("time.sleep(0.2)", False),  # the server's own words until it becomes something
        ("os.execvp('sh', ['true', '-'])", False),
    ],
    ids=["a zombie", "about to start it", "what it begins with"],
)
async def test_one_that_holds_but_what_it_began_with_goes(
    tmp_path: Path, child: str, over: bool
) -> None:
    with holding(tmp_path, child, over) as (argv, process):
        await server.end_strays(argv)
        assert not await outlives(process)
