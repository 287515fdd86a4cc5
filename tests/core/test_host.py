"""The session host, over its socket: every frame of the protocol, and what must not harm it."""

import os
import resource
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import anyio
import psutil
import pytest

import ao_core
from ao_core.errors import CommandFailed, NotInstalled
from ao_core.host import ANYWHERE
from ao_core.host_log import HEAD, entries, framed, segments, size_of
from ao_core.host_socket import FRAME_LIMIT
from ao_core.launchpad import launchpad
from ao_core.process import alive
from ao_core.slots.runtime import Command
from ao_core.testing.runtime import until

BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from ao_core.host_main import main; main(sys.argv[2:])"
)
ENV = {"PATH": os.environ["PATH"]}
POUR = "import os\nwhile True: os.write(1, b'x' * 4096)"
OTHER_USER = 65534


def u8(number: int) -> bytes:
    return number.to_bytes(8, "big")


def numbers(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[:8], "big"), int.from_bytes(data[8:16], "big")


class Peer:
    """One who speaks to a host, a frame at a time."""

    def __init__(self, path: Path, *, greet: bool = True) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        self._inbox = b""
        if greet:
            assert self.ask(b"v", b"\1")[0] == b"s"

    def ask(self, kind: bytes, data: bytes = b"") -> tuple[bytes, bytes]:
        self.socket.sendall(framed(kind, data))
        return self.next()

    def next(self) -> tuple[bytes, bytes]:
        self._fill(HEAD)
        size = size_of(self._inbox)
        self._fill(size)
        frame, self._inbox = self._inbox[:size], self._inbox[size:]
        return frame[:1], frame[HEAD:]

    def said(self, text: bytes) -> bytes:
        """Attach from the start, and listen until the program has said a text."""
        assert self.ask(b"a", u8(0))[0] == b"A"
        heard = b""
        while text not in heard:
            kind, data = self.next()
            assert kind in b"STZ"
            heard += data if kind == b"S" else b""
        return heard

    def status(self) -> dict[str, str]:
        lines = self.ask(b"s")[1].decode().splitlines()
        return dict(cast("tuple[str, str]", line.split("=", 1)) for line in lines)

    def _fill(self, size: int) -> None:
        while len(self._inbox) < size:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError
            self._inbox += data


class Hosted:
    """A host under test."""

    def __init__(self, folder: Path, path: Path) -> None:
        self.folder, self.path = folder, path
        self.meta = dict(line.split("=", 1) for line in (folder / "meta").read_text().splitlines())
        self.pid, self.child = int(self.meta["host"]), int(self.meta["child"])
        self._peers: list[Peer] = []

    def peer(self, *, greet: bool = True) -> Peer:
        self._peers.append(Peer(self.path, greet=greet))
        return self._peers[-1]

    async def gone(self) -> str:
        """Wait for its end; how the program ended."""
        await until(self._is_gone)
        return (self.folder / "exit").read_text()

    def close(self) -> None:
        for peer in self._peers:
            peer.socket.close()
        for pid in (self.child, self.pid):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)

    async def _is_gone(self) -> bool:
        return not alive(self.pid)


@pytest.fixture
def short() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="ao-") as folder:
        yield Path(folder)


@asynccontextmanager
async def hosted(
    short: Path, *argv: str, kind: str = "pipes", segment: int = 1 << 22, cap: int = 1 << 26,
    sockets: Path | None = None,
) -> AsyncGenerator[Hosted]:  # fmt: skip
    folder, path = short / "place", (sockets or short) / "host"
    async with launchpad(short, Command(argv, ENV), short) as pad:
        root = str(Path(ao_core.__file__).parents[1])
        told = [str(one) for one in (folder, path, pad.path, "boot", kind, segment, cap)]
        await anyio.run_process([sys.executable, "-I", "-S", "-c", BOOT, root, *told])
        await pad.started(20)
    one = Hosted(folder, path)
    try:
        yield one
    finally:
        one.close()
        await until(one._is_gone)  # pyright: ignore[reportPrivateUsage]


def for_ever(work: Callable[[], object]) -> None:
    while True:
        work()


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


