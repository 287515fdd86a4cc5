"""The least that the same takes without ao: bare interpreters, plain git, plain tmux."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from select import select
from time import perf_counter

from bench.processes import Child, cpu, weight
from bench.size import seconds
from bench.stage import Stage
from team import git

_LOOP = (
    "import json, sys\n"
    "for line in sys.stdin:\n"
    "    asked = json.loads(line)\n"
    "    print(json.dumps({'jsonrpc': '2.0', 'id': asked['id'], 'result': {}}), flush=True)\n"
)
_REPEAT = "import json, sys\nsaid = json.loads(sys.argv[1])\n" + _LOOP.replace("{}}", "said}")
_MCP = "import mcp\nprint('ready', flush=True)\ninput()"
_SERVER = "from mcp.server import MCPServer\nMCPServer('bare').run('stdio')"
_SLEEPER = "import asyncio\nprint('ready', flush=True)\nasyncio.run(asyncio.sleep(1000))"


def interpreter(program: str, *arguments: str) -> tuple[str, ...]:
    """A bare Python with a program."""
    return (sys.executable, "-c", program, *arguments)


def json_loop(*said: str) -> tuple[str, ...]:
    """Answers each line of JSON with another, always the same."""
    return interpreter(_REPEAT, *said) if said else interpreter(_LOOP)


def mcp_server() -> tuple[str, ...]:
    """The SDK's own server over stdio, with nothing in it."""
    return interpreter(_SERVER)


def waiting_weight(stage: Stage) -> float:
    """What a bare interpreter weighs that waits for a line."""
    return _weight(stage, "print('ready', flush=True)\ninput()")


def mcp_weight(stage: Stage) -> float:
    """The same, with the SDK loaded."""
    return _weight(stage, _MCP)


def bare_start(stage: Stage) -> float:
    """Seconds to start a bare interpreter."""
    return _started(stage, "print('ready', flush=True)\ninput()")


def mcp_import(stage: Stage) -> float:
    """Seconds to import the SDK."""
    return _started(stage, _MCP)


def _started(stage: Stage, program: str) -> float:
    began = perf_counter()
    child = Child(interpreter(program), stage.team.env, stage.folder)
    child.hear()
    took = perf_counter() - began
    child.end()
    return took


def _weight(stage: Stage, program: str) -> float:
    child = Child(interpreter(program), stage.team.env, stage.folder)
    child.hear()
    heavy = weight(child.pid)
    child.end()
    return heavy


def death() -> float:
    """Seconds from the signal until the kernel tells of the death."""
    child = subprocess.Popen(["sleep", "1000"])
    told = os.pidfd_open(child.pid)
    began = perf_counter()
    child.kill()
    select([told], [], [])
    took = perf_counter() - began
    os.close(told)
    child.wait()
    return took


@contextmanager
def asleep(stage: Stage) -> Generator["Sleeper"]:
    """A bare event loop with nothing to do."""
    child = Child(interpreter(_SLEEPER), stage.team.env, stage.folder)
    child.hear()
    try:
        yield Sleeper(child.pid)
    finally:
        child.end()


class Sleeper:
    """Uses next to nothing."""

    def __init__(self, pid: int) -> None:
        self._pid, self._before = pid, cpu([pid])

    def used(self) -> float:
        """Seconds of processor time since it began to sleep."""
        return cpu([self._pid]) - self._before


class Plain:
    """`git worktree add` and `tmux new-session`, as one would type them."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._count = stage, 0
        self._socket = stage.folder / "tmux-plain"
        self._tmux("new-session", "-d", "-s", "keeper", "--", "sleep", "1000")

    def name(self) -> str:
        """A new one."""
        self._count += 1
        return f"plain{self._count}"

    def start(self, name: str) -> None:
        """A work tree on a branch of its own, and the stage's agent in it."""
        stage, tree = self._stage, self._stage.folder / name
        self._add(name, tree)
        beats = str(stage.beats.path)
        program = ("sh", str(stage.agent), beats, "-")
        self._tmux("new-session", "-d", "-s", name, "-c", str(tree), "--", *program)

    def send(self, name: str, text: str) -> float:
        """Seconds to paste, see the echo and press Enter."""
        return seconds(lambda: self._send(f"={name}:", text))

    def forget(self, name: str) -> None:
        """Take it all away."""
        self._tmux("kill-session", "-t", f"={name}")
        tree = str(self._stage.folder / name)
        git(self._stage.repository, "worktree", "remove", "--force", tree)

    def end(self) -> None:
        """The server goes."""
        self._tmux("kill-server")

    def _add(self, name: str, tree: Path) -> None:
        repository = self._stage.repository
        try:
            git(repository, "worktree", "add", "-q", "-b", name, str(tree), "main")
        except subprocess.CalledProcessError:  # it tripped over another one half made
            git(repository, "worktree", "add", "-q", "-f", "-B", name, str(tree), "main")

    def _send(self, target: str, text: str) -> None:
        paste = ("paste-buffer", "-p", "-d", "-b", "b", "-t", target)
        self._tmux("set-buffer", "-b", "b", "--", text, ";", *paste)
        while text not in self._tmux("capture-pane", "-p", "-t", target):
            pass
        self._tmux("send-keys", "-t", target, "Enter")

    def _tmux(self, *words: str) -> str:
        argv = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *words]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        return done.stdout
