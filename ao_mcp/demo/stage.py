"""Where the demo plays: a folder that holds repository, home and sockets, and is removed again."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from anyio import to_thread

from ao_core import wire
from ao_core.errors import AoError
from ao_core.process import run
from ao_mcp import __version__, start
from ao_mcp.cli.ending import await_end, watched
from ao_mcp.demo import sample

_LONGEST = 30  # of the temporary folder's path: sockets need short ones
_CALL = 30.0
_PATIENCE = 5.0
_LOOK_AGAIN = 0.05  # the dead may stay in the list for long, where their parent is slow to look


class Unexpected(AoError):
    """Something did not come out as it should have."""

    code = "demo_failed"


@dataclass(frozen=True, slots=True)
class Stage:
    """One folder with everything in it. Nothing of the person's own is read or written."""

    folder: Path
    cast: sample.Cast = sample.USUAL

    @classmethod
    def new(cls, cast: sample.Cast = sample.USUAL) -> "Stage":
        """A folder of our own."""
        usual = tempfile.gettempdir()
        shared = usual if len(usual) <= _LONGEST else "/tmp"  # noqa: S108
        folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="ao-demo-", dir=shared)))
        (folder / "home").mkdir(mode=0o700)
        (folder / "home" / "config.yaml").write_text(cast.home, encoding="utf-8")
        return cls(folder, cast)

    @property
    def repository(self) -> Path:
        """The sample repository."""
        return self.folder / sample.NAME

    @property
    def home(self) -> Path:
        """The engine's home."""
        return self.folder / "home"

    @property
    def environment(self) -> Mapping[str, str]:
        """What client, engine and workers start with."""
        ours = os.path.dirname(sys.executable)
        return {
            "PATH": os.pathsep.join((ours, os.environ.get("PATH", os.defpath))),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "AO_HOME": str(self.home),
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
        }

    async def build(self) -> None:
        """The repository, with one commit."""
        settings = {"agent-orchestrator.yaml": self.cast.project}
        for name, text in {**sample.PROJECT, **settings}.items():
            path = self.repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        await self.git("init", "--quiet", "--initial-branch=main")
        await self.git("config", "user.name", "ao demo")
        await self.git("config", "user.email", "demo@ao.invalid")
        await self.git("add", "--all")
        await self.git("commit", "--quiet", "--message=A larder")

    async def git(self, *arguments: str) -> bytes:
        """One git command in the repository; what it printed."""
        return await self.run("git", *arguments)

    async def graph(self) -> str:
        """What the merges look like."""
        return (await self.git("log", "--oneline", "--graph", "main")).decode(errors="replace")

    async def run(self, *argv: str) -> bytes:
        """One command in the repository; what it printed."""
        done = await run(argv, cwd=self.repository, env=self.environment)
        return done.check(" ".join(argv[:2])).stdout

    # -- what a person does ------------------------------------------------------------------------

    async def trust(self) -> Sequence[str]:
        """Read what the configuration may run, and trust it: `ao trust --yes`."""
        return await to_thread.run_sync(self._trust)

    def _trust(self) -> Sequence[str]:
        with self._connect() as connection:
            shown = connection.call("trust", {}, _CALL)
            connection.call("trust", {"digest": shown["digest"]}, _CALL)
        return shown["lines"]

    def _connect(self) -> wire.Connection:
        environment = self.environment
        preamble = wire.Preamble(
            face=wire.OPERATIONS, role="person", version=__version__, cwd=str(self.repository),
            pid=os.getpid(), client="ao demo", env=wire.environment_snapshot(environment),
        )  # fmt: skip
        return start.open_connection(self.home, environment, preamble)

    # -- the end -----------------------------------------------------------------------------------

    def end(self) -> None:
        """Stop the team and see that no process is left; those that are, are ended and named."""
        try:
            if start.find_engine(self.home, self.environment):
                self._stop()
        finally:
            left = self._lasting()
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        if left:
            names = ", ".join(f"{one.pid} ({_named(one)})" for one in left)
            raise Unexpected(f"`stop` left processes behind, which were killed: {names}.")

    def _lasting(self) -> list[psutil.Process]:
        """Those that still run after a while."""
        until = time.monotonic() + _PATIENCE
        while (left := self.processes()) and time.monotonic() < until:
            psutil.wait_procs(left, timeout=_LOOK_AGAIN)
        return left

    def _stop(self) -> None:
        with self._connect() as connection:
            pid = connection.call("about", {}, _CALL)["pid"]
            with watched(pid) as engine:
                connection.call("stop", {}, _CALL)
                await_end(connection, engine)

    def processes(self) -> list[psutil.Process]:
        """Every process that was started from here: its home directory is our folder."""
        return [one for one in psutil.process_iter() if self._owns(one)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            lives = process.status() != psutil.STATUS_ZOMBIE
            return lives and process.environ().get("HOME") == str(self.folder)
        except psutil.Error:  # it ended meanwhile, or is another user's
            return False

    def complaints(self) -> Sequence[str]:
        """What the engine wrote down that was not well."""
        with suppress(OSError):
            lines = (self.home / "engine.log").read_text(errors="replace").splitlines()
            return [line for line in lines if " ERROR " in line or " WARNING " in line][-5:]
        return ()

    def remove(self) -> None:
        """Leave no file behind either."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _named(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "it has ended"
