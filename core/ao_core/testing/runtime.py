"""What every runtime must do. Inherit `RuntimeContract`, and give a fixture `runtime` (opened).

`runtime_abilities` has the suites for runtimes that type, mourn or measure.
"""

import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from ao_core.errors import BadRequest, CommandFailed, NotInstalled, TimedOut, WrongState
from ao_core.model.session import RuntimeHandle, RuntimeState
from ao_core.slots.runtime import Command, Runtime, Seen, Start, Where

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
NASTY = "ü \"quoted\" 'single' $HOME `id` #{pid} \\n %d ~ ; {x} \x1b[31m\ttab\nline 漢字 🙂"

# What a terminal may add: its own name.
_OF_THE_TERMINAL = {"TERM"}

_DUMP = """
import json, os, sys
with open("dump.new", "w") as file:
    json.dump({"env": dict(os.environ), "cwd": os.getcwd(), "args": sys.argv[1:]}, file)
os.rename("dump.new", "dump")
sys.stdin.read()
"""
RECORD = """
import os, sys, tty
if os.isatty(0):
    tty.setraw(0)
with open("heard", "ab", 0) as file:
    print("listening", flush=True)
    while data := os.read(0, 65536):
        file.write(data)
"""
IDLE = "print('idle', flush=True); import signal; signal.pause()"


