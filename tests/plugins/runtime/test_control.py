"""The pipe to tmux: words arrive as they are, answers belong to their questions."""

import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ao_core.errors import BadRequest, TimedOut, Unavailable
from ao_core.pipe import Pipe
from ao_plugins.runtime._tmux.control import Control, TmuxRefused, command, quoted
from ao_plugins.runtime.tmux import Tmux

_WORDS = st.text(
    st.one_of(
        st.sampled_from("\\\"'$~#{};,%`!*?[]()<>|&= \t\n\r\x1b\x7f\x01aü漢🙂"),
        st.characters(codec="utf-8", exclude_characters="\0"),
    ),
    max_size=40,
)
_TWENTY = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def control(runtime: Tmux) -> Control:
    return runtime.control


async def server_pid(control: Control) -> int:
    (pid,) = await control.ask(command("display-message", "-p", "#{pid}"))
    return int(pid)


async def client_pid(control: Control) -> int:
    (pid,) = await control.ask(command("display-message", "-p", "#{client_pid}"))
    return int(pid)


@asynccontextmanager
async def stopped(pid: int) -> AsyncGenerator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@given(words=st.lists(_WORDS, min_size=1, max_size=12))
def test_a_command_is_one_line_whatever_it_holds(words: list[str]) -> None:
    line = command(*words)
    assert "\n" not in line
    assert line.isprintable() or any(not c.isprintable() and c > "\x7f" for c in line)


async def test_words_arrive_as_they_are(control: Control, tmp_path: Path) -> None:
    @given(word=_WORDS.filter(bool))
    @_TWENTY
    def sample(word: str) -> None:
        samples.append(word)

    samples: list[str] = []
    sample()
    kept = anyio.Path(tmp_path / "kept")
    for word in samples:
        save = command("save-buffer", "-b", "b", str(kept))
        await control.ask(command("set-buffer", "-b", "b", "--", word), save)
        assert await kept.read_bytes() == word.encode()


async def test_words_survive_being_quoted_within_quotes(control: Control, tmp_path: Path) -> None:
    word = "a;b \"c\" 'd' $HOME #{pid} \\ \n ~ } { % ü"
    kept = anyio.Path(tmp_path / "kept")
    inner = command("set-buffer", "-b", "b", "--", word)
    inner += " ; " + command("save-buffer", "-b", "b", str(kept))
    outer = command("if-shell", "-F", "1", inner)
    await control.ask(command("if-shell", "-F", "1", outer))
    assert await kept.read_bytes() == word.encode()


async def test_what_is_displayed_comes_back_unchanged(control: Control) -> None:
    word = "a \"b\" 'c' ; $HOME \\ {d} ~ ü漢🙂"
    assert await control.ask(command("display-message", "-p", word)) == (word,)


async def test_many_at_once_each_get_their_own_answer(control: Control) -> None:
    answers: dict[int, str] = {}

    async def ask(n: int) -> None:
        (answers[n],) = await control.ask(command("display-message", "-p", f"n{n}"))

    async with anyio.create_task_group() as group:
        for n in range(50):
            group.start_soon(ask, n)
    assert answers == {n: f"n{n}" for n in range(50)}


async def test_a_failure_is_told_and_ends_its_list_only(control: Control) -> None:
    with pytest.raises(TmuxRefused, match="can't find session: nope"):
        await control.ask(command("kill-session", "-t", "=nope"), command("set", "-g", "@x", "1"))
    with pytest.raises(TmuxRefused, match="unknown command"):
        await control.ask("no-such-command")
    assert await control.ask(command("display-message", "-p", "[#{@x}]")) == ("[]",)


async def test_a_screen_that_looks_like_framing_is_only_text(control: Control) -> None:
    now = int((await control.ask(command("display-message", "-p", "#{client_activity}")))[0])
    forged = "".join(
        f"%end {now + later} {number} 1\\n%begin {now + later} {number} 1\\nforged\\n"
        for later in range(3)
        for number in range(270, 320)
    )
    program = ("sh", "-c", 'printf %b "$0"; echo done; exec sleep 300', forged)
    await control.ask(command("new-session", "-d", "-s", "x", "-y", "500", "--", *program))
    text = ""
    with anyio.fail_after(20):
        while "done" not in text:
            text, end = await control.ask(
                command("capture-pane", "-p", "-t", "=x:"),
                command("display-message", "-p", "true end"),
            )
            assert end == "true end"
    assert text.count("forged") == 150


async def test_a_client_that_died_is_replaced(control: Control) -> None:
    before = await server_pid(control)
    os.kill(await client_pid(control), signal.SIGKILL)
    assert await _soon(control) == before


async def test_a_server_that_died_is_replaced(control: Control) -> None:
    before = await server_pid(control)
    os.kill(before, signal.SIGKILL)
    assert await _soon(control) != before
    assert not _runs(before)


async def test_a_session_that_keeps_us_may_be_ended(control: Control) -> None:
    before = await server_pid(control)
    with suppress(Unavailable):  # it may be told before it ends
        await control.ask(command("kill-session", "-t", "=_keeper"))
    assert await _soon(control) == before


async def test_a_question_that_is_given_up_does_not_spoil_the_next(control: Control) -> None:
    pid = await server_pid(control)
    async with stopped(pid):
        with anyio.move_on_after(0.05):
            await control.ask(command("display-message", "-p", "given up"))
    assert await control.ask(command("display-message", "-p", "next")) == ("next",)


async def test_silence_is_told_and_overcome(control: Control) -> None:
    pid = await server_pid(control)
    control.deadline = 0.2
    async with stopped(pid):
        with pytest.raises(TimedOut):
            await control.ask(command("display-message", "-p", "x"))
    control.deadline = 10.0
    assert await server_pid(control) == pid


async def test_output_of_agents_does_not_come_this_way(control: Control) -> None:
    await control.ask(command("new-session", "-d", "-s", "loud", "--", "yes", "loud"))
    screen = ""
    with anyio.fail_after(20):
        while "loud" not in screen:
            (screen,) = await control.ask(command("capture-pane", "-p", "-t", "=loud:"))
    (flags,) = await control.ask(command("display-message", "-p", "#{client_flags}"))
    assert "no-output" in flags
    assert "ignore-size" in flags


@pytest.mark.parametrize("word", ["nul \0"])
def test_what_tmux_cannot_be_given_is_refused(word: str) -> None:
    with pytest.raises(BadRequest):
        quoted(word)


async def _soon(control: Control) -> int:
    with anyio.fail_after(20):
        while True:
            try:
                return await server_pid(control)
            except Unavailable:
                continue  # the old client had not been seen off yet


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_a_client_that_is_just_being_started_is_let_go_too(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, started = anyio.Event(), list[Pipe]()
    start = Pipe.start

    async def slowly(self: Pipe, *given: Any, **more: Any) -> None:
        started.append(self)
        with anyio.CancelScope(shield=True):  # as it is in there
            await start(self, *given, **more)
            begun.set()
            await anyio.sleep(0.05)  # in which it is let go

    monkeypatch.setattr(Pipe, "start", slowly)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(control.ask, command("display-message", "-p", "x"))
        await begun.wait()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await control.aclose()
    assert [pipe.ended for pipe in started] == [True]
    assert not control.connected
