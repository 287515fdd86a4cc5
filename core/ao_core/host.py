"""The session host: holds one program by its terminal or its pipes, and outlives who started it.

`host_main` starts it; it ends when the program has ended. Its folder holds the log's segments (see
host_log), and, each whole:

    meta    who they are: lines `name=value`     exit    `token status=N` or `token signal=N`
    mark    8 bytes offset, then the note        marks   what was typed last: pasted, submitted
    stderr  what a piped program complained of; `stderr.1` is what was before

Protocol, version 1, frozen. It is spoken over a socket of this user's, in frames like the log's
entries: a kind (1 byte), a length (4 bytes, big endian), and so much. Numbers are big endian; u8
has 8 bytes. The first frame is `v` with the version (u1). Each is answered, in order:

    a  attach     u8 offset: answered `A` u8 where it begins, u8 where the log ends now; from then
                  on the log's entries as they come and nothing else, but `G` u8 where a part was
                  dropped (it goes on there), and `x` once all was told
    w  write      u8 number, data: told to the program if nothing was told after that offset
    c  type       u8 end, u1 (0, or `p` pasted, `s` submitted), u1 length, a mark, data: told to
                  the program if the log still ends there (all ones: wherever it ends)
    h  hold       u2 milliseconds: the program is not listened to until then, or the next `c`
    z  resize     u2 columns, u2 rows
    k  signal     u1: sent to the program's group
    m  mark       u8 offset, note: what is before need not be kept
    s  status     answered `s` with lines `name=value`
    t  terminate  u4 milliseconds of grace

Answers: `o` done or `r` refused because something had moved, both with u8 where the last `T` entry
ends and u8 where the log ends; `f` the disk is full, nothing was done; `x` the program has ended,
with `status=N` or `signal=N`, or has let go of its terminal; `e` an error, in words. Half a frame
at the end was never sent. `w` and `c` wait while the program does not read what it was told. As
long as nobody has attached to a terminal, the host answers the few questions by which programs wait
for theirs: where its cursor is, and what it can do.
"""

import os
from select import POLLIN, POLLOUT, poll
from time import monotonic

from ao_core.host_files import drafted, settled, written
from ao_core.host_log import HEAD, SAID, SIZED, TOLD, Log, framed
from ao_core.host_program import Program, terminal_answer
from ao_core.host_socket import Client, listen

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Callable
    from typing import TypeAlias

    Handler: TypeAlias = Callable[[int], None]
else:  # what these are made of; see exec_stub
    import _signal as signal

VERSION = 1
NOTE_LIMIT = 1 << 20
ANYWHERE = (1 << 64) - 1

_BACKLOG = 1 << 18  # what the program has not read yet; until it has, no more is taken
_TELLING = (b"w", b"c")
_STDERR_LIMIT = 1 << 18
_CLIENTS = 64
_AGAIN = 0.2  # seconds after which a disk that was full is tried again
_HOLD_LIMIT = 1000
_LAST_WORDS = 256  # chunks still taken from a program that has ended, lest its children talk on
_GRACE = 3.0


class Refused(Exception):
    """A request that is answered by an error."""


