"""What the tmux runtime finds of a start whose engine was killed in the middle."""

import socket
import sys
from collections.abc import Generator
from pathlib import Path

import anyio
import psutil
import pytest

from ao_core import exec_stub
from ao_core.model.session import RuntimeHandle
from ao_core.slots.runtime import Command, Start
from ao_core.testing.runtime import until
from ao_plugins.runtime._tmux import server
from ao_plugins.runtime.tmux import Tmux


@pytest.fixture
def launcher(tmp_path: Path) -> Generator[socket.socket]:
    """The end of an engine that gives its stub no order."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "go"))
        listener.listen(1)
        yield listener


async def begun(runtime: Tmux, folder: Path) -> tuple[str, int]:
    """A pane with a stub in it, as an engine leaves it that is killed now."""
    start = Start("app-1", folder, Command(("sleep", "300")))
    argv = (sys.executable, "-I", "-S", exec_stub.__file__, str(folder / "go"))
    answer = await runtime.control.ask(*server.new_session("app-1", start, argv))
    pane, pid, _ = answer[0].split(" ")
    return pane, int(pid)


async def test_a_stub_without_its_launcher_is_not_taken_for_the_agent(
    runtime: Tmux, launcher: socket.socket, tmp_path: Path
) -> None:
    _, pid = await begun(runtime, tmp_path)
    launcher.settimeout(10)
    opened, _ = await anyio.to_thread.run_sync(launcher.accept)
    found: list[RuntimeHandle | None] = []

    async def find() -> None:
        found.append(await runtime.find("app-1"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(find)
        await anyio.wait_all_tasks_blocked()
        assert psutil.pid_exists(pid)
        assert not found
        opened.close()
    handle = found[0]
    assert handle is not None

    async def over() -> bool:
        return not await runtime.alive(handle)

    await until(over)


async def test_a_stub_that_became_the_program_is_found_as_the_agent(
    runtime: Tmux, launcher: socket.socket, tmp_path: Path
) -> None:
    await begun(runtime, tmp_path)
    launcher.settimeout(10)
    opened, _ = await anyio.to_thread.run_sync(launcher.accept)
    order = b"\0".join([b"/", b"2", b"sleep", b"300", b"PATH=/usr/bin:/bin", b""])
    opened.sendall(len(order).to_bytes(4, "big") + order)
    assert opened.recv(1) == b"+"
    opened.close()
    found = await runtime.find("app-1")
    assert found is not None
    assert await runtime.alive(found)
    assert psutil.Process(int(found.get("pid") or 0)).cmdline() == ["sleep", "300"]
