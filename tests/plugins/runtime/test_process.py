"""The process runtime, on real processes."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ao_core.errors import BadRequest, ConfigError, StoreUnavailable, Unavailable, WrongState
from ao_core.model.session import RuntimeHandle, RuntimeReason, RuntimeState
from ao_core.platform import process_started
from ao_core.plugin import Scope
from ao_core.process import alive
from ao_core.registry import configure
from ao_core.slots.runtime import Command, Marks, Seen, Start
from ao_core.testing.runtime import ENV, RECORD, RuntimeContract, ended, heard, python, shown, until
from ao_core.testing.runtime_abilities import MeasurableContract, MourningContract, TypableContract
from ao_core.testing.runtime_lines import POUR, PipedContract, all_of, heard_until, said
from ao_plugins.runtime._process import places
from ao_plugins.runtime._process.client import connected
from ao_plugins.runtime._process.held import held_of
from ao_plugins.runtime._process.keys import pressed
from ao_plugins.runtime._process.places import Place
from ao_plugins.runtime.process import Process, ProcessConfig

REDRAW = """
import os, select, sys, tty
tty.setraw(0)
n = 0
with open("heard", "ab", 0) as file:
    while True:
        n += 1
        os.write(1, b"\\x1b[H" + b"\\r\\n".join(b"frame %d " % n + b"#" * 150 for _ in range(40)))
        if select.select([0], [], [], float(sys.argv[1]))[0]:
            file.write(os.read(0, 65536))
"""


async def leave_nothing(process: Process) -> None:
    for name in sorted(folder.name for folder in process.scope.state.iterdir()):
        if "." not in name and (left := await process.find(name)):
            await process.destroy(left)


@pytest.fixture
async def runtime(scope: Scope) -> AsyncGenerator[Process]:
    async with Process(ProcessConfig(grace=1.0), scope) as process:
        yield process
        await leave_nothing(process)


@pytest.fixture
async def small(scope: Scope) -> AsyncGenerator[Process]:
    """One that keeps a megabyte of each log."""
    async with Process(ProcessConfig(grace=1.0, segment=1 << 17, log=1 << 20), scope) as process:
        yield process
        await leave_nothing(process)


@pytest.fixture
def tiny_disk(scope: Scope) -> Generator[Path]:
    """The runtime's folder on a disk of one megabyte."""
    scope.state.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "ao-test", str(scope.state)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("takes a disk of one's own")
    yield scope.state
    subprocess.run(["umount", "-l", str(scope.state)], check=True)


@pytest.fixture
def pipe(tmp_path: Path) -> Callable[..., Start]:
    def make(code: str, *args: str, id: str = "app-1") -> Start:
        return Start(id, tmp_path, Command(python(code, *args), ENV), piped=True)

    return make


def host_of(handle: RuntimeHandle) -> int:
    return int(handle.get("host") or 0)


def child_of(handle: RuntimeHandle) -> int:
    return int(handle.get("child") or 0)


async def gone(pid: int) -> bool:
    return not alive(pid)