async def test_it_is_no_child_of_its_starter_and_shares_no_session(short: Path) -> None:
    async with hosted(short, "cat") as host:
        assert os.getsid(host.pid) == host.pid != os.getsid(0)
        assert psutil.Process(host.pid).ppid() != os.getpid()
        assert os.getsid(host.child) == host.child
        assert psutil.Process(host.pid).cwd() == "/"


async def test_only_its_user_can_reach_it(short: Path) -> None:
    async with hosted(short, "cat") as host:
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (host.folder, host.path)]
        files = [stat.S_IMODE(path.stat().st_mode) for path in host.folder.iterdir()]
        assert (modes, {*files}) == ([0o700, 0o600], {0o600})


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user")
async def test_another_user_is_refused_even_where_the_files_let_him_in(short: Path) -> None:
    async with hosted(short, "cat") as host:
        os.chmod(short, 0o755)
        os.chmod(host.path, 0o666)
        code = (
            f"import os, socket, sys; os.setuid({OTHER_USER}); s = socket.socket(socket.AF_UNIX)\n"
        )
        code += "s.connect(sys.argv[1])\n"
        code += "try: s.sendall(b'v\\0\\0\\0\\1\\1'); print(s.recv(99))\n"
        code += "except ConnectionError: print(b'')"
        done = await anyio.run_process([*python(code), str(host.path)])
        assert done.stdout == b"b''\n"
        assert host.peer().status()["exit"] == ""


@pytest.mark.parametrize(
    ("kind", "data", "word"),
    [(b"v", b"\2", b"version 1"), (b"s", b"", b"greeted"), (b"v", b"", b"version 1")],
)
async def test_who_does_not_greet_it_in_version_one_is_told_so(
    short: Path, kind: bytes, data: bytes, word: bytes
) -> None:
    async with hosted(short, "cat") as host:
        answer, text = host.peer(greet=False).ask(kind, data)
        assert (answer, word in text) == (b"e", True)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (b"?", b""), (b"\xff", b"x" * 99), (b"w", b"123"), (b"a", b""), (b"a", u8(1 << 40)),
        (b"m", u8(1 << 40)), (b"c", u8(0)), (b"h", b"1"), (b"k", b""), (b"t", b""),
        (b"z", b"\0\x50\0\x18"), (b"m", u8(0) + bytes((1 << 20) + 1)),
    ],
)  # fmt: skip
async def test_what_it_cannot_take_is_an_error_and_no_more(
    short: Path, kind: bytes, data: bytes
) -> None:
    async with hosted(short, "cat") as host:
        peer = host.peer()
        assert peer.ask(kind, data)[0] == b"e"
        assert peer.ask(b"w", u8(0) + b"on it goes")[0] == b"o"
        assert host.peer().said(b"on it goes")


async def test_a_frame_without_measure_is_refused_before_it_is_there(short: Path) -> None:
    async with hosted(short, "cat") as host:
        peer = host.peer()
        peer.socket.sendall(b"w" + (FRAME_LIMIT + 1).to_bytes(4, "big"))
        assert peer.next()[0] == b"e"
        with pytest.raises((EOFError, ConnectionError)):
            peer.next()
        assert host.peer().status()["end"] == "0"


async def test_half_a_frame_was_never_sent(short: Path) -> None:
    async with hosted(short, "cat") as host:
        half = host.peer()
        half.socket.sendall(framed(b"w", u8(0) + b"half of it")[:-1])
        half.socket.close()
        other = host.peer()
        assert other.ask(b"w", u8(0) + b"whole")[0] == b"o"
        assert host.peer().said(b"whole") == b"whole"


async def test_a_write_that_comes_late_is_refused_and_says_how_far_it_has_come(short: Path) -> None:
    async with hosted(short, "cat") as host:
        first, late = host.peer(), host.peer()
        kind, data = first.ask(b"w", u8(0) + b"first")
        assert (kind, numbers(data)[0]) == (b"o", HEAD + 5)
        kind, data = late.ask(b"w", u8(0) + b"late")
        assert (kind, numbers(data)[0]) == (b"r", HEAD + 5)
        assert late.ask(b"w", u8(HEAD + 5) + b"then")[0] == b"o"
        assert host.peer().said(b"then") == b"firstthen"


