"""One home, one repository and a client of the engine, for tests of the whole path."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ao_core import wire
from ao_core.errors import AoError
from ao_core.files import read_json_lines_tail
from ao_core.platform import process_exists, runtime_dir
from ao_core.store.kind import StoreKind
from ao_core.store.records import SETTLED
from ao_mcp.start import find_engine, open_connection
from ao_plugins.runtime._process.places import Place

CONFIG = """\
projects:
  sample:
    path: .
    agent: command
    agentConfig:
      preset: worker
"""
_QUIRKS = "      args: [--fold, --deaf-enter, --redraw, --dialog-mid-send]\n"
_RAISED = "make everything"  # what the dialog in the middle of a message asks for
_PATIENCE = 30.0
_SOON = 0.5  # until it is looked again: not all that becomes so is told in the journal
_SAID = 10_000_000  # bytes of a worker's log, more than any test has


@dataclass(frozen=True, slots=True)
class Kind:
    """What a team is made of: its agents' drive, manners and terminals' holder, and its store."""

    drive: str = "terminal"
    store: StoreKind = "sqlite"
    awkward: bool = False
    runtime: str = "tmux"  # of agents in terminals; any other is held by a host of its own

    def __str__(self) -> str:
        held = "" if self.runtime == PLAIN.runtime else f"-{self.runtime}"
        return f"{self.drive}{held}-{self.store}" + ("-awkward" if self.awkward else "")

    def project(self, config: str = CONFIG) -> str:
        """The project's configuration, which ends with the settings of its agent."""
        for name in ("drive", "runtime"):
            if (chosen := getattr(self, name)) != getattr(PLAIN, name):
                config = config.replace("    agent:", f"    {name}: {chosen}\n    agent:")
        return config + (_QUIRKS if self.awkward else "")

    @property
    def in_tmux(self) -> bool:
        """Whether its agents are in panes."""
        return (self.drive, self.runtime) == (PLAIN.drive, PLAIN.runtime)

    @property
    def home(self) -> str:
        """The home's own configuration."""
        return "" if self.store == PLAIN.store else f"store: {self.store}\n"

    def worded(self, text: str) -> str:
        """A message, long enough to be folded by an agent that folds."""
        return text + "".join(f"\nand {count} more" for count in range(9)) * self.awkward


PLAIN = Kind()
AWKWARD = Kind(awkward=True)
PROTOCOL = Kind(drive="protocol")
FILES = Kind(store="files")
PROTOCOL_FILES = Kind(drive="protocol", store="files")
PTY = Kind(runtime="process")

# Path tests run for each of these, in turns (see conftest.py); everything else runs for the plain
# kind only.
KINDS = (PLAIN, AWKWARD, PROTOCOL, FILES, PROTOCOL_FILES)
HELD = (*KINDS, PTY)  # for tests of what depends on who holds the agents