class Host:
    """Everything between the program, its log and its clients, in one thread."""

    def __init__(
        self, folder: str, token: str, log: Log, program: Program, listener: "socket.socket",
        cap: int, *, terminal: bool,
    ) -> None:  # fmt: skip
        self._folder, self._token, self._log, self._cap = folder, token, log, cap
        self._program, self._listener, self._terminal = program, listener, terminal
        self._address = listener.getsockname()
        self._clients: list[Client] = []
        self._room = max(cap - log.segment, cap // 2)
        self._told = self._mark = self._spared = 0
        self._marks = {b"p": b"", b"s": b""}
        self._unlogged = b""
        self._again = self._held = 0.0
        self._kill_at: float | None = None
        self._wake = _alarm()

    def run(self) -> None:
        """Serve until the program has ended and all it said is kept."""
        while not self._is_over():
            watched = self._watched()
            poller = poll()
            for file, (events, _) in watched.items():
                poller.register(file, events)
            for file, events in poller.poll(self._patience()):
                watched[file][1](events)
            self._clients = [client for client in self._clients if not client.gone]
            for client in self._clients:
                client.go_on(self._answered)
            self._on_time()
        for client in self._clients:
            client.part(self._log, framed(b"x", self._program.exit.encode()))

    # what is waited for

    def _watched(self) -> "dict[int, tuple[int, Handler]]":
        program = self._program
        watched: dict[int, tuple[int, Handler]] = {
            self._wake: (POLLIN, self._woken),
            self._listener.fileno(): (POLLIN, self._accept),
        }
        if program.said >= 0 and self._listens():
            watched[program.said] = (POLLIN, self._exchange)
        if program.backlog:
            also = watched.get(program.given, (0, None))[0]
            watched[program.given] = (POLLOUT | also, self._exchange)
        if program.complained >= 0:
            watched[program.complained] = (POLLIN, self._complaint)
        for client in self._clients:
            watched[client.sock.fileno()] = (self._wanted(client), self._serving(client))
        return watched

    def _wanted(self, client: Client) -> int:
        if client.is_owed(self._log):
            return POLLOUT
        return POLLIN if not client.reads and not client.waits else 0

    def _serving(self, client: Client) -> "Handler":
        return lambda events: client.serve(events, self._log, self._answered)

    def _listens(self) -> bool:
        # what it said after the mark; for what it was told since, it need not wait
        unmarked = self._log.end - self._mark - self._spared
        room = self._terminal or unmarked < self._room
        return room and not self._unlogged and monotonic() >= self._held

    def _patience(self) -> "int | None":
        times = [self._again] if self._unlogged or self._program.exit else []
        times += [self._held] if self._held else []
        times += [self._kill_at] if self._kill_at is not None else []
        return max(0, int((min(times) - monotonic()) * 1000) + 1) if times else None

    def _on_time(self) -> None:
        now = monotonic()
        if self._unlogged and now >= self._again:
            self._keep()
        if now >= self._held:
            self._held = 0.0
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._program.kill(signal.SIGKILL)

    # the program

    def _woken(self, _: int) -> None:
        for number in os.read(self._wake, 64):
            if number == signal.SIGTERM:
                self._terminate(_GRACE)
            if number == signal.SIGUSR1 and not os.path.exists(self._address):
                self._listen_anew()
        self._program.reap()

    def _listen_anew(self) -> None:
        try:
            listener = listen(self._address)
        except OSError:  # the old one stays, and the program with it
            return
        self._listener.close()
        self._listener = listener

    def _exchange(self, events: int) -> None:
        if self._program.backlog and events & ~POLLIN:
            self._program.feed()
        if self._program.said >= 0 and self._listens():
            self._hear()

    def _hear(self) -> bool:
        """Take what the program says; whether it said anything."""
        data = self._program.hear()
        if data:
            self._unlogged = data
            self._keep()
            self._reply(data)
        elif data is not None:
            self._program.is_silent()
        return bool(data)

    def _keep(self) -> None:
        try:
            self._log.append(SAID, self._unlogged)
        except OSError:
            self._again = monotonic() + _AGAIN
            return
        self._unlogged = b""
        if self._terminal:
            self._log.shrink(self._cap)

    def _reply(self, data: bytes) -> None:
        watched = any(client.reads for client in self._clients)
        if self._terminal and not watched and (answer := terminal_answer(data)):
            try:
                self._tell(answer)
            except OSError:  # it does without
                return

    def _complaint(self, _: int) -> None:
        if not (data := self._program.complaint()):
            return
        path = f"{self._folder}/stderr"
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with open(file, "ab", 0) as stream:
                stream.write(data)
                if stream.tell() > _STDERR_LIMIT:
                    os.replace(path, f"{path}.1")
        except OSError:  # a full disk costs a complaint, never more
            return

    def _terminate(self, grace: float) -> None:
        self._program.kill(signal.SIGTERM)
        self._program.kill(signal.SIGCONT)
        self._kill_at = monotonic() + grace

    def _is_over(self) -> bool:
        if not self._program.exit or monotonic() < self._again:
            return False
        if not os.path.isdir(self._folder):  # nobody is left to be told
            return True
        self._again = monotonic() + _AGAIN
        return self._is_drained() and written(
            f"{self._folder}/exit", f"{self._token} {self._program.exit}".encode()
        )

    def _is_drained(self) -> bool:
        for _ in range(_LAST_WORDS):
            if self._unlogged:
                self._keep()
            if self._unlogged:
                return False
            if self._program.said < 0 or not self._hear():
                break
        for _ in range(_LAST_WORDS):
            if self._program.complained < 0 or not self._program.complains():
                break
            self._complaint(POLLIN)
        return True

    # the clients

    def _accept(self, _: int) -> None:
        if client := Client.accepted(self._listener):
            self._clients.append(client)
        if len(self._clients) > _CLIENTS:  # who was idle for longest makes room
            min(self._clients[:-1], key=lambda one: (one.reads, one.served)).close()

    def _answered(self, client: Client, kind: bytes, data: bytes) -> bytes | None:
        try:
            if not client.greeted:
                client.greeted = _is_greeting(kind, data)
                return framed(b"s", self._status())
            if kind == b"a":
                return self._attach(client, _number(data, 0, 8))
            return self._asked(kind, data)
        except Refused as exc:
            return framed(b"e", str(exc).encode())
        except OSError:
            return framed(b"f", b"")

    def _asked(self, kind: bytes, data: bytes) -> bytes | None:
        if kind == b"s":
            return framed(b"s", self._status())
        if kind == b"m":
            return self._marked(_number(data, 0, 8), data[8:])
        if self._program.exit:
            return framed(b"x", self._program.exit.encode())
        if kind in _TELLING and len(self._program.backlog) >= _BACKLOG:
            return None
        if kind == b"w":
            return self._write(_number(data, 0, 8), data[8:])
        if kind == b"c":
            return self._type(_number(data, 0, 8), data[8:9], data[10:], _number(data, 9, 1))
        return self._ordered(kind, data)

    def _ordered(self, kind: bytes, data: bytes) -> bytes:
        if kind == b"h":
            self._held = monotonic() + min(_number(data, 0, 2), _HOLD_LIMIT) / 1000
        elif kind == b"z":
            self._resize(_number(data, 0, 2), _number(data, 2, 2))
        elif kind == b"k":
            self._program.kill(_number(data, 0, 1))
        elif kind == b"t":
            self._terminate(_number(data, 0, 4) / 1000)
        else:
            raise Refused("unknown kind of frame")
        return self._said(b"o")

    def _attach(self, client: Client, offset: int) -> bytes:
        if offset > self._log.end:
            raise Refused("the log ends before that")
        client.reads, client.at = True, max(offset, self._log.start)
        return framed(b"A", client.at.to_bytes(8, "big") + self._log.end.to_bytes(8, "big"))

    def _write(self, number: int, data: bytes) -> bytes:
        if self._told > number:
            return self._said(b"r")
        return self._tell(data)

    def _type(self, end: int, which: bytes, rest: bytes, length: int) -> bytes:
        self._held = 0.0
        if end not in (ANYWHERE, self._log.end) or self._unlogged:
            return self._said(b"r")
        marks, path = self._marks | {which: rest[:length]}, f"{self._folder}/marks"
        if which in self._marks and not drafted(path, b"\n".join(marks.values())):
            return framed(b"f", b"")
        answer = self._tell(rest[length:])
        # no mark says of keys that they were typed before that is so; renaming takes no space
        if which in self._marks and answer[:1] == b"o" and settled(path):
            self._marks = marks
        return answer

    def _tell(self, data: bytes) -> bytes:
        if self._program.given < 0:
            return framed(b"x", b"")
        if data:
            if self._unlogged:  # what was said before comes first
                return framed(b"f", b"")
            self._log.append(TOLD, data)
            self._told = self._log.end
            self._spared += HEAD + len(data)
            self._program.backlog += data
        return self._said(b"o")

    def _resize(self, columns: int, rows: int) -> None:
        if not self._terminal or not columns or not rows:
            raise Refused("there is no terminal of that size")
        self._log.append(SIZED, columns.to_bytes(2, "big") + rows.to_bytes(2, "big"))
        self._program.resize(columns, rows)

    def _marked(self, offset: int, note: bytes) -> bytes:
        if len(note) > NOTE_LIMIT or offset > self._log.end:
            raise Refused("that cannot be marked")
        if offset < self._mark:
            return self._said(b"r")
        if not written(f"{self._folder}/mark", offset.to_bytes(8, "big") + note):
            return framed(b"f", b"")
        self._mark = offset
        if offset >= self._told:
            self._spared = 0
        self._log.drop(offset)
        return self._said(b"o")

    def _said(self, verdict: bytes) -> bytes:
        return framed(verdict, self._told.to_bytes(8, "big") + self._log.end.to_bytes(8, "big"))

    def _status(self) -> bytes:
        facts = {
            "version": VERSION, "token": self._token, "host": os.getpid(),
            "child": self._program.pid, "start": self._log.start, "end": self._log.end,
            "told": self._told, "mark": self._mark, "size": self._program.size(),
            "exit": self._program.exit, "full": int(bool(self._unlogged)),
            "waiting": int(not self._listens()),
            "readers": sum(client.reads for client in self._clients),
        }  # fmt: skip
        return "\n".join(f"{name}={value}" for name, value in facts.items()).encode()


def _alarm() -> int:
    """A descriptor that tells of the signals we live by."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, _noted)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    return wake


def _noted(*_: object) -> None:
    """The number is in the pipe."""


def _number(data: bytes, at: int, size: int) -> int:
    if len(data) < at + size:
        raise Refused("the frame is too short")
    return int.from_bytes(data[at : at + size], "big")


def _is_greeting(kind: bytes, data: bytes) -> bool:
    if (kind, data) != (b"v", bytes([VERSION])):
        raise Refused(f"this host speaks version {VERSION}, and is greeted first")
    return True