def python(code: str, *args: str) -> tuple[str, ...]:
    """A command line that runs some Python."""
    return (sys.executable, "-I", "-S", "-c", code, *args)


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Wait for something to become true."""
    with anyio.fail_after(seconds):
        while not await check():  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def shown(runtime: Runtime[Any], handle: RuntimeHandle, text: str) -> None:
    """Wait for the agent to say something."""

    async def there() -> bool:
        return text in await runtime.output(handle)

    await until(there)


async def ended(runtime: Runtime[Any], handle: RuntimeHandle) -> Seen:
    """Wait for the agent to end; how it did."""

    async def over() -> bool:
        return (await runtime.look([handle]))[handle.id].state is RuntimeState.EXITED

    await until(over)
    return (await runtime.look([handle]))[handle.id]


async def heard(workspace: Path, size: int) -> bytes:
    """Wait for the recorder to have heard so much; what it heard."""
    path = anyio.Path(workspace / "heard")

    async def all_of_it() -> bool:
        return await path.exists() and (await path.stat()).st_size >= size

    await until(all_of_it)
    return await path.read_bytes()


@asynccontextmanager
async def restarted(runtime: Runtime[Any]) -> AsyncGenerator[Runtime[Any]]:
    """The same runtime as another engine would have it."""
    async with type(runtime)(runtime.config, runtime.scope) as other:
        yield other


class RuntimeContract:
    """The behaviour of all runtimes."""

    @pytest.fixture
    def start(self, tmp_path: Path) -> Callable[..., Start]:
        workspace = tmp_path / "a workspace"
        workspace.mkdir()

        def make(
            *argv: str, id: str = "app-1", env: Mapping[str, str] = ENV, at: Path = workspace
        ) -> Start:
            return Start(id, at, Command(argv or python(IDLE), env))

        return make

    async def test_the_agent_gets_its_whole_environment_and_nothing_else(
        self, runtime: Runtime[Any], start: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AO_LEAK", "from the launcher")
        given = ENV | {"NASTY": NASTY, "EMPTY": ""}
        order = start(*python(_DUMP, NASTY, ""), env=given)
        await runtime.create(order)
        dump = json.loads(await _appeared(order.workspace / "dump"))
        own = {name: v for name, v in dump["env"].items() if name not in _OF_THE_TERMINAL}
        assert own == given
        assert dump["args"] == [NASTY, ""]
        assert dump["cwd"] == str(order.workspace)

    async def test_no_value_is_in_a_command_line_or_a_file(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        secret = "never-to-be-seen-8d1f"  # noqa: S105
        order = start(*python(_DUMP), env=ENV | {"TOKEN": secret})
        await runtime.create(order)
        assert secret in await _appeared(order.workspace / "dump")
        lines = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
        assert [line for line in lines if secret in line] == []
        sockets = runtime.scope.environment.get("XDG_RUNTIME_DIR", runtime.scope.state)
        folders = [runtime.scope.state, Path(sockets)]
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        assert [path for path in files if secret.encode() in path.read_bytes()] == []

    async def test_a_program_that_is_missing_is_told_at_once_and_leaves_nothing(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        with pytest.raises(NotInstalled, match="no-such-agent") as caught:
            await runtime.create(start("no-such-agent", "--flag"))
        assert caught.value.hint
        assert await runtime.find("app-1") is None

    async def test_a_file_that_is_no_program_is_told(
        self, runtime: Runtime[Any], start: Callable[..., Start], tmp_path: Path
    ) -> None:
        (tmp_path / "text").write_text("not a program")
        with pytest.raises(NotInstalled):
            await runtime.create(start(str(tmp_path / "text"), "x"))
        (tmp_path / "text").chmod(0o755)
        with pytest.raises(CommandFailed):  # and no shell has a go at it
            await runtime.create(start(str(tmp_path / "text"), "x"))
        assert await runtime.find("app-1") is None

    async def test_a_workspace_that_is_missing_is_told_and_leaves_nothing(
        self, runtime: Runtime[Any], start: Callable[..., Start], tmp_path: Path
    ) -> None:
        with pytest.raises(CommandFailed):
            await runtime.create(start(at=tmp_path / "nowhere"))
        assert await runtime.find("app-1") is None

    @pytest.mark.parametrize(
        "id", ["", "../up", "a b", "a:b", "a.b", "-x", "_x", "$(id)", "x" * 99]
    )
    async def test_an_id_that_could_be_read_as_anything_else_is_refused(
        self, runtime: Runtime[Any], start: Callable[..., Start], id: str
    ) -> None:
        with pytest.raises(BadRequest):
            await runtime.create(start(id=id))

    async def test_an_id_that_runs_is_not_started_again(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start())
        assert await runtime.create(start()) == handle
        assert await runtime.find("app-1") == handle

    async def test_an_id_that_has_ended_can_be_started_again(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        old = await runtime.create(start(*python("pass")))
        await ended(runtime, old)
        new = await runtime.create(start())
        assert await runtime.alive(new)
        assert (await runtime.look([old]))[old.id].state is RuntimeState.MISSING

    async def test_nothing_is_found_where_nothing_was_made(self, runtime: Runtime[Any]) -> None:
        assert await runtime.find("app-1") is None
        assert await runtime.look([]) == {}

    async def test_how_it_ended_is_told(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        seven = await runtime.create(start(*python("raise SystemExit(7)"), id="app-7"))
        nine = await runtime.create(
            start(*python("import os; os.kill(os.getpid(), 9)"), id="app-9")
        )
        by_status, by_signal = await ended(runtime, seven), await ended(runtime, nine)
        assert (by_status.exit_status, by_status.exit_signal) == (7, None)
        assert (by_signal.exit_status, by_signal.exit_signal) == (None, 9)

    async def test_one_look_tells_apart_the_living_the_dead_and_the_gone(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        alive = await runtime.create(start(id="app-1"))
        dead = await runtime.create(start(*python("pass"), id="app-2"))
        gone = await runtime.create(start(id="app-3"))
        await runtime.destroy(gone)
        await ended(runtime, dead)
        seen = await runtime.look([alive, dead, gone])
        assert {id: one.state for id, one in seen.items()} == {
            "app-1": RuntimeState.ALIVE,
            "app-2": RuntimeState.EXITED,
            "app-3": RuntimeState.MISSING,
        }
        assert seen["app-1"].pid

    async def test_output_that_moves_is_noticed_and_output_that_rests_is_not(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        # a screen that is overdrawn in place: neither its extent nor the cursor changes
        code = "import sys; print('a\\r', end='', flush=True); sys.stdin.readline()\n"
        code += "print('\\x1b[Hb\\r', end='', flush=True); sys.stdin.read()"
        order = start(*python(code))
        handle = await runtime.create(order)

        async def look() -> str:
            return (await runtime.look([handle]))["app-1"].output

        async def rests() -> bool:
            return await look() == await look()

        await shown(runtime, handle, "a")
        before = await look()
        await runtime.write(handle, "\n")
        await shown(runtime, handle, "b")
        assert await look() != before
        await until(rests)

    async def test_the_last_lines_come_whole_and_in_order(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        code = "for n in range(300): print(n, 'é漢🙂' * 60)\nprint('end', flush=True)\n" + IDLE
        handle = await runtime.create(start(*python(code)))
        await shown(runtime, handle, "idle")
        lines = (await runtime.output(handle, 100)).splitlines()
        assert lines[-2:] == ["end", "idle"]
        assert lines[:-2] == [f"{n} {'é漢🙂' * 60}" for n in range(202, 300)]
        assert (await runtime.output(handle, 1)) == "idle"

    async def test_the_output_of_the_dead_can_still_be_read(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start(*python("print('last words')")))
        await ended(runtime, handle)
        assert (await runtime.output(handle)).splitlines() == ["last words"]

    @pytest.mark.parametrize("text", [NASTY, NASTY * 1400, "x" * 20_000, "-n", "\n\n", "\x7f\x01"])
    async def test_what_is_written_arrives_unchanged(
        self, runtime: Runtime[Any], start: Callable[..., Start], text: str
    ) -> None:
        order = start(*python(RECORD))
        handle = await runtime.create(order)
        await shown(runtime, handle, "listening")
        await runtime.write(handle, text)
        assert await heard(order.workspace, len(text.encode())) == text.encode()

    async def test_the_dead_are_not_written_to_and_no_shell_is(
        self, runtime: Runtime[Any], start: Callable[..., Start], tmp_path: Path
    ) -> None:
        handle = await runtime.create(start(*python("pass")))
        await ended(runtime, handle)
        with pytest.raises(WrongState):
            await runtime.write(handle, f"touch '{tmp_path}/pwned'\n")
        await runtime.destroy(handle)
        with pytest.raises(WrongState):
            await runtime.write(handle, f"touch '{tmp_path}/pwned'\n")
        assert not (tmp_path / "pwned").exists()

    async def test_a_side_command_runs_in_the_workspace(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        order = start()
        where = Where(order.workspace, await runtime.create(order))
        code = "import os, sys; print(os.getcwd(), os.environ['X'], sys.stdin.read()); sys.exit(3)"
        done = await runtime.exec(where, python(code), ENV | {"X": NASTY}, 20, stdin=b"in")
        assert (done.status, done.text) == (3, f"{order.workspace} {NASTY} in\n")
        with pytest.raises(TimedOut):
            await runtime.exec(where, python(IDLE), ENV, 0.2)

    async def test_a_person_is_told_how_to_attach(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        info = await runtime.attach_info(await runtime.create(start()))
        assert info.command
        assert "app-1" in info.target

    async def test_destroying_ends_the_agent_and_its_children_and_twice_is_harmless(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        code = (
            "import os, subprocess, sys\n"
            "apart = {'start_new_session': True}\n"
            "made = [subprocess.Popen(['sleep', '300'], **more) for more in ({}, apart)]\n"
            "print('made', *[one.pid for one in made], 'end', flush=True)\n" + IDLE
        )
        handle = await runtime.create(start(*python(code)))
        await shown(runtime, handle, "end")
        words = (await runtime.output(handle)).split()
        children = [int(word) for word in words[1 : words.index("end")]]
        assert all(psutil.pid_exists(pid) for pid in children)
        await runtime.destroy(handle)
        assert not await runtime.alive(handle)
        assert await runtime.find("app-1") is None
        assert [pid for pid in children if _runs(pid)] == []
        await runtime.destroy(handle)

    async def test_destroying_the_dead_ends_what_they_left_behind(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        code = "import signal, subprocess; signal.signal(1, signal.SIG_IGN)\n"
        code += "print('left', subprocess.Popen(['sleep', '300']).pid, flush=True)"
        handle = await runtime.create(start(*python(code)))
        await ended(runtime, handle)
        orphan = int((await runtime.output(handle)).split()[1])
        assert _runs(orphan)
        await runtime.destroy(handle)
        assert not _runs(orphan)

    async def test_another_engine_finds_what_this_one_started(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        order = start(*python(RECORD))
        handle = await runtime.create(order)
        await shown(runtime, handle, "listening")
        async with restarted(runtime) as other:
            assert await other.find("app-1") == handle
            assert await other.create(order) == handle
            await other.write(handle, "hello")
            assert await heard(order.workspace, 5) == b"hello"
        assert await runtime.alive(handle)

    async def test_ten_start_at_once(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        handles: list[RuntimeHandle] = []

        async def make(n: int) -> None:
            handles.append(await runtime.create(start(id=f"app-{n}")))

        async with anyio.create_task_group() as group:
            for n in range(10):
                group.start_soon(make, n)
        seen = await runtime.look(handles)
        assert [one.state for one in seen.values()] == [RuntimeState.ALIVE] * 10


async def _appeared(path: Path) -> str:
    found = anyio.Path(path)
    await until(found.exists)
    return await found.read_text()


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