async def test_a_write_in_one_hundred_pieces_is_one(short: Path) -> None:
    async with hosted(short, "cat") as host:
        peer = host.peer()
        for byte in framed(b"w", u8(0) + b"x" * 90):
            peer.socket.sendall(bytes([byte]))
        assert peer.next()[0] == b"o"
        await until(lambda: _has(host, b"x" * 90))


async def test_what_is_typed_is_judged_where_the_log_ends(short: Path) -> None:
    code = "import os, tty; tty.setraw(0); print('ready', flush=True)\n"
    code += "while data := os.read(0, 99): os.write(1, b'<' + data + b'>')"
    async with hosted(short, *python(code), kind="80x24") as host:
        host.peer().said(b"ready")
        peer = host.peer()
        end = int(peer.status()["end"])
        assert peer.ask(b"c", u8(end - 1) + b"p\1mno")[0] == b"r"
        assert not (host.folder / "marks").exists()
        assert peer.ask(b"c", u8(end) + b"p\1myes")[0] == b"o"
        assert peer.ask(b"c", u8(end) + b"s\1nno")[0] == b"r"
        assert peer.ask(b"c", u8(ANYWHERE) + b"s\2okany")[0] == b"o"
        assert (host.folder / "marks").read_bytes() == b"m\nok"
        assert b"no" not in host.peer().said(b"any>")


async def test_no_mark_tells_of_keys_for_which_the_disk_had_no_room(short: Path) -> None:
    async with hosted(short, *python("import signal; signal.pause()"), kind="80x24") as host:
        peer = host.peer()
        assert peer.ask(b"c", u8(ANYWHERE) + b"p\3oneshort")[0] == b"o"
        resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        assert peer.ask(b"c", u8(ANYWHERE) + b"p\3two" + b"x" * 2000)[0] == b"f"
        assert (host.folder / "marks").read_bytes() == b"one\n"
        resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        assert peer.ask(b"c", u8(ANYWHERE) + b"s\5three" + b"x" * 2000)[0] == b"o"
        assert (host.folder / "marks").read_bytes() == b"one\nthree"
        told = [data for kind, data, _ in entries(str(host.folder), 0) if kind == b"T"]
        assert told == [b"short", b"x" * 2000]


async def test_while_it_is_held_the_program_is_not_listened_to(short: Path) -> None:
    async with hosted(short, *python(POUR), kind="80x24", cap=1 << 20, segment=1 << 16) as host:
        peer = host.peer()
        await until(lambda: _reaches(peer, 1 << 17))
        held = numbers(peer.ask(b"h", (1000).to_bytes(2, "big"))[1])[1]
        assert int(peer.status()["end"]) == held
        assert peer.ask(b"c", u8(held) + b"\0\0" + b"x")[0] == b"o"
        end = int(peer.status()["end"])

        async def moves() -> bool:
            return int(peer.status()["end"]) > end

        await until(moves)


async def test_a_hold_that_nobody_ends_ends_by_itself(short: Path) -> None:
    async with hosted(short, *python(POUR), kind="80x24", cap=1 << 20, segment=1 << 16) as host:
        peer = host.peer()
        end = numbers(peer.ask(b"h", (200).to_bytes(2, "big"))[1])[1]

        async def moves() -> bool:
            return int(peer.status()["end"]) > end

        await until(moves)


async def test_a_terminal_is_resized_and_the_log_says_so(short: Path) -> None:
    code = "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])\n"
    code += "print('ready', flush=True); signal.sigwait([signal.SIGWINCH])\n"
    code += "print(*os.get_terminal_size(), flush=True); input()"
    async with hosted(short, *python(code), kind="80x24") as host:
        host.peer().said(b"ready")
        peer = host.peer()
        assert peer.status()["size"] == "80x24"
        assert peer.ask(b"z", b"\0\x64\0\x1e")[0] == b"o"
        host.peer().said(b"100 30")
        found = [data for kind, data, _ in entries(str(host.folder), 0) if kind == b"Z"]
        assert found == [b"\0\x64\0\x1e"]


