"""A real client leads a team of two on a real repository; and an engine that is killed under it.

Both workers can be held at two places: while they are prepared, which is inside `spawn`,
and at work, while their lead can be inside `wait`.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from checker import check, rested
from clients.known import Client, path_of
from clients.leading import PROMPT
from clients.model import Model
from faces.terminal import AO
from models.server import serving
from snapshot import Snapshot
from team import Team, eventually, git

_HOLD = """\
# says that it is there, and waits until it may go on
touch "{gates}/$1.here"
while [ ! -e "{gates}/$1.go" ]; do sleep 0.05; done
"""
_CONFIG = """\
projects:
  sample:
    path: .
    agent: command
    post_create: [[sh, hold.sh, prepared]]
    allow_commands: [sh hold.sh]
    agentConfig:
      preset: worker
"""
_ASKING = """\
Which colour is wanted? Ask.

do: run sh hold.sh working
do: ask Which colour?
do: write colour.txt {answer}
do: commit Choose a colour
"""
_ALONE = """\
do: run sh hold.sh working
do: write shape.txt round
do: commit Choose a shape
"""
_LEAD = 180.0  # seconds a client may take for all of it
_REACHES = 1.5  # seconds a call takes at most from the model to the engine
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Gate:
    """A place where workers are held."""

    path: Path

    @property
    def reached(self) -> bool:
        return self.path.with_suffix(".here").exists()

    def open(self) -> None:
        self.path.with_suffix(".go").touch()


@dataclass(frozen=True, slots=True)
class Stage:
    """The team, and the home of whoever uses the client."""

    team: Team
    prepared: Gate
    working: Gate
    home: Path

    @classmethod
    def new(cls, folder: Path, confirm: str = "ask") -> "Stage":
        gates = folder / "gates"
        gates.mkdir(parents=True)
        prepared, working = Gate(gates / "prepared"), Gate(gates / "working")
        repository = Team.new_repository(folder / "sample", _CONFIG)
        (repository / "hold.sh").write_text(_HOLD.replace("{gates}", str(gates)))
        git(repository, "add", "-A")
        git(repository, "commit", "-q", "-m", "hold")
        (folder / "home").mkdir(mode=0o700)
        (folder / "home" / "config.yaml").write_text(f"confirm: {{merge: {confirm}}}\n")
        team = Team(folder / "home", repository, folder / "run").trusted()
        for title, body in (("A colour", _ASKING), ("A shape", _ALONE)):
            team.call("create_issue", title=title, body=body)
        home = folder / "person"
        home.mkdir()
        return cls(team, prepared, working, home)

    def open(self) -> None:
        """Hold nobody any more."""
        self.prepared.open()
        self.working.open()

    def environment(self, client: Client, clients: Path, url: str) -> dict[str, str]:
        """What the client starts with: nothing of this process but PATH."""
        path = path_of(clients, Path(sys.executable).parent)
        own = {"PATH": path, "HOME": str(self.home), "NO_COLOR": "1"}
        return {**self.team.env, **own, **client.prepare(self.home, url)}

    def register(self, client: Client, env: Mapping[str, str]) -> None:
        """As a person would."""
        done = subprocess.run(
            [*AO, "install", "--client", client.name], cwd=self.team.repository, env=env,
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def relays(self) -> set[int]:
        """The `ao-mcp` that run, by pid."""
        found: set[int] = set()
        for process in self.team.processes():
            with suppress(psutil.Error):
                line = process.cmdline()
                found |= {process.pid} if any(Path(one).name == "ao-mcp" for one in line) else set()
        return found


@dataclass
class Killer:
    """Ends the engine inside `spawn`, then inside `wait`; sees that the client keeps its tools."""

    stage: Stage
    model: Model
    kept: bool = False
    fault: BaseException | None = None

    def run(self) -> None:
        try:
            self._in_spawn()
            before = self.stage.relays()
            self._in_wait()
            eventually(lambda: self.model.waits_in("merge"), _PATIENCE)
            self.kept = before == self.stage.relays() != set()
        except BaseException as fault:
            self.fault = fault
        finally:
            self.stage.open()

    def _in_spawn(self) -> None:
        eventually(lambda: self.stage.prepared.reached, _PATIENCE)
        self._kill()
        self.stage.prepared.open()
        eventually(lambda: bool(self.model.errors("spawn")), _PATIENCE)

    def _in_wait(self) -> None:
        eventually(lambda: self.model.waits_in("wait"), _PATIENCE)
        time.sleep(_REACHES)  # nothing tells that a call has come as far as the engine
        self._kill()
        eventually(lambda: bool(self.model.errors("wait")), _PATIENCE)
        self.stage.working.open()

    def _kill(self) -> None:
        pid = self.stage.team.running_pid()
        assert pid, "no engine runs"
        self.stage.team.kill_engine(pid)


@dataclass(frozen=True, slots=True)
class Played:
    """What there was to see in the end."""

    model: Model
    output: str
    killer: Killer | None
    stage: Stage
    seen: Snapshot
    faults: Sequence[str]


class NotPlayed(Exception):
    """The client did not come as far as the lead's last words; says how it went."""


@contextmanager
def staged(folder: Path, confirm: str = "ask") -> Generator[Stage]:
    """A stage that is cleared away. `confirm` is the home's word on merges."""
    stage = Stage.new(folder, confirm)
    try:
        yield stage
    finally:
        stage.open()
        stage.team.end()
        shutil.rmtree(folder, ignore_errors=True)


def play(client: Client, clients: Path, stage: Stage, *, killed: bool = False) -> Played:
    """Have it lead, and look what came of it."""
    with serving(Model(client.naming)) as model:
        env = stage.environment(client, clients, model.url)
        stage.register(client, env)
        killer = Killer(stage, model) if killed else None
        with _beside(killer, stage):
            output = _led(client, stage, env)
    if not model.last:
        raise NotPlayed(_why(model, output, stage.team))
    return Played(model, output, killer, stage, rested(stage.team), check(stage.team))


@contextmanager
def _beside(killer: Killer | None, stage: Stage) -> Generator[None]:
    if killer is None:
        stage.open()
        yield
        return
    thread = threading.Thread(target=killer.run)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _led(client: Client, stage: Stage, env: Mapping[str, str]) -> str:
    """Run the client to its end; what it printed."""
    log = stage.home / "client.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*client.command, PROMPT], cwd=stage.team.repository, env=env,
            executable=shutil.which(client.command[0], path=env["PATH"]),
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(_LEAD)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    output = log.read_text(errors="replace")
    return output if code == 0 else f"{output}\n[it ended with {code}]"


def _why(model: Model, output: str, team: Team) -> str:
    last = model.heard[-1] if model.heard else None
    told = {
        "called": [call.tool for call in model.said], "last heard": last,
        "offered without ours": model.aside[-1:], "refused": model.refused,
        "the client": output[-3000:], "the engine": team.log()[-1500:],
    }  # fmt: skip
    return "\n".join(f"{what}: {text}" for what, text in told.items())
