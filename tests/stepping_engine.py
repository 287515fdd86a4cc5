"""An engine whose acts are steps: `python -I stepping_engine.py CONTROL HOME`.

A step is a moment before or after the engine does something that outlasts it: a commit to its
store, a child it starts or has waited for, a request to tmux, to a session host or to the program
that waits for its orders, a change of a file, a connection. Whatever the engine does is noted
here by the seams all of it goes through, so that no step has to be listed by hand. Also a note to
people, and a signal to a process.

While CONTROL/armed exists each step is written to CONTROL/steps; at the one that is named in it,
as `<occurrence> <name>`, that file is taken away and the engine is gone as by `kill -9`: whoever
comes after it is started in the same way, and left alone.
"""

import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ao_core import launchpad, process
from ao_core.engine import notify, outlets
from ao_core.store.flat import FilesStore
from ao_core.store.sqlite import SqliteStore
from ao_mcp.engine_process import main
from ao_plugins.runtime._process import client
from ao_plugins.runtime._tmux import control

_WORD = re.compile(r"[a-z][a-z-]*")
_SPOKEN = re.compile(r"(?=.*[g-z])[a-z]{3,}")
_FILES = {
    "os.rename": "rename", "os.remove": "remove", "os.mkdir": "mkdir", "os.rmdir": "rmdir",
    "os.link": "link", "os.symlink": "link",
}  # fmt: skip
_SIGNALS = ("os.kill", "os.killpg")
_STARTS = ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty")
_BESIDE = ("scribe",)  # threads that write only what is rebuilt at the next start


class Fuse:
    """Counts steps of each name, and blows at one of them."""

    def __init__(self, control: Path) -> None:
        self._armed, self._steps = control / "armed", control / "steps"
        self._seen: Counter[str] = Counter()
        self._since = 0
        self._lock = threading.RLock()
        self._busy = threading.local()

    def step(self, name: str) -> None:
        if getattr(self._busy, "at", False) or threading.current_thread().name in _BESIDE:
            return
        self._busy.at = True
        try:
            with self._lock:
                self._note(name)
        finally:
            self._busy.at = False

    def _note(self, name: str) -> None:
        try:
            since, target = self._armed.stat().st_mtime_ns, self._armed.read_text()
        except FileNotFoundError:
            return
        if since != self._since:  # it is another act's
            self._seen, self._since = Counter(), since
        self._seen[name] += 1
        told = f"{self._seen[name]} {name}"
        with self._steps.open("a") as steps:
            steps.write(told + "\n")
        if told == target:
            self._armed.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, method: str, named: Callable[..., str]) -> None:
        """Steps before and after an asynchronous call."""
        plain: Callable[..., Awaitable[Any]] = getattr(owner, method)

        async def stepped(*args: Any, **more: Any) -> Any:
            name = named(*args, **more)
            self.step(f"before {name}")
            done = await plain(*args, **more)
            self.step(f"after {name}")
            return done

        setattr(owner, method, stepped)

    def heard(self, event: str, args: tuple[Any, ...]) -> None:
        """What Python itself tells of: children, files, connections and signals."""
        if event in _FILES and not isinstance(args[0], int):
            path = os.fsdecode(args[0])
            if event != "os.mkdir" or not os.path.lexists(path):
                self.step(f"before {_FILES[event]} {_place(path)}")
        elif event == "socket.connect":
            self.step(f"before connect {_peer(args[1])}")
        elif event in _SIGNALS and args[1]:
            self.step(f"before signal {args[1]}")
        elif event in _STARTS:
            self.step(f"before start {_child(args)}")


def _place(path: str) -> str:
    """A file's name, without what is different each time: a number, a token, what ends the name."""
    name = os.path.basename(path).lstrip(".")
    words = re.split(r"[^A-Za-z0-9]+", name.rpartition("-")[0] or name)
    return "-".join(word for word in words if _SPOKEN.fullmatch(word)) or "a file"


def _peer(address: Any) -> str:
    return "to people" if isinstance(address, tuple) else "to a socket"


def _child(args: tuple[Any, ...]) -> str:
    argv: Any = args[1] if len(args) > 1 else args[:1]
    return _command(argv if isinstance(argv, list | tuple) else (argv,))


def _command(argv: Any) -> str:
    if not argv:
        return "itself"
    words = [os.path.basename(str(argv[0])), *(str(word) for word in argv[1:])]
    plain = [word for word in words if _WORD.fullmatch(word)]
    return " ".join(plain[:3]) or words[0]


def _committed(store: Any, changes: Any, events: Any = (), **more: Any) -> str:
    told = [str(event.kind) for event in events]
    kept = sorted({change.kind.name for change in changes})
    return f"commit {' '.join(told) or '-'} / {' '.join(kept) or '-'}"


def _asked(tmux: Any, *commands: str) -> str:
    return f"tmux {' '.join(command.split(' ', 1)[0] for command in commands)}"


def _told(host: Any, kind: bytes, data: bytes = b"") -> str:
    return f"host {kind.decode()}"


def _handed(pad: Any) -> str:
    return "orders"


def _told_people(name: str, *args: Any) -> str:
    return f"note to {name}"


def _children(fuse: Fuse) -> None:
    """A child that has started, and one that has ended before anybody took note of it."""
    start, close, names = process._start, process._close, dict[int, str]()  # pyright: ignore[reportPrivateUsage]

    async def started(argv: Any, *args: Any, **more: Any) -> Any:
        child = await start(argv, *args, **more)
        names[child.pid] = _command(argv)
        fuse.step(f"after start {names[child.pid]}")
        return child

    async def ended(child: Any, *, kill: bool) -> None:
        fuse.step(f"after end {names.pop(child.pid, '')}")
        await close(child, kill=kill)

    process._start, process._close = started, ended  # pyright: ignore[reportPrivateUsage]


def wired(fuse: Fuse) -> None:
    """Put the fuse into everything that goes out."""
    for store in (SqliteStore, FilesStore):
        fuse.around(store, "commit", _committed)
    _children(fuse)
    fuse.around(control.Control, "ask", _asked)
    fuse.around(client.Connection, "exchange", _told)
    fuse.around(launchpad.Launchpad, "_hand_over", _handed)
    for teller in (notify, outlets):
        fuse.around(teller, "deliver", _told_people)
    sys.addaudithook(fuse.heard)


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    wired(Fuse(Path(sys.argv.pop(1))))
    sys.exit(main(sys.argv[1:]))