async def test_a_program_that_asks_its_terminal_is_answered_unless_a_terminal_is_attached(
    short: Path,
) -> None:
    code = "import os, tty; tty.setraw(0); os.write(1, b'ready')\n"
    code += "while ask := os.read(0, 1): os.write(1, b'\\x1b[6n\\x1b[c'); "
    code += "os.write(1, os.read(0, 99).replace(b'\\x1b', b'^') + b'.')"
    async with hosted(short, *python(code), kind="80x24") as host:
        await until(lambda: _has(host, b"ready"))
        peer = host.peer()
        peer.ask(b"w", u8(ANYWHERE) + b"?")
        await until(lambda: _has(host, b"^[1;1R^[?62;22c."))
        attached = host.peer()
        assert attached.ask(b"a", u8(0))[0] == b"A"
        peer.ask(b"w", u8(ANYWHERE) + b"?")
        await until(lambda: _has(host, b"\x1b[6n\x1b[c^[1;1R^[?62;22c.\x1b[6n\x1b[c"))
        peer.ask(b"w", u8(ANYWHERE) + b"of the person")
        await until(lambda: _has(host, b"\x1b[cof the person."))


async def test_a_signal_reaches_the_group(short: Path) -> None:
    async with hosted(short, "sh", "-c", "sleep 300 & wait") as host:
        assert host.peer().ask(b"k", bytes([signal.SIGKILL]))[0] == b"o"
        assert await host.gone() == "host signal=9"


@pytest.mark.parametrize(
    ("trap", "how"), [("trap 'exit 5' TERM", "status=5"), ("trap '' TERM", "signal=9")]
)
async def test_it_is_terminated_by_itself_or_after_its_grace(
    short: Path, trap: str, how: str
) -> None:
    code = f"{trap}; echo ready; while true; do sleep 0.05; done"
    async with hosted(short, "sh", "-c", code) as host:
        host.peer().said(b"ready")
        assert host.peer().ask(b"t", (300).to_bytes(4, "big"))[0] == b"o"
        assert await host.gone() == f"host {how}"


async def test_it_says_how_the_program_ended_and_is_gone_with_its_socket(short: Path) -> None:
    async with hosted(short, "sh", "-c", "read x; echo bye; exit 7") as host:
        peer, speaker = host.peer(), host.peer()
        assert peer.ask(b"a", u8(0))[0] == b"A"
        speaker.ask(b"w", u8(0) + b"go\n")
        assert [peer.next() for _ in range(3)] == [(b"T", b"go\n"), (b"S", b"bye\n"),
                                                  (b"x", b"status=7")]  # fmt: skip
        assert await host.gone() == "host status=7"
        assert not host.path.exists()
        names = {path.name for path in host.folder.iterdir()}
        assert names == {"meta", "exit", "0" * 16}


async def test_a_child_that_holds_the_pipes_does_not_keep_it(short: Path) -> None:
    async with hosted(short, "sh", "-c", "sleep 300 & echo $!; exit 0") as host:
        assert await host.gone() == "host status=0"
        (_, data, _) = next(entries(str(host.folder), 0))
        os.kill(int(data), signal.SIGKILL)


async def test_a_child_that_complains_for_ever_does_not_keep_it(short: Path) -> None:
    code = f"""import os, sys; sys.path.insert(0, {str(Path(ao_core.__file__).parents[1])!r})
from ao_core import host, host_log, host_program, host_socket
pid = os.spawnlp(os.P_NOWAIT, "true", "true")
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
program = host_program.Program(pid, -1, -1, os.open("/dev/zero", os.O_RDONLY), -1)
program.reap()
log, listener = host_log.Log(".", 4096), host_socket.listen(os.path.abspath("host"))
host.Host(".", "host", log, program, listener, 4096, terminal=False).run()
"""
    with anyio.fail_after(10):
        await anyio.run_process(python(code), cwd=short)
    assert (short / "exit").read_text() == "host status=0"


