"""Children: their output, their end, and that nothing of them is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from anyio.abc import Process

from ao_core import platform
from ao_core.errors import BadRequest, CommandFailed, NotInstalled, TimedOut
from ao_core.process import Completed, Run, alive, end_tree, run

STUBBORN = "trap '' TERM HUP; while :; do sleep 60 & wait; done"


@contextmanager
def started(*argv: str) -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        for child in psutil.process_iter():
            if platform.session_of(child.pid) == process.pid:
                os.kill(child.pid, signal.SIGKILL)
        process.communicate()


def lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


async def pids_in(file: Path, count: int) -> list[int]:
    """The process numbers that a script wrote, one a line."""
    with anyio.fail_after(20):
        while len(lines_of(file)) < count:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    return [int(line) for line in lines_of(file)]


async def gone(*pids: int) -> bool:
    with anyio.move_on_after(10):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110
            await anyio.sleep(0.01)
        return True
    return False


async def test_a_child_says_what_it_says() -> None:
    runner: Run = run
    done = await runner(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert done == Completed("sh", 3, b"out\n", b"err\n", truncated=False)
    assert done.text == "out\n"


async def test_text_that_is_not_utf8_is_still_text() -> None:
    assert (await run(["printf", r"a\377b"])).text == "a\ufffdb"


async def test_it_gets_folder_environment_and_input_but_no_terminal(tmp_path: Path) -> None:
    script = 'pwd; echo "$ONLY-$HOME"; cat'
    done = await run(["/bin/sh", "-c", script], cwd=tmp_path, env={"ONLY": "x"}, stdin=b"hello")
    assert done.text == f"{tmp_path}\nx-\nhello"
    assert (await run(["cat"])).stdout == b""
    assert (await run(["cat"], stdin=b"")).stdout == b""


async def test_arguments_are_never_read_by_a_shell() -> None:
    argument = "$(id) `id` ; 'a' \"b\"\n*"
    assert (await run(["printf", "%s", argument])).text == argument


async def test_it_leads_a_group_and_session_of_its_own() -> None:
    code = "import os; print(os.getpid() == os.getpgid(0) == os.getsid(0))"
    assert (await run([sys.executable, "-c", code])).text == "True\n"


async def test_a_success_passes_the_check() -> None:
    done = await run(["true"])
    assert done.check("trying") is done


async def test_a_failure_quotes_the_end_of_the_complaint_and_no_secret() -> None:
    url = "https://me:hunter2hunter2@example.com/x.git"
    stderr = f"first\n\x1b[31mfatal: {url} \x07{'y' * 9999}\n\n".encode()
    with pytest.raises(CommandFailed) as caught:
        Completed("git", 128, b"", stderr).check("fetching")
    message = caught.value.message
    assert message.startswith("fetching: git ended with 128: fatal: https://[redacted]@example.com")
    assert len(message) < 350
    assert caught.value.status == 128
    assert not {"\x1b", "\x07", "\n"} & set(message)


@pytest.mark.parametrize("stderr", [b"", b"\n \n", b"ghp_" + b"A" * 20_000])
def test_a_failure_without_a_whole_line_quotes_nothing(stderr: bytes) -> None:
    with pytest.raises(CommandFailed, match=r"^doing: git ended with 1$"):
        Completed("git", 1, b"", stderr).check("doing")


async def test_fifty_megabytes_are_drained_and_capped() -> None:
    script = "head -c 50000000 /dev/zero; head -c 3000 /dev/zero >&2; echo end >&2; exit 4"
    done = await run(["sh", "-c", script], limit=5000)
    assert (len(done.stdout), done.truncated, done.status) == (5000, True, 4)
    assert done.stderr.endswith(b"end\n")


async def test_a_child_that_does_not_read_its_input_is_no_failure() -> None:
    assert (await run(["true"], stdin=b"x" * 5_000_000)).status == 0


async def test_input_and_output_flow_at_the_same_time() -> None:
    data = os.urandom(3_000_000)
    assert (await run(["cat"], stdin=data)).stdout == data


async def test_a_missing_program_is_named_with_its_remedy() -> None:
    with pytest.raises(NotInstalled, match="no-such-tool") as caught:
        await run(["no-such-tool", "x"])
    assert "PATH" in (caught.value.hint or "")


async def test_a_file_that_is_no_program_is_not_installed(tmp_path: Path) -> None:
    file = tmp_path / "plain"
    file.write_text("x")
    with pytest.raises(NotInstalled, match="plain"):
        await run([str(file)])


async def test_a_missing_folder_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"folder .*/no is missing"):
        await run(["true"], cwd=tmp_path / "no")


@pytest.mark.parametrize("argument", ["a\0b", "x" * 3_000_000])
async def test_what_no_child_can_be_given_is_refused(argument: str) -> None:
    with pytest.raises(CommandFailed, match=r"^true cannot be started"):
        await run(["true", argument])


async def test_no_command_is_refused() -> None:
    with pytest.raises(BadRequest):
        await run([])


async def test_the_deadline_ends_the_whole_group(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    script = f"sleep 60 & echo $! >>{file}; echo $$ >>{file}; sleep 60"
    with pytest.raises(TimedOut, match=r"sh did not end within 0\.5 s") as caught:
        await run(["sh", "-c", script], deadline=0.5)
    assert caught.value.retryable
    assert await gone(*await pids_in(file, 2))


async def test_one_that_will_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_core.process._GRACE", 0.1)
    file = tmp_path / "pids"
    script = f"echo $$ >>{file}; {STUBBORN}"
    with pytest.raises(TimedOut):
        await run(["sh", "-c", script], deadline=0.5)
    assert await gone(*await pids_in(file, 1))


async def test_cancelling_ends_and_reaps_the_group(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    script = f"sleep 60 & echo $! >>{file}; echo $$ >>{file}; wait"
    pids: list[int] = []
    async with anyio.create_task_group() as group:
        group.start_soon(run, ["sh", "-c", script])
        pids += await pids_in(file, 2)
        group.cancel_scope.cancel()
    assert not psutil.pid_exists(pids[-1])
    assert await gone(*pids)


async def test_cancelling_while_it_is_being_started_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opening, opened, on = anyio.open_process, list[Process](), anyio.Event()
    there = anyio.Event()

    async def open_slowly(*args: Any, **more: Any) -> Process:
        opened.append(await opening(*args, **more))
        there.set()
        await on.wait()
        return opened[0]

    monkeypatch.setattr(anyio, "open_process", open_slowly)
    async with anyio.create_task_group() as group:
        group.start_soon(run, ["sleep", "60"])
        await there.wait()
        group.cancel_scope.cancel()
        on.set()
    assert not psutil.pid_exists(opened[0].pid)


async def test_cancelling_at_once_leaves_nothing() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await run(["sleep", "4711"])
    left = [one for one in psutil.Process().children() if "4711" in " ".join(one.cmdline())]
    assert await gone(*(one.pid for one in left))


async def test_what_a_child_leaves_behind_does_not_hold_us_up(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    script = f"sleep 60 & echo $! >>{file}; echo said"
    with anyio.fail_after(20):
        done = await run(["sh", "-c", script], deadline=30)
    assert (done.status, done.stdout) == (0, b"said\n")
    [left] = await pids_in(file, 1)
    assert alive(left)
    os.kill(left, signal.SIGKILL)


def test_alive_knows_zombies_strangers_and_other_processes_of_that_number() -> None:
    with started("sleep", "60") as child:
        since = platform.process_started(child.pid)
        assert since is not None
        assert alive(child.pid)
        assert alive(child.pid, since)
        assert not alive(child.pid, since + 1)
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not alive(child.pid), "a zombie"
    assert not alive(child.pid, since)


async def test_a_tree_ends_with_what_left_its_group_or_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    say = f"echo $$ >>{file}"
    apart = f"setsid sh -c '{say}; sleep 60' & "
    orphan = f"(sh -c '{say}; sleep 60' &); "
    last = f"{say}; sleep 60"
    with started("sh", "-c", apart + orphan + last) as root:
        pids = await pids_in(file, 3)
        await end_tree(root.pid, started=platform.process_started(root.pid), grace=10)
        assert not any(alive(pid) for pid in pids)


async def test_a_stubborn_tree_is_killed_after_its_grace() -> None:
    script = f'sh -c "echo x; {STUBBORN}" & echo x; {STUBBORN}'
    with started("sh", "-c", script) as root:
        assert root.stdout is not None
        assert [root.stdout.readline() for _ in range(2)] == [b"x\n", b"x\n"]
        below = [one.pid for one in psutil.Process(root.pid).children(recursive=True)]
        assert below
        await end_tree(root.pid, started=None, grace=0.2)
        assert not any(alive(pid) for pid in (root.pid, *below))


async def test_another_process_of_the_same_number_is_left_alone() -> None:
    with started("sleep", "60") as stranger:
        since = platform.process_started(stranger.pid) or 0
        await end_tree(stranger.pid, started=since - 5, grace=1)
        assert alive(stranger.pid)
        await end_tree(2**22 + 1, started=None, grace=1)


def test_importing_it_does_not_import_psutil() -> None:
    code = "import sys, ao_core.process; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=True)
    assert not set(done.stdout.decode().split()) & {"psutil", "pydantic"}
