"""The private tmux server: where its socket is, how it is set up, how it is found again."""

import os
import re
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
import psutil

from ao_core.errors import BadRequest, ConfigError
from ao_core.files import write_atomic
from ao_core.platform import default_env
from ao_core.plugin import Detection
from ao_core.process import alive, run
from ao_core.slots.runtime import Command, Start
from ao_plugins.runtime._tmux.control import IDLE, command
from ao_plugins.runtime._tmux.panes import AGENT

OLDEST = (3, 2)  # the first whose control clients can be spared the agents' output
HINT = "Install tmux 3.2 or newer (apt-get or brew install tmux), or set `runtime: process`."
TERM = "screen-256color"  # known to every system's terminfo

_SOCKET_LIMIT = 100
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LOOK_AGAIN = 0.02
_REVIVAL = 1.0
_BEGINNING = 1.0

# Windows get `window-size manual` one by one: set for all, tmux 3.3a crashes on the first of them.
SETTINGS = f"""\
set -s exit-empty off
set -s escape-time 0
set -s default-terminal {TERM}
set -g default-size 200x50
set -g history-limit 5000
set -g status off
set -g update-environment ""
set -wg remain-on-exit on
set -wgq remain-on-exit-format ""
set -wg automatic-rename off
"""


def checked_id(text: str) -> str:
    """A name that may become a tmux session's."""
    if not _ID.fullmatch(text):
        shown = ascii(text[:60])
        raise BadRequest(f"{shown} cannot name an agent", hint="Use letters, digits, `_` and `-`.")
    return text


def find_tmux(environment: Mapping[str, str]) -> str | None:
    """Where tmux is."""
    return shutil.which("tmux", path=environment.get("PATH", os.defpath))


async def detect(environment: Mapping[str, str]) -> Detection:
    """Whether a tmux is there that is new enough."""
    program = find_tmux(environment)
    if program is None:
        return Detection(found=False, detail="tmux is not on PATH", hint=HINT)
    said = (await run([program, "-V"], env=default_env(environment))).text.strip()
    number = version(said)
    found = number is not None and number >= OLDEST
    return Detection(found, said, None if found else HINT)


def version(text: str) -> tuple[int, int] | None:
    """The numbers in what `tmux -V` says: `tmux 3.3a`, `tmux next-3.6`."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def checked_socket(path: Path) -> Path:
    """The server's socket; refused where some system could not open it."""
    if len(os.fsencode(path)) > _SOCKET_LIMIT:
        raise ConfigError(f"{path} is too long for a socket", hint="Configure a shorter `socket`.")
    return path


def settled_socket(usual: Path, state: Path) -> Path:
    """Where the server listens: where it did for the last engine, as long as it does.

    That one may have been started by a client with another `XDG_RUNTIME_DIR`, or with none.
    """
    note = state / "socket"
    known = Path(note.read_text()) if os.path.exists(note) else usual
    if known != usual and _listens(known):
        return known
    if known != usual or not os.path.exists(note):
        write_atomic(note, str(usual))
    return usual


def write_settings(folder: Path) -> Path:
    """Write the server's own configuration; nobody's `.tmux.conf` is read."""
    path = folder / "tmux.conf"
    if not os.path.exists(path) or path.read_text() != SETTINGS:
        write_atomic(path, SETTINGS)
    return path


def new_session(name: str, start: Start, argv: Sequence[str]) -> tuple[str, ...]:
    """The commands that start a pane whose own program is `argv`, and say which it is."""
    size = ("-x", str(start.columns), "-y", str(start.rows))
    folder = str(start.workspace).replace("#", "##")
    printed = "#{pane_id} #{pane_pid} #{pid}"
    new = ("new-session", "-d", "-s", name, *size, "-c", folder, "-P", "-F", printed)
    target = f"={name}:"
    return (
        command(*new, "--", *argv),
        command("set-option", "-p", "-t", target, AGENT, name),
        command("set-option", "-w", "-t", target, "window-size", "manual"),
    )


def in_terminal(command: Command) -> Command:
    """The command with the name of the terminal it is going to run in."""
    return Command(command.argv, {**command.env, "TERM": TERM})


async def revive_socket(path: Path, server: int, started: float | None) -> None:
    """Have a server that runs make its socket anew, should somebody have removed it."""
    if path_exists(path) or not alive(server, started):
        return
    with suppress(ProcessLookupError):
        os.kill(server, signal.SIGUSR1)
    with anyio.move_on_after(_REVIVAL):
        while not path_exists(path):  # noqa: ASYNC110
            await anyio.sleep(_LOOK_AGAIN)


def nudge(server: int) -> None:
    """Have a server look which of its children have ended.

    Where tmux keeps utmp records, the helper that it runs for them hides deaths of that moment.
    """
    with suppress(ProcessLookupError):
        os.kill(server, signal.SIGCHLD)


async def end_strays(argv: Sequence[str]) -> None:
    """End servers of ours that cannot be reached and hold nobody, and clients of theirs.

    An engine that was killed while tmux came up may have left such a pair. `argv` is how each of
    our servers and clients was started; one that holds an agent has it as a child.
    """
    for process in await anyio.to_thread.run_sync(_ours, argv):
        with suppress(psutil.Error):
            if not await _holds_somebody(process, argv):
                process.terminate()


def _ours(argv: Sequence[str]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found += [process] if _are_ours(_words(process), argv) else []
    return found


async def _holds_somebody(server: psutil.Process, argv: Sequence[str]) -> bool:
    """Whether it has an agent, once it is clear what it is just starting.

    What it began with may run yet, and where nobody nudges a server, that stays there as a zombie.
    """
    with anyio.move_on_after(_BEGINNING):
        while living := await anyio.to_thread.run_sync(_children, server):
            if not all(_begins(words, argv) for words in living):
                return True
            await anyio.sleep(_LOOK_AGAIN)
        return False
    return True


def _children(server: psutil.Process) -> list[tuple[str, ...]]:
    return [words for child in server.children() if (words := _words(child))]


def _begins(words: Sequence[str], argv: Sequence[str]) -> bool:
    """Whether this is what our first session runs, or belongs to how tmux starts anything."""
    return words == IDLE or _are_ours(words, argv) or Path(words[0]).name == "utempter"


def _are_ours(words: Sequence[str], argv: Sequence[str]) -> bool:
    return tuple(words[: len(argv)]) == tuple(argv)


def _words(process: psutil.Process) -> tuple[str, ...]:
    """What a process was started with; nothing if it is over."""
    try:
        return tuple(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie is one, too
        return ()


def tidy(path: Path) -> None:
    """Remove a socket nobody listens on any more, and its folder."""
    if path_exists(path) and _listens(path):
        return
    with suppress(OSError):  # somebody else's things may be in there, too
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def path_exists(path: Path) -> bool:
    """Whether something is there; too quick to be worth a thread."""
    return os.path.exists(path)