async def test_what_was_marked_is_dropped_and_who_asks_for_it_is_told_where_it_begins(
    short: Path,
) -> None:
    code = "import sys\nfor line in sys.stdin: print(line[:-1] * 100, end='', flush=True)"
    async with hosted(short, *python(code), segment=4096) as host:
        peer, end = host.peer(), 0
        for _ in range(10):
            end = numbers(peer.ask(b"w", u8(ANYWHERE) + b"0123456789\n")[1])[1]
            await until(lambda: _reaches(peer, end + 1000))  # noqa: B023
        end = int(peer.status()["end"])
        assert len(segments(str(host.folder))) > 1
        assert peer.ask(b"m", u8(end) + b"note")[0] == b"o"
        assert (host.folder / "mark").read_bytes() == u8(end) + b"note"
        assert peer.ask(b"m", u8(end - 1) + b"back")[0] == b"r"
        (base,) = segments(str(host.folder))
        assert numbers(host.peer().ask(b"a", u8(0))[1])[0] == base > 0


async def test_of_a_terminals_log_the_oldest_goes_and_a_slow_reader_is_told_of_the_gap(
    short: Path,
) -> None:
    async with hosted(short, *python(POUR), kind="80x24", segment=1 << 16, cap=1 << 18) as host:
        slow = host.peer()
        assert slow.ask(b"a", u8(0))[0] == b"A"
        await until(lambda: _reaches(host.peer(), 4 << 20))
        at, kind, data = 0, b"", b""
        while kind != b"G":
            at += HEAD + len(data) if kind else 0
            kind, data = slow.next()
        assert (gap := int.from_bytes(data, "big")) > at
        state = host.peer().status()
        assert int(state["end"]) - int(state["start"]) < 1 << 19
        assert len(segments(str(host.folder))) < 10
        while kind == b"G":
            kind, data = slow.next()
        assert (kind, {*data}) == (b"S", {ord("x")})
        assert gap >= 65536


async def test_a_crowd_that_only_connects_does_not_keep_it_from_its_work(short: Path) -> None:
    async with hosted(short, "cat") as host:
        crowd = [host.peer() for _ in range(40)]
        for one in crowd:
            one.socket.sendall(framed(b"s", b"") * 50)
        assert crowd[0].next()[0] == b"s"
        assert host.peer().ask(b"w", u8(0) + b"x")[0] == b"o"


@pytest.mark.parametrize("attached", [False, True])
async def test_a_full_house_shuts_nobody_out_and_costs_no_more(
    short: Path, *, attached: bool
) -> None:
    async with hosted(short, "cat") as host:
        for _ in range(100):
            one = host.peer()
            assert not attached or one.ask(b"a", u8(0))[0] == b"A"
        assert host.peer().ask(b"w", u8(0) + b"x")[0] == b"o"
        assert psutil.Process(host.pid).num_fds() < 80


async def test_who_is_idle_makes_room_before_who_is_attached(short: Path) -> None:
    async with hosted(short, "cat") as host:
        attached = host.peer()
        assert attached.ask(b"a", u8(0))[0] == b"A"
        for _ in range(100):
            host.peer()
        assert host.peer().ask(b"w", u8(0) + b"x")[0] == b"o"
        assert attached.next() == (b"T", b"x")


async def test_who_asks_and_never_listens_costs_no_memory(short: Path) -> None:
    async with hosted(short, "cat") as host:
        deaf = host.peer()
        deaf.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            for_ever(lambda: deaf.socket.sendall(framed(b"s", b"") * 1000))
        assert psutil.Process(host.pid).memory_info().rss < 20_000_000
        assert host.peer().ask(b"w", u8(0) + b"x")[0] == b"o"


async def test_a_program_that_never_reads_costs_no_memory_and_keeps_nobody_from_the_rest(
    short: Path,
) -> None:
    async with hosted(short, *python("import signal; signal.pause()")) as host:
        before, peer, other = host.peer(), host.peer(), host.peer()
        peer.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            for_ever(lambda: peer.ask(b"w", u8(ANYWHERE) + b"x" * 60_000))
        assert psutil.Process(host.pid).memory_info().rss < 20_000_000
        end = int(before.status()["end"])
        assert before.ask(b"m", u8(end) + b"note")[0] == b"o"
        assert before.ask(b"a", u8(end))[0] == b"A"
        other.socket.sendall(framed(b"w", u8(ANYWHERE) + b"y") + framed(b"s", b""))
        assert host.peer().ask(b"k", bytes([signal.SIGKILL]))[0] == b"o"
        assert other.next()[0] in b"ox"  # whether its end was seen before its pipe's
        assert other.next()[0] == b"s"
        assert await host.gone() == "host signal=9"


