"""The tmux runtime, on a real tmux with a socket of its own."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio
import psutil
import pytest

from ao_core import deaths as deaths_module
from ao_core.errors import BadRequest, ConfigError, NotInstalled, TimedOut, WrongState
from ao_core.model.session import RuntimeHandle, RuntimeReason, RuntimeState
from ao_core.plugin import Scope
from ao_core.process import run
from ao_core.slots.runtime import Start
from ao_core.testing.runtime import RECORD, RuntimeContract, heard, python, shown, until
from ao_core.testing.runtime_abilities import MeasurableContract, MourningContract, TypableContract
from ao_plugins.runtime._tmux.panes import Row, handle_of
from ao_plugins.runtime.tmux import Tmux, TmuxConfig

_NOBODY = 999_999_999  # no process has this number


class TestTmux(RuntimeContract, TypableContract, MourningContract, MeasurableContract):
    """tmux does what every runtime does."""

    async def test_a_look_at_fifty_costs_no_more_than_one(
        self, runtime: Tmux, start: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handles = [await runtime.create(start("sleep", "300", id=f"app-{n}")) for n in range(1, 51)]
        monkeypatch.setattr("ao_core.pipe.Pipe.start", _must_not_start)
        monkeypatch.setattr("anyio.open_process", _must_not_start)
        before = runtime.control.asked
        await runtime.look(handles[:1])
        for_one = runtime.control.asked - before
        seen = await runtime.look(handles)
        assert runtime.control.asked - before - for_one == for_one == 1
        assert {one.state for one in seen.values()} == {RuntimeState.ALIVE}
        assert len(seen) == 50

    async def test_deaths_are_noticed_without_process_descriptors(
        self, runtime: Tmux, start: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deaths_module, "_descriptor", _no_descriptor)
        await self.test_a_death_is_told_before_anybody_looks(runtime, start, monkeypatch)

    async def test_an_agent_whose_server_is_gone_is_missing(
        self, runtime: Tmux, start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start())
        os.kill(server_of(handle), signal.SIGKILL)
        await until(lambda: gone(server_of(handle)))
        seen = (await runtime.look([handle]))["app-1"]
        assert (seen.state, seen.detail) == (RuntimeState.MISSING, "its tmux server is gone")
        assert await runtime.create(start()) != handle

    async def test_an_old_handle_never_reaches_an_agent_on_a_new_server(
        self, runtime: Tmux, start: Callable[..., Start]
    ) -> None:
        old = await runtime.create(start())
        os.kill(server_of(old), signal.SIGKILL)
        await until(lambda: gone(server_of(old)))
        new = await runtime.create(start())
        assert new.get("pane") == old.get("pane")
        with pytest.raises(WrongState):
            await runtime.write(old, "x")
        await runtime.destroy(old)
        assert await runtime.alive(new)

    async def test_a_handle_from_before_a_boot_reaches_nobody_though_all_its_numbers_are_the_same(
        self, runtime: Tmux, start: Callable[..., Start]
    ) -> None:
        new = await runtime.create(start())
        old = RuntimeHandle(new.id, new.runtime, (*new.data, ("boot", "another")))
        seen = (await runtime.look([old]))["app-1"]
        assert (seen.state, seen.reason) == (RuntimeState.MISSING, RuntimeReason.REBOOTED)
        await runtime.destroy(old)
        assert await runtime.alive(new)

    async def test_a_server_without_agents_ends_with_the_engine_and_one_with_agents_stays(
        self, scope: Scope, start: Callable[..., Start]
    ) -> None:
        async with Tmux(TmuxConfig(), scope) as first:
            handle = await first.create(start())
        assert not await gone(server_of(handle))
        async with Tmux(TmuxConfig(), scope) as second:
            await second.destroy(handle)
        await until(lambda: gone(server_of(handle)))

    async def test_a_socket_that_was_removed_comes_back(
        self, runtime: Tmux, start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start())
        await anyio.Path((await runtime.attach_info(handle)).command[3]).unlink()
        async with Tmux(runtime.config, runtime.scope) as other:
            assert (await other.look([handle]))["app-1"].state is RuntimeState.ALIVE

    async def test_a_server_that_does_not_answer_is_not_a_death(
        self, runtime: Tmux, start: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handle = await runtime.create(start())
        monkeypatch.setattr(runtime.control, "deadline", 0.3)
        os.kill(server_of(handle), signal.SIGSTOP)
        try:
            seen = (await runtime.look([handle]))["app-1"]
            with pytest.raises(TimedOut):
                await runtime.write(handle, "late")
        finally:
            os.kill(server_of(handle), signal.SIGCONT)
        assert seen.state is RuntimeState.PROBE_FAILED
        monkeypatch.undo()
        assert (await runtime.look([handle]))["app-1"].state is RuntimeState.ALIVE

    async def test_a_person_who_scrolls_or_splits_does_not_divert_what_is_typed(
        self, runtime: Tmux, start: Callable[..., Start]
    ) -> None:
        order = start(*python(RECORD))
        handle = await runtime.create(order)
        await shown(runtime, handle, "listening")
        await ask(runtime, handle, "copy-mode", "-t", "=app-1:")
        await ask(runtime, handle, "split-window", "-t", "=app-1:", "sleep", "300")
        assert await runtime.paste(handle, "typed ", mark="m", refuse=[])
        await ask(runtime, handle, "copy-mode", "-t", handle.get("pane") or "")
        assert await runtime.press(handle, ["q"], expect=["listening"])
        assert await heard(order.workspace, 7) == b"typed q"
        os.kill(int(handle.get("pid") or 0), signal.SIGKILL)
        await ask(runtime, handle, "kill-pane", "-t", handle.get("pane") or "")
        assert await runtime.find("app-1") is None
        assert not await runtime.paste(handle, "x", mark="m", refuse=[])

    async def test_a_paste_is_bracketed_where_the_agent_asks_for_it(
        self, runtime: Tmux, start: Callable[..., Start]
    ) -> None:
        order = start(*python("print('\\x1b[?2004h', end='')\n" + RECORD))
        handle = await runtime.create(order)
        await shown(runtime, handle, "listening")
        await runtime.write(handle, "a\nb")
        assert await heard(order.workspace, 15) == b"\x1b[200~a\nb\x1b[201~"

    async def test_a_megabyte_arrives(self, runtime: Tmux, start: Callable[..., Start]) -> None:
        order = start(*python(RECORD))
        handle = await runtime.create(order)
        await shown(runtime, handle, "listening")
        text = "0123456789 ü\n" * 75_000
        await runtime.write(handle, text)
        assert await heard(order.workspace, len(text.encode())) == text.encode()
        assert await ask(runtime, handle, "list-buffers") == ""

    @pytest.mark.parametrize("text", ["nul \0", "lone \ud800"])
    async def test_what_no_terminal_can_be_given_is_refused(
        self, runtime: Tmux, start: Callable[..., Start], text: str
    ) -> None:
        with pytest.raises(BadRequest):
            await runtime.write(await runtime.create(start()), text)

    @pytest.mark.parametrize("text", ["", "  ", "two\nlines", "x" * 501, "\x1b[31m"])
    async def test_what_cannot_be_looked_for_is_refused(
        self, runtime: Tmux, start: Callable[..., Start], text: str
    ) -> None:
        handle = await runtime.create(start())
        with pytest.raises(BadRequest):
            await runtime.paste(handle, "x", mark="m", refuse=[text])

    async def test_neither_the_server_nor_its_panes_have_our_variables(
        self, runtime: Tmux, start: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AO_LEAK", "from the launcher")
        handle = await runtime.create(start())
        names = set(psutil.Process(server_of(handle)).environ())
        assert names <= {"HOME", "TMPDIR", "SHELL", "PATH", "USER", "PWD"}
        assert "AO_LEAK" not in await ask(runtime, handle, "show-environment", "-g")

    async def test_an_attached_person_does_not_change_the_size(
        self, runtime: Tmux, start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start())
        info = await runtime.attach_info(handle)
        person = ["script", "-qec", " ".join(info.command), os.devnull]
        env = {"PATH": os.environ["PATH"], "TERM": "xterm"}
        assert not await runtime.attended(handle)
        async with await anyio.open_process(person, env=env) as attached:
            await until(lambda: has_clients(runtime, handle))
            assert await runtime.attended(handle)
            shape = "#{pane_width}x#{pane_height}"
            size = await ask(runtime, handle, "list-panes", "-t", "=app-1:", "-F", shape)
            attached.kill()
        assert size.strip() == "200x50"


async def test_tmux_that_is_missing_is_told_with_its_remedy(tmp_path: Path) -> None:
    nowhere = {"PATH": str(tmp_path)}
    found = await Tmux.detect(TmuxConfig(), nowhere)
    assert not found.found
    assert "Install tmux" in (found.hint or "")
    async with Tmux(TmuxConfig(), Scope(state=tmp_path / "tmux", environment=nowhere)) as runtime:
        handle = handle_of("app-1", "%1", _NOBODY, _NOBODY)
        assert (await runtime.look([handle]))["app-1"].state is RuntimeState.PROBE_FAILED
        with pytest.raises(NotInstalled, match="tmux"):
            await runtime.find("app-1")


@pytest.mark.parametrize(
    ("said", "found"),
    [("tmux 3.3a", True), ("tmux next-3.6", True), ("tmux 3.1c", False), ("tmux master", False)],
)
async def test_tmux_that_is_too_old_is_told(tmp_path: Path, said: str, found: bool) -> None:
    program = tmp_path / "tmux"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    detected = await Tmux.detect(TmuxConfig(), {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert (detected.found, detected.detail) == (found, said)
    assert bool(detected.hint) is not found


async def test_a_socket_that_is_too_long_is_refused(tmp_path: Path) -> None:
    config = TmuxConfig(socket=tmp_path / ("x" * 120))
    with pytest.raises(ConfigError, match="too long"):
        async with Tmux(config, Scope(state=tmp_path, environment={"PATH": os.environ["PATH"]})):
            pass


async def test_a_handle_of_another_runtime_is_refused(runtime: Tmux) -> None:
    foreign = RuntimeHandle("app-1", "process", (("pid", "1"),))
    with pytest.raises(BadRequest):
        await runtime.look([foreign])
    with pytest.raises(BadRequest):
        await runtime.write(foreign, "x")


def server_of(handle: RuntimeHandle) -> int:
    return int(handle.get("server") or 0)


async def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def ask(runtime: Tmux, handle: RuntimeHandle, *words: str) -> str:
    command = (await runtime.attach_info(handle)).command[:4]
    return (await run([*command, *words])).check("asking tmux").text


async def has_clients(runtime: Tmux, handle: RuntimeHandle) -> bool:
    return "xterm" in await ask(runtime, handle, "list-clients", "-F", "#{client_termname}")


def _no_descriptor(pid: int) -> int | None:
    return None


async def _must_not_start(*_: object, **__: object) -> None:
    raise AssertionError("a process was started")


@pytest.mark.parametrize(("status", "lives"), [(None, True), (0, False)])
def test_the_number_of_one_that_has_ended_may_be_anothers(status: int | None, lives: bool) -> None:
    row = Row("$1", "app-1", "%1", os.getpid(), 1, status is not None, status, None, "")
    assert row.lives is lives


@pytest.mark.parametrize("begun", ["just begun", "settled"])
async def test_a_server_out_of_reach_that_holds_nobody_goes_with_the_runtime(
    runtime: Tmux, begun: str
) -> None:
    argv = runtime._argv  # pyright: ignore[reportPrivateUsage]
    keeper = [*argv, "-C", "new-session", "-s", "_keeper", "--", "true", "-"]
    with subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        keeper, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as client:

        def ours() -> list[psutil.Process]:
            every = psutil.process_iter(["cmdline"])
            return [one for one in every if (one.info["cmdline"] or [])[: len(argv)] == list(argv)]

        def holds(one: psutil.Process) -> bool:
            with suppress(psutil.NoSuchProcess):
                return any(child.status() != psutil.STATUS_ZOMBIE for child in one.children())
            return True

        async def up() -> bool:
            socket = runtime._socket  # pyright: ignore[reportPrivateUsage]
            there = len(ours()) == 2 and socket.exists()
            return there and (begun == "just begun" or not any(map(holds, ours())))

        async def gone() -> bool:
            return client.poll() is not None and not ours()

        await until(up)
        runtime._socket.unlink()  # pyright: ignore[reportPrivateUsage]
        await runtime.__aexit__(None, None, None)
        await until(gone)
