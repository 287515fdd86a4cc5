"""The steps that touch the world: files inside the workspace, commits, and permitted commands."""

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TypeAlias, cast

from ao_plugins.agent._worker.script import ScriptError, Step

_DEADLINE = 60.0
_SHOWN = 2_000
_OTHERS = (".git", ".ao")
_IDENTITY = ("-c", "user.name=ao worker", "-c", "user.email=worker@ao.invalid")

Child: TypeAlias = "subprocess.Popen[bytes]"


class Hands:
    """Does the work of one turn. `stop` ends what is under way, for good."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace.resolve()
        self._child: Child | None = None
        self._stopped = False
        self._lock = Lock()

    def rested(self) -> "Hands":
        """Hands for another turn; what these still do cannot be mistaken for it."""
        return Hands(self._workspace)

    def write(self, step: Step) -> str:
        """Write or append to a file of the workspace; what is as it should be is left alone."""
        path = self._inside(step.argument)
        try:
            if step.verb == "write" and path.is_file() and path.read_bytes() == step.text.encode():
                return f"write {step.argument}"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a" if step.verb == "append" else "w", encoding="utf-8") as file:
                file.write(step.text)
        except OSError as exc:
            raise ScriptError(f"cannot {step.verb} {step.argument}: {exc.strerror}") from exc
        return f"{step.verb} {step.argument}"

    def commit(self, message: str) -> str:
        """Commit everything, with an identity of its own where there is none."""
        self._git("add", "--all")
        self._git("reset", "--quiet", "--", ".ao")
        if self._ran("git", "diff", "--cached", "--quiet")[0] == 0:
            return "nothing to commit"
        known = self._ran("git", "config", "user.email")[0] == 0
        identity = () if known else _IDENTITY
        session = os.environ.get("AO_SESSION_ID")
        trailer = [f"--trailer=AO-Session: {session}"] if session else []
        told = f"--message={message or 'work'}"
        self._git(*identity, "commit", "--quiet", told, *trailer)
        return f"commit {message}"

    def run(self, command: str) -> str:
        """Run one command, without a shell."""
        status, output = self._ran(*words(command))
        shown = output[-_SHOWN:].strip()
        return f"run {command}: status {status}" + (f"\n{shown}" if shown else "")

    def stop(self) -> None:
        """End the command that runs now, and start no other."""
        with self._lock:
            self._stopped = True
            if self._child is not None:
                _end(self._child)

    def _git(self, *args: str) -> None:
        status, output = self._ran("git", *args)
        if status != 0:
            raise ScriptError(f"git {args[0]} failed: {output.strip()[-_SHOWN:]}")

    def _ran(self, *argv: str) -> tuple[int, str]:
        with self._started(argv) as child:
            return self._finished(child, argv[0])

    def _started(self, argv: tuple[str, ...]) -> Child:
        if any("\0" in word for word in argv):
            raise ScriptError("a command cannot hold a zero byte")
        env = os.environ | {"LC_ALL": "C", "GIT_EDITOR": "true"}
        with self._lock:
            if self._stopped:
                raise ScriptError("interrupted")
            try:
                self._child = subprocess.Popen(
                    argv, cwd=self._workspace, env=env, process_group=0,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                )  # fmt: skip
            except OSError as exc:
                raise ScriptError(f"cannot run {argv[0]}: {exc.strerror}") from exc
            return self._child

    def _finished(self, child: Child, name: str) -> tuple[int, str]:
        try:
            output, _ = child.communicate(timeout=_DEADLINE)
        except subprocess.TimeoutExpired as exc:
            _end(child)
            raise ScriptError(f"{name} did not end within {_DEADLINE:g} s") from exc
        finally:
            with self._lock:
                self._child = None
        return child.returncode, output.decode(errors="replace")

    def _inside(self, name: str) -> Path:
        if not name or "\0" in name:
            raise ScriptError("no file was named")
        try:
            path = (self._workspace / name).resolve()
        except (OSError, RuntimeError) as exc:  # links that lead in a circle
            raise ScriptError(f"{name} leads nowhere") from exc
        if not path.is_relative_to(self._workspace) or path == self._workspace:
            raise ScriptError(f"{name} is outside the workspace")
        if path.relative_to(self._workspace).parts[0] in _OTHERS:
            raise ScriptError(f"{name} is not the project's")
        return path


def _end(child: Child) -> None:
    """With its own children. Git is asked, for else it leaves its lock behind."""
    polite = cast("list[str]", child.args)[0] == "git"
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM if polite else signal.SIGKILL)


def words(command: str) -> list[str]:
    """A command line as its words."""
    try:
        found = shlex.split(command)
    except ValueError as exc:
        raise ScriptError(f"cannot read the command: {exc}") from exc
    if not found:
        raise ScriptError("no command was given")
    return found