async def test_what_waited_for_a_program_to_read_is_told_in_its_turn_once_it_does(
    short: Path,
) -> None:
    code = "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)\n"
    code += "os.write(1, b'ready'); signal.pause(); size = 0\n"
    code += "while b'.' not in (data := os.read(0, 65536)): size += len(data)\n"
    code += "os.write(1, b'heard %d' % (size + len(data))); signal.pause()"
    async with hosted(short, *python(code)) as host:
        host.peer().said(b"ready")
        peer, other = host.peer(), host.peer()
        peer.socket.sendall(framed(b"w", u8(ANYWHERE) + b"x" * 1_000_000))
        assert peer.next()[0] == b"o"
        other.socket.sendall(framed(b"w", u8(ANYWHERE) + b".") + framed(b"s", b""))
        assert int(peer.status()["end"]) < 1_000_100
        os.kill(host.child, signal.SIGUSR1)
        assert [other.next()[0], other.next()[0]] == [b"o", b"s"]
        assert host.peer().said(b"heard").endswith(b"heard 1000001")


async def test_a_socket_that_was_removed_is_made_anew_when_asked_for(short: Path) -> None:
    async with hosted(short, "cat") as host:
        host.path.unlink()
        os.kill(host.pid, signal.SIGUSR1)
        await until(anyio.Path(host.path).exists)
        assert host.peer().ask(b"w", u8(0) + b"x")[0] == b"o"


async def test_its_sockets_folder_is_made_anew_with_it(short: Path) -> None:
    home = short / "sockets"
    home.mkdir(mode=0o700)
    async with hosted(short, "cat", sockets=home) as host:
        host.path.unlink()
        home.rmdir()
        os.kill(host.pid, signal.SIGUSR1)
        await until(anyio.Path(host.path).exists)
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert host.peer().ask(b"w", u8(0) + b"x")[0] == b"o"


async def test_where_no_socket_can_be_made_the_program_and_who_is_connected_stay(
    short: Path,
) -> None:
    home = short / "sockets"
    home.mkdir(mode=0o700)
    async with hosted(short, "cat", sockets=home) as host:
        peer = host.peer()
        host.path.unlink()
        home.rmdir()
        home.write_text("not a folder")
        os.kill(host.pid, signal.SIGUSR1)
        assert peer.ask(b"w", u8(0) + b"on it goes")[0] == b"o"
        await until(lambda: _has(host, b"on it goes"))
        home.unlink()
        os.kill(host.pid, signal.SIGUSR1)
        await until(anyio.Path(host.path).exists)
        assert host.peer().said(b"on it goes")


async def test_it_ends_its_program_when_it_is_told_to_end(short: Path) -> None:
    async with hosted(short, "cat") as host:
        os.kill(host.pid, signal.SIGTERM)
        assert await host.gone() == "host signal=15"


async def test_it_goes_with_its_program_though_its_folder_was_removed(short: Path) -> None:
    async with hosted(short, *python("import os; os.read(0, 1); print('x' * 9999)")) as host:
        for path in host.folder.iterdir():
            path.unlink()
        host.folder.rmdir()
        host.peer().ask(b"w", u8(ANYWHERE) + b"go")
        await until(host._is_gone)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("argv", "error"), [(("no-such-program",), NotInstalled), (("./plain",), CommandFailed)]
)
async def test_a_program_that_cannot_be_run_is_told_typed(
    short: Path, argv: tuple[str, ...], error: type[Exception]
) -> None:
    (short / "plain").write_text("not a program")
    (short / "plain").chmod(0o755)
    with pytest.raises(error):
        async with hosted(short, *argv):
            raise AssertionError("it runs")


async def _has(host: Hosted, text: bytes) -> bool:
    found = entries(str(host.folder), 0)
    return text in b"".join(data for kind, data, _ in found if kind == b"S")


async def _reaches(peer: Peer, end: int) -> bool:
    return int(peer.status()["end"]) >= end