class TestProcess(
    RuntimeContract, TypableContract, MourningContract, MeasurableContract, PipedContract
):
    """It does what every runtime does that types, mourns, measures and holds pipes."""

    @pytest.fixture
    def keeper(self) -> Callable[[RuntimeHandle], int]:
        return host_of

    async def test_a_paste_is_bracketed_where_the_agent_asks_for_it(
        self, runtime: Process, start: Callable[..., Start]
    ) -> None:
        order = start(*python("print('\\x1b[?2004h', end='')\n" + RECORD))
        handle = await runtime.create(order)
        await shown(runtime, handle, "listening")
        await runtime.write(handle, "a\nb")
        assert await heard(order.workspace, 15) == b"\x1b[200~a\nb\x1b[201~"

    @pytest.mark.parametrize("pause", ["0.02", "0"])
    async def test_an_agent_that_never_stops_drawing_is_typed_to(
        self, runtime: Process, start: Callable[..., Start], pause: str
    ) -> None:
        order = start(*python(REDRAW, pause))
        handle = await runtime.create(order)
        await shown(runtime, handle, "frame")
        for n in range(3):
            assert await runtime.paste(handle, "p", mark=f"m{n}", refuse=["dialog"])
            assert await runtime.submit(
                handle, ["Enter"], mark=f"s{n}", expect=["frame"], refuse=["dialog"]
            )
        assert await heard(order.workspace, 6) == b"p\r" * 3
        assert await runtime.marks(handle) == Marks("m2", "s2")

    async def test_the_other_screen_comes_and_goes(
        self, runtime: Process, start: Callable[..., Start]
    ) -> None:
        code = "import sys; print('before\\n\\x1b[?1049h\\x1b[Hother', end='', flush=True)\n"
        code += "sys.stdin.readline(); print('\\x1b[?1049lafter', flush=True); sys.stdin.read()"
        handle = await runtime.create(start(*python(code)))
        await shown(runtime, handle, "other")
        assert not await runtime.shows(handle, ["before"])
        await runtime.write(handle, "\n")
        await shown(runtime, handle, "after")
        assert await runtime.screen(handle) == "before\nafter"

    async def test_what_no_terminal_knows_breaks_no_screen(
        self, runtime: Process, start: Callable[..., Start]
    ) -> None:
        odd = "\x1b[>4;2m\x1b[<u\x1b[?4m\x1b[1;2;3;4A\x1b[38:2:1:2:3m\x1bP1$q\x1b\\\x1b_x\x1b\\"
        odd += "\x1b]8;;http://x\x07link\x1b]8;;\x07\x1b[?3l\x1b[999999999999X\x9b5\x1b[5;1r\x1b(0q"
        handle = await runtime.create(start(*python(f"print({odd!r} + '\\x1b(B end')\n{RECORD}")))
        await shown(runtime, handle, "listening")
        assert (await runtime.screen(handle)).split("\n")[0] == "link5─ end"

    async def test_of_much_output_the_end_is_shown_and_the_modes_are_known(
        self, small: Process, start: Callable[..., Start]
    ) -> None:
        lines = "*(f'line {n} ' + 'x' * 60 for n in range(60_000))"
        code = f"print('\\x1b[?2004h', {lines}, sep='\\n')\n"
        order = start(*python(code + RECORD))
        handle = await small.create(order)
        place = small.place("app-1")
        await until(lambda: _is_as_long(place, 4_000_000))
        await shown(small, handle, "listening")
        assert (await small.output(handle, 2)).split("\n")[0].startswith("line 59999 ")
        assert sum(path.stat().st_size for path in place.folder.iterdir()) < 2 << 20

    async def test_an_agents_terminal_is_attached_to_and_left(
        self, runtime: Process, start: Callable[..., Start]
    ) -> None:
        code = "import os, signal\nsignal.signal(signal.SIGWINCH, lambda *_: os.write(1, "
        code += "b'size %d %d\\n' % os.get_terminal_size()))\n"
        code += "print('\\x1b[?ubefore', flush=True)\n"
        code += "while True: print('heard', input(), flush=True)"
        handle = await runtime.create(start(*python(code)))
        await shown(runtime, handle, "before")
        argv = (await runtime.attach_info(handle)).command
        pid, person = pty.fork()
        if not pid:
            os.execv(argv[0], argv)  # noqa: S606
        try:
            fcntl.ioctl(person, termios.TIOCSWINSZ, struct.pack("4H", 30, 90, 0, 0))
            await _seen(person, b"before", seen := bytearray())
            assert b"C-] leaves" in seen
            assert b"\x1b[?u" not in seen
            await _seen(person, b"size 90 30", seen)
            os.write(person, b"hello\r")
            await _seen(person, b"heard hello", seen)
            assert await runtime.attended(handle)
            os.write(person, b"\x1d")
            assert os.waitstatus_to_exitcode(await _ended(pid)) == 0
        finally:
            os.close(person)
        await shown(runtime, handle, "size 200 50")
        assert not await runtime.attended(handle)
        assert await runtime.alive(handle)

    async def test_a_piped_program_has_no_screen_and_one_with_a_screen_no_line(
        self, runtime: Process, start: Callable[..., Start], pipe: Callable[..., Start]
    ) -> None:
        piped, other = await runtime.create(pipe(RECORD)), await runtime.create(start(id="app-2"))
        with pytest.raises(WrongState):
            await runtime.screen(piped)
        with pytest.raises(BadRequest):
            async with runtime.line(other):
                raise AssertionError("it has no line")
        assert (await runtime.attach_info(piped)).command == ()

    async def test_what_a_piped_program_complains_of_can_be_read(
        self, runtime: Process, pipe: Callable[..., Start]
    ) -> None:
        code = "import sys\nfor n in range(40_000): print('warning', n, file=sys.stderr)\n"
        handle = await runtime.create(pipe(code + "sys.exit('no key was given')"))
        seen = await ended(runtime, handle)
        assert (seen.exit_status, seen.detail) == (1, "no key was given")
        assert await runtime.output(handle, 2) == "warning 39999\nno key was given"
        kept = [path.stat() for path in runtime.place("app-1").folder.glob("stderr*")]
        assert sum(one.st_size for one in kept) < 700_000

    async def test_a_line_that_is_told_by_write_is_told_as_it_is(
        self, runtime: Process, pipe: Callable[..., Start], tmp_path: Path
    ) -> None:
        handle = await runtime.create(pipe(RECORD))
        await runtime.write(handle, "straight on")
        assert await heard(tmp_path, 11) == b"straight on"

    async def test_at_its_cap_the_program_waits_until_a_mark_makes_room(
        self, small: Process, pipe: Callable[..., Start], tmp_path: Path
    ) -> None:
        size, seen = 5_000_000, 0
        handle = await small.create(pipe(POUR, str(size)))
        await until(lambda: _is_waiting(small, handle))
        assert not (tmp_path / "poured").exists()
        assert small.place("app-1").extent()[1] < 1_200_000
        async with small.line(handle) as line, aclosing(line.entries()) as entries:
            with anyio.fail_after(30):
                while seen < size:
                    entry = await anext(entries)
                    seen += len(entry.data)
                    await line.mark(entry.end, b"")
        await until(anyio.Path(tmp_path / "poured").exists)
        assert sum(path.stat().st_size for path in small.place("app-1").folder.iterdir()) < 1 << 19

    async def test_on_a_full_disk_the_program_waits_and_nothing_is_lost(
        self, tiny_disk: Path, runtime: Process, pipe: Callable[..., Start], tmp_path: Path
    ) -> None:
        ballast, size = tiny_disk / "ballast.bin", 600_000
        ballast.write_bytes(bytes(800_000))
        handle = await runtime.create(pipe(POUR, str(size)))
        await until(lambda: _is_full(runtime, handle))
        assert not (tmp_path / "poured").exists()
        async with runtime.line(handle) as line:
            with pytest.raises(StoreUnavailable):
                await line.write(b"x")
            with pytest.raises(StoreUnavailable):
                await line.mark(0, b"x" * 300_000)
            ballast.unlink()
            await until(anyio.Path(tmp_path / "poured").exists)
            while not await line.write(b"y"):
                pass
            os.kill(child_of(handle), signal.SIGTERM)
            found = said(await all_of(line))
        assert found == (bytes(range(256)) * 256 * 10)[:size]

    async def test_how_it_ended_on_a_full_disk_is_told_once_there_is_space(
        self, tiny_disk: Path, runtime: Process, pipe: Callable[..., Start]
    ) -> None:
        ballast = tiny_disk / "ballast.bin"
        ballast.write_bytes(bytes(1_000_000))
        handle = await runtime.create(pipe("import os; os.write(1, b'z' * 100_000)"))
        await until(lambda: gone(child_of(handle)))
        seen = (await runtime.look([handle]))["app-1"]
        assert (seen.state, seen.exit_status) == (RuntimeState.EXITED, 0)
        assert b"full=1" in await _status(runtime, handle)
        ballast.unlink()
        assert (await ended(runtime, handle)).exit_status == 0
        async with runtime.line(handle) as line:
            assert said(await all_of(line)) == b"z" * 100_000

    async def test_a_host_that_was_killed_is_told_of_at_once(
        self, runtime: Process, start: Callable[..., Start]
    ) -> None:
        code = "import signal\nsignal.signal(1, signal.SIG_IGN)\nwhile True: signal.pause()"
        handle = await runtime.create(start(*python(code)))
        os.kill(host_of(handle), signal.SIGKILL)
        with anyio.fail_after(20):
            async for one in runtime.deaths():
                assert one == handle
                break
        seen = (await runtime.look([handle]))["app-1"]
        assert (seen.state, seen.reason) == (RuntimeState.EXITED, RuntimeReason.HOST_LOST)
        assert not alive(child_of(handle))
        assert not await runtime.paste(handle, "x", mark="m", refuse=[])
        assert await runtime.create(start()) != handle

    async def test_after_the_machine_was_started_anew_all_is_missing_and_nobody_is_touched(
        self, runtime: Process, start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start())
        meta = runtime.place("app-1").folder / "meta"
        before = meta.read_text()
        meta.write_text(re.sub("boot=.*", "boot=another", before))
        old = replace(handle, data=tuple({**dict(handle.data), "boot": "another"}.items()))
        assert (await runtime.look([old]))["app-1"].state is RuntimeState.MISSING
        assert await runtime.find("app-1") is None
        assert not await runtime.press(old, ["x"], expect=[])
        await runtime.destroy(old)
        assert alive(child_of(handle))
        await runtime.destroy(handle)
        assert not alive(child_of(handle))

    async def test_a_number_that_has_passed_to_another_is_left_alone(
        self, runtime: Process, start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start())
        facts = dict(handle.data) | {"child_started": "1.5", "host_started": "1.5"}
        await runtime.destroy(replace(handle, data=(*facts.items(),)))
        assert alive(child_of(handle))
        assert alive(host_of(handle))
        await runtime.destroy(handle)
        assert not alive(child_of(handle))

    async def test_an_id_that_is_used_again_leaves_what_was_said_before(
        self, runtime: Process, start: Callable[..., Start], pipe: Callable[..., Start]
    ) -> None:
        first = await runtime.create(pipe("print('said once', flush=True)"))
        await ended(runtime, first)
        second = await runtime.create(pipe(RECORD))
        old = runtime.scope.state / "app-1.old"
        assert b"said once" in (old / ("0" * 16)).read_bytes()
        assert (await runtime.look([first]))["app-1"].state is RuntimeState.MISSING
        with pytest.raises(WrongState):
            async with runtime.line(first):
                raise AssertionError("that one is gone")
        await runtime.destroy(first)
        assert await runtime.alive(second)

    async def test_of_one_whose_id_is_used_again_nothing_is_remembered(
        self, runtime: Process, start: Callable[..., Start]
    ) -> None:
        first = await runtime.create(start(*python(RECORD)))
        await shown(runtime, first, "listening")
        await runtime.metrics(first)
        os.kill(child_of(first), signal.SIGKILL)
        async for one in runtime.deaths():
            assert one == first
            break
        await runtime.create(start())
        assert runtime.feeds == {}
        assert not runtime._deaths.knows("app-1", host_of(first))  # pyright: ignore[reportPrivateUsage]
        assert runtime._usage._last == {}  # pyright: ignore[reportPrivateUsage]

    @pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="takes process descriptors")
    async def test_a_host_that_is_still_writing_how_it_ended_is_awaited_not_looked_at(
        self, runtime: Process, pipe: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handle = await runtime.create(pipe(RECORD))
        os.kill(host_of(handle), signal.SIGSTOP)
        os.kill(child_of(handle), signal.SIGKILL)
        await until(lambda: gone(child_of(handle)))
        seen = dict[str, Seen]()

        async def look() -> None:
            seen.update(await runtime.look([handle]))

        with monkeypatch.context() as patch:
            patch.setattr(anyio, "sleep", _refused)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(look)
                await anyio.wait_all_tasks_blocked()
                os.kill(host_of(handle), signal.SIGCONT)
        assert (seen["app-1"].state, seen["app-1"].exit_signal) == (RuntimeState.EXITED, 9)

    async def test_many_that_are_slow_to_be_asked_are_asked_at_the_same_time(
        self, runtime: Process, pipe: Callable[..., Start]
    ) -> None:
        handles = [await runtime.create(pipe(RECORD, id=f"app-{n}")) for n in range(8)]
        for one in handles:
            os.kill(host_of(one), signal.SIGSTOP)
            os.kill(child_of(one), signal.SIGKILL)
        for one in handles:
            await until(lambda: gone(child_of(one)))  # noqa: B023
        alone = anyio.current_time()
        await runtime.look(handles[:1])
        begun = anyio.current_time()
        seen = await runtime.look(handles)
        assert anyio.current_time() - begun < 4 * (begun - alone)
        assert [seen[one.id].state for one in handles] == [RuntimeState.EXITED] * 8
        for one in handles:
            os.kill(host_of(one), signal.SIGCONT)

    async def test_a_line_tells_of_its_own_agent_only_though_the_id_is_used_again(
        self, runtime: Process, pipe: Callable[..., Start]
    ) -> None:
        first = await runtime.create(pipe("print('said first', flush=True)"))
        await ended(runtime, first)
        async with runtime.line(first) as line:
            second = await runtime.create(pipe("print('said second', flush=True)"))
            await ended(runtime, second)
            assert said(await all_of(line)) == b"said first\n"
            await runtime.create(pipe(RECORD))
            with pytest.raises(Unavailable):
                await anext(line.entries())

    async def test_a_log_that_is_put_aside_while_it_is_read_is_read_to_its_end(
        self, small: Process, pipe: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(places, "_BATCH", 2)
        code = "import os\nfor n in range(9): os.write(1, b'%d' % n * 60_000)"
        first = await small.create(pipe(code))
        await ended(small, first)
        async with small.line(first) as line, aclosing(line.entries()) as entries:
            found = (await anext(entries)).data
            await small.create(pipe("print('of another', flush=True); input()"))
            async for entry in entries:
                found += entry.data
        assert found == b"".join(b"%d" % n * 60_000 for n in range(9))

    async def test_when_it_began_is_asked_for_once_where_the_host_could_not_tell(
        self, runtime: Process, start: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handle = await runtime.create(start())
        meta = runtime.place("app-1").folder / "meta"
        meta.write_text(re.sub("_started=.*", "_started=", meta.read_text()))
        asked, ask = list[bool](), process_started

        def began(pid: int) -> float | None:
            asked.append(threading.current_thread() is threading.main_thread())
            return ask(pid)

        monkeypatch.setattr("ao_core.platform.process_started", began)
        assert await runtime.find("app-1") == handle
        assert asked == [False, False]  # both, and nobody was held up by that
        assert await runtime.find("app-1") == handle
        assert len(asked) == 2

    async def test_a_log_that_was_removed_by_hand_is_told_typed_and_its_program_still_ended(
        self, runtime: Process, start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start(*python(RECORD)))
        await shown(runtime, handle, "listening")
        folder = runtime.place("app-1").folder
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        seen = (await runtime.look([handle]))["app-1"]
        assert (seen.state, seen.detail) == (RuntimeState.ALIVE, "its log was removed")
        for attempt in (runtime.screen(handle), runtime.output(handle), runtime.marks(handle),
                        runtime.write(handle, "x")):  # fmt: skip
            with pytest.raises((WrongState, Unavailable)):
                await attempt
        await runtime.destroy(handle)
        assert not alive(child_of(handle))
        assert (await runtime.look([handle]))["app-1"].state is RuntimeState.MISSING

    async def test_a_socket_that_was_removed_comes_back(
        self, runtime: Process, start: Callable[..., Start]
    ) -> None:
        order = start(*python(RECORD))
        handle = await runtime.create(order)
        await shown(runtime, handle, "listening")
        os.unlink(handle.get("socket") or "")
        await runtime.write(handle, "back")
        assert await heard(order.workspace, 4) == b"back"

    async def test_nothing_is_left_of_one_that_was_destroyed_but_its_words(
        self, runtime: Process, pipe: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(pipe("print('words', flush=True); input()"))
        async with runtime.line(handle) as line:
            await heard_until(line, b"words")
        await runtime.destroy(handle)
        assert await gone(host_of(handle))
        assert not held_of(handle).has_socket()
        assert {path.name for path in runtime.scope.state.iterdir()} == {"app-1.old"}

    async def test_a_handle_of_another_runtime_is_refused(self, runtime: Process) -> None:
        other = RuntimeHandle("app-1", "tmux", (("pane", "%1"),))
        with pytest.raises(BadRequest):
            await runtime.look([other])


def test_a_log_that_could_never_be_shortened_is_refused_with_both_sizes_and_what_to_do() -> None:
    said = r"`segment` \(2,097,152\) is more than half of `log` \(2,097,152 bytes\): leave it out, "
    with pytest.raises(ConfigError, match=said + "or make `log` 4,194,304 or more"):
        configure(Process, {"log": 2 << 20, "segment": 2 << 20})
    assert configure(Process, {"log": 1 << 20, "segment": 1 << 19})
    with pytest.raises(ConfigError, match="log"):
        configure(Process, {"log": 1 << 16, "segment": 1 << 15})


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        ("Enter", b"\r"), ("C-u", b"\x15"), ("C-C", b"\x03"), ("^c", b"\x03"), ("Escape", b"\x1b"),
        ("Up", b"\x1b[A"), ("BSpace", b"\x7f"), ("1", b"1"), ("y", b"y"), ("BTab", b"\x1b[Z"),
        ("C-Space", b"\0"), ("C-[", b"\x1b"), ("C-?", b"\x7f"), ("M-x", b"\x1bx"),
        ("M-Enter", b"\x1b\r"), ("Space", b" "), ("-x", b"-x"), ("C-", b"C-"), ("ü", "ü".encode()),
        ("^", b"^"), ("enter", b"enter"),
    ],
)  # fmt: skip
def test_keys_are_sent_as_tmux_would(key: str, sent: bytes) -> None:
    assert pressed(key) == sent


def test_arrows_are_others_where_the_agent_asks_for_that() -> None:
    assert pressed("Down", application=True) == b"\x1bOB"


async def _refused(_: float) -> None:
    raise AssertionError("it is looked for")


async def _is_as_long(place: Place, size: int) -> bool:
    return place.extent()[1] > size


async def _status(process: Process, handle: RuntimeHandle) -> bytes:
    async with connected(held_of(handle)) as host:
        return (await host.exchange(b"s"))[1]


async def _is_full(process: Process, handle: RuntimeHandle) -> bool:
    return b"full=1" in await _status(process, handle)


async def _is_waiting(process: Process, handle: RuntimeHandle) -> bool:
    return b"waiting=1" in await _status(process, handle)


async def _seen(person: int, text: bytes, found: bytearray) -> None:
    with anyio.fail_after(20):
        while text not in found:
            await anyio.wait_readable(person)
            found += os.read(person, 65536)


async def _ended(pid: int) -> int:
    return (await anyio.to_thread.run_sync(os.waitpid, pid, 0))[1]