def git(folder: Path, *args: str) -> str:
    """One git command."""
    done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Team:
    """Calls operations as a person at a terminal would; the engine starts on demand."""

    def __init__(self, home: Path, repository: Path, runtime: Path, kind: Kind = PLAIN) -> None:
        self.home, self.repository, self.kind = home, repository, kind
        runtime.mkdir(mode=0o700, exist_ok=True)
        if kind.home:
            home.mkdir(mode=0o700, exist_ok=True)
            (home / "config.yaml").write_text(kind.home)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home.parent),
            "AO_HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
        }

    @staticmethod
    def new_repository(path: Path, config: str = CONFIG) -> Path:
        """A repository with one commit."""
        path.mkdir(parents=True)
        git(path, "init", "-q", "-b", "main")
        git(path, "config", "user.name", "A Person")
        git(path, "config", "user.email", "person@example.invalid")
        (path / "README.md").write_text("# sample\n")
        (path / "agent-orchestrator.yaml").write_text(config)
        git(path, "add", "-A")
        git(path, "commit", "-q", "-m", "start")
        return path

    def trusted(self) -> "Team":
        """A person reads the configuration and trusts it."""
        shown = self.call("trust")
        self.call("trust", digest=shown["digest"])
        return self

    # -- calls -----------------------------------------------------------------------------------

    def connect(
        self, env: Mapping[str, str] | None = None, cwd: Path | None = None, **more: Any
    ) -> wire.Connection:
        """A connection of one's own."""
        client = {**self.env, **(env or {})}
        preamble = wire.Preamble(
            face=wire.OPERATIONS, role=more.pop("role", "person"), cwd=str(cwd or self.repository),
            pid=os.getpid(), env=wire.environment_snapshot(client), **more,
        )  # fmt: skip
        return open_connection(self.home, self.env, preamble)

    def call(self, method: str, /, **params: Any) -> dict[str, Any]:
        """One call over a connection of its own."""
        with self.connect() as connection:
            return connection.call(method, params, _PATIENCE)

    def sure(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Repeat the call for as long as the engine says that it may be repeated."""
        end = time.monotonic() + 2 * _PATIENCE
        while True:
            try:
                return self.call(method, **params)
            except AoError as error:
                if not error.retryable or time.monotonic() > end:
                    raise

    def journal(self) -> list[str]:
        """Every line of the journal."""
        lines: list[str] = []
        while page := self.sure("events", after=len(lines), limit=1_000)["lines"]:
            lines += page
        return lines

    def spawn(self, *script: str, **params: Any) -> str:
        """A worker on a script; returns its session."""
        prompt = "\n".join(["Do this:", *script])
        return self.call("spawn", prompt=prompt, **params)["session"]

    def tell(self, session: str, message: str, **params: Any) -> dict[str, Any]:
        """Send a message; returns its last receipt."""
        text = self.kind.worded(message)
        return self.settled(session, self.sure("send", session=session, message=text, **params))

    def reply(self, session: str, text: str, **params: Any) -> dict[str, Any]:
        """Answer a worker's question; returns the last receipt."""
        said = self.kind.worded(text)
        return self.settled(session, self.sure("answer", session=session, text=said, **params))

    def settled(self, session: str, receipt: dict[str, Any]) -> dict[str, Any]:
        """The last receipt of a message. A dialog that opens in the middle of it is answered."""
        while receipt["state"] not in SETTLED:
            shown = self.until_so(session, lambda shown: _raised(shown) or _is_settled(shown))
            for one in _raised(shown):
                self.deny(session, one["request"])
            receipt = shown["messages"][-1]
        return receipt

    def deny(self, session: str, request: str) -> dict[str, Any]:
        """Answer no to a permission request."""
        asked = {"session": session, "request": request, "decision": "deny"}
        return self.sure("answer", key=f"deny-{request}", **asked)

    def until(self, session: str, status: str, patience: float = _PATIENCE) -> dict[str, Any]:
        """Wait, on the journal, until a session has a status."""
        return self.until_so(session, lambda shown: shown["status"] == status, patience)

    def until_so(
        self, session: str, so: Callable[[dict[str, Any]], object], patience: float = _PATIENCE
    ) -> dict[str, Any]:
        """Wait, on the journal, until what is shown of a session is so."""
        end, cursor = time.monotonic() + patience, 0
        while True:
            shown = self.sure("show", session=session)
            if so(shown):
                return shown
            if time.monotonic() > end:
                raise AssertionError(f"{session} never became so: {shown}\n{self.log()}")
            news = self.sure("wait", sessions=[session], until="any", cursor=cursor, seconds=_SOON)
            cursor = news["cursor"]

    def heard(self, session: str) -> list[str]:
        """What a worker was told, its task first, by its own log."""
        return heard(Path(self.sure("show", session=session)["path"]))

    def log(self) -> str:
        """What the engine wrote down."""
        file = self.home / "engine.log"
        return file.read_text()[-8000:] if file.exists() else ""

    def nudge(self, session: str) -> None:
        """Have the engine look at it now, as for a hook, and not only when its timer says so."""
        (spool,) = self.home.glob(f"*/spool/{session}")
        arriving = spool / ".look.tmp"
        arriving.touch()
        arriving.rename(arriving.with_name(".look")).unlink()

    # -- the processes behind it ------------------------------------------------------------------

    @property
    def engine_pid(self) -> int:
        """The engine's process."""
        return int(self.call("about")["pid"])

    def running_pid(self) -> int | None:
        """The engine's process as the home tells it, if that one runs."""
        try:
            pid = int(json.loads((self.home / "running.json").read_text())["pid"])
            return pid if str(self.home) in psutil.Process(pid).cmdline() else None
        except (OSError, ValueError, psutil.Error):
            return None

    def kill_engine(self, pid: int | None = None) -> None:
        """End it without any warning."""
        try:
            process = psutil.Process(pid or self.engine_pid)
            process.kill()
        except psutil.NoSuchProcess:
            return
        eventually(lambda: not process_exists(process.pid))

    def processes(self) -> list[psutil.Process]:
        """Every process that knows this home."""
        return processes_of(self.home.parent)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the engine and tmux keep their sockets."""
        tmux = self.home / "plugins" / "runtime-tmux"
        places = [runtime_dir(at, env) for at in (self.home, tmux) for env in (self.env, {})]
        return tuple(dict.fromkeys(place for place in places if place.exists()))

    def tmux(self, *args: str) -> str:
        """Ask the home's tmux server, as a person could."""
        socket = next(place / "tmux" for place in self.folders if (place / "tmux").exists())
        argv = ["tmux", "-S", str(socket), *args]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        return done.stdout

    def agent(self, session: str) -> psutil.Process:
        """The process of a session's agent."""
        if self.kind.in_tmux:
            return psutil.Process(int(self.pane(session, "#{pane_pid}")))
        held = self.place(session).held()
        assert held, f"no host says that it holds {session}"
        return psutil.Process(held.child)

    def place(self, session: str) -> Place:
        """Where a session's host keeps what it has of it."""
        return Place(self.home / "plugins" / "runtime-process" / session)

    def screen(self, session: str) -> str:
        """All that a session's terminal shows, and has shown; or all that was said."""
        if not self.kind.in_tmux:
            return self.call("read", session=session, max_chars=100_000)["text"]
        return self.tmux("capture-pane", "-p", "-S", "-", "-t", f"={session}:")

    def pane(self, session: str, format: str) -> str:
        """What tmux says of a session's pane."""
        return self.tmux("display-message", "-p", "-t", f"={session}:", format).strip()

    def end(self) -> None:
        """Stop everything; raises if something is left."""
        if find_engine(self.home, self.env) or self.processes():  # one killed leaves its terminals
            self.call("stop")
        left = lasting(self.processes(), 10)
        shown = [process.cmdline() for process in left]
        for process in left:
            process.kill()
        for folder in self.folders:
            shutil.rmtree(folder)
        assert not shown, f"left behind: {shown}"


def heard(workspace: Path) -> list[str]:
    """What the worker in there was told; of half a line, which a full disk may leave, nothing."""
    lines = read_json_lines_tail(workspace / ".ao" / "worker.jsonl", _SAID)
    return [str(line["text"]) for line in lines if line.get("role") == "user"]


def _raised(shown: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in shown["permissions_pending"] if one["arguments"] == _RAISED]


def _is_settled(shown: dict[str, Any]) -> bool:
    return all(one["state"] in SETTLED for one in shown["messages"])


def lasting(processes: Sequence[psutil.Process], patience: float) -> list[psutil.Process]:
    """Those that still run after a while. One that ended is no longer waited for by anybody here,
    and stays a zombie until the machine's first process gets round to it.
    """
    end, left = time.monotonic() + patience, list(processes)
    while (left := [one for one in left if _runs(one)]) and time.monotonic() < end:
        time.sleep(0.01)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process but this one that runs in a folder, or has it on its command line."""
    found: list[psutil.Process] = []
    inside = re.compile(rf"{re.escape(str(folder))}(?![\w.-])")  # `pytest-2` is not `pytest-21`
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), process.cwd(), process.environ().get("AO_HOME", "")]
        except psutil.Error:
            continue
        if inside.search(" ".join(told)) and process.pid != os.getpid():
            found.append(process)
    return found


def eventually(true: Callable[[], bool], patience: float = _PATIENCE) -> None:
    """Look until it is so. For what nothing tells of."""
    end = time.monotonic() + patience
    while not true():
        if time.monotonic() > end:
            raise AssertionError("it never became so")
        time.sleep(0.01)
