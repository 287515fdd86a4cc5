"""Finds the engine of a home, and starts it where there is none. Standard library only.

The engine is started apart from its client: in a session of its own, with a minimal environment,
so that neither the client's end nor its secrets reach it.
"""

import json
import os
import re
import select
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from ao_core import platform, wire
from ao_core.errors import (
    AoError,
    ConfigError,
    EngineRunning,
    EngineUnreachable,
    StoreUnavailable,
)

START_DEADLINE = 30.0
READY = b'{"ready":true}\n'
ENGINE = ("-I", "-m", "ao_mcp.engine_process")

_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin"
_PASSED_ON = re.compile(
    r"HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_RUNTIME_DIR"
    r"|USERPROFILE|USERNAME|SYSTEMROOT|TEMP"
    r"|AO_(?!.*(TOKEN|SECRET|KEY|PASSWORD|SESSION|SPOOL|SOCKET|ISSUE|PROJECT|CONFIG))[A-Z_]+"
)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.2


def home(environment: Mapping[str, str]) -> Path:
    """The folder everything is kept in: `AO_HOME`, or a hidden one in the user's own."""
    chosen = environment.get("AO_HOME") or "~/.agent-orchestrator"
    own = environment.get("HOME")
    if own and (chosen == "~" or chosen.startswith("~/")):
        chosen = own + chosen[1:]
    return Path(os.path.abspath(os.path.expanduser(chosen)))


def socket_path(home: Path, environment: Mapping[str, str]) -> Path:
    """Where the engine of a home listens."""
    return platform.runtime_dir(home, environment) / "engine.sock"


def ensure_engine(
    home: Path, environment: Mapping[str, str], deadline: float = START_DEADLINE
) -> Path:
    """The socket of a running engine; starts one if need be."""
    until = time.monotonic() + deadline
    if found := find_engine(home, environment):
        return found
    with suppress(EngineRunning):  # another client was faster: its engine is about to listen
        start_engine(home, environment, until)
    return _await_engine(home, environment, until)


def open_connection(
    home: Path,
    environment: Mapping[str, str],
    preamble: wire.Preamble,
    deadline: float = START_DEADLINE,
    starting: Callable[[], None] = lambda: None,
) -> wire.Connection:
    """Connect to the engine of a home, starting it if need be; says so, as it takes a while."""
    until = time.monotonic() + deadline
    for path in _places(home, environment):
        try:
            return wire.connect(path, preamble, deadline)
        except EngineUnreachable:
            continue
    starting()
    path = ensure_engine(home, environment, max(0.1, until - time.monotonic()))
    return wire.connect(path, preamble, max(1.0, until - time.monotonic()))


def join_engine(
    home: Path, environment: Mapping[str, str], preamble: wire.Preamble, deadline: float
) -> wire.Connection:
    """Connect to the engine that runs, or to the next one; a worker is not who starts it."""
    until = time.monotonic() + deadline
    pause = _FIRST_PAUSE
    named = environment.get("AO_SOCKET", "")
    while True:
        for path in [*([Path(named)] if named else []), *_places(home, environment)]:
            with suppress(EngineUnreachable):
                return wire.connect(path, preamble, deadline)
        if time.monotonic() + pause > until:
            hint = "Whoever leads starts it; call again then."
            raise EngineUnreachable("The engine does not run.", hint=hint)
        select.select([], [], [], pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def find_engine(home: Path, environment: Mapping[str, str]) -> Path | None:
    """The socket of a running engine, if one listens."""
    return next(filter(_listens, _places(home, environment)), None)


def start_engine(
    home: Path, environment: Mapping[str, str], until: float, lock: int | None = None
) -> None:
    """Start an engine and wait until it is ready; raises what it says against it.

    Whoever holds the home's lock hands it over, so that no other engine comes in between.
    """
    import subprocess

    platform.make_private(home)
    handed = [] if lock is None else [f"--lock={lock}"]
    with _log(home) as log:
        engine = subprocess.Popen(
            [sys.executable, *ENGINE, "--detach", *handed, str(home)],
            pass_fds=() if lock is None else (lock,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env=engine_environment(environment),
            **platform.detach_flags(),
        )
    out = cast("IO[bytes]", engine.stdout)
    try:
        _hear(out, until, home)
    finally:
        out.close()
        engine.wait()  # the engine has left this process at once, or failed


def engine_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The little an engine starts with: nothing a client has to hide."""
    passed = {name: text for name, text in environment.items() if _PASSED_ON.fullmatch(name)}
    return {"PATH": _PATH, **passed}


def _places(home: Path, environment: Mapping[str, str]) -> list[Path]:
    """Where to look: by our own environment, and by what the engine says of itself."""
    places = [socket_path(home, environment)]
    try:
        announced = json.loads((home / "running.json").read_text())["socket"]
    except (OSError, ValueError, KeyError, TypeError):
        return places
    if isinstance(announced, str) and Path(announced) not in places:
        places.append(Path(announced))
    return places


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _await_engine(home: Path, environment: Mapping[str, str], until: float) -> Path:
    pause = _FIRST_PAUSE
    while (found := find_engine(home, environment)) is None:
        if time.monotonic() + pause > until:
            raise _unreachable(home, "does not answer")
        select.select([], [], [], pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return found


def _log(home: Path) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.fdopen(os.open(home / "engine.log", flags, 0o600), "ab")
    except OSError as exc:
        if remedy := platform.disk_remedy(exc):
            raise StoreUnavailable(f"The home {home} is full: {exc.strerror}", hint=remedy) from exc
        hint = "Make it writable, or set AO_HOME to a folder that is."
        raise ConfigError(f"The home {home} cannot be written: {exc.strerror}", hint=hint) from exc


def _hear(out: IO[bytes], until: float, home: Path) -> None:
    """Read the engine's one line."""
    said = bytearray()
    while not said.endswith(b"\n"):
        left = until - time.monotonic()
        if left <= 0 or not select.select([out], [], [], left)[0]:
            raise _unreachable(home, "did not start in time")
        chunk = os.read(out.fileno(), 65536)
        if not chunk:
            raise _unreachable(home, "ended while it started")
        said += chunk
    if bytes(said) != READY:
        raise _refused(bytes(said), home)


def _refused(said: bytes, home: Path) -> AoError:
    try:
        return wire.error_from_wire(wire.decode(said)["error"])
    except (AoError, KeyError):
        return _unreachable(home, "said something else than that it is ready")


def _unreachable(home: Path, what: str) -> EngineUnreachable:
    hint = f"See the end of {home / 'engine.log'}, or run `ao doctor`."
    return EngineUnreachable(f"The engine {what}.", hint=hint)
