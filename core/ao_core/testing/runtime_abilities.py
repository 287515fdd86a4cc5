"""What runtimes must do that type, mourn or measure.

Inherit what applies, beside `RuntimeContract`. The
fixture `runtime` is the inheritor's, `start` is `RuntimeContract`'s.
"""

import os
import signal
from collections.abc import Callable
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from ao_core.errors import WrongState
from ao_core.model.session import RuntimeHandle, RuntimeState
from ao_core.slots.runtime import Forgetting, Marks, Measurable, Mourning, Runtime, Start, Typable
from ao_core.testing.runtime import (
    NASTY,
    RECORD,
    ended,
    heard,
    python,
    restarted,
    shown,
    until,
)

_RACES = 20
_GLOBS = (
    *("*", "?", "[a]", "\\", ",", "}", "{", "#", "##", "#{x}", "#[x]", "#,#}", "a*[?\\,}#b"),
    *("%H", "$HOME", "~", ";", "'", '"', "ü漢"),
)


def says(text: str) -> tuple[str, ...]:
    """A program that shows a text, and waits."""
    return python("import sys; print(sys.argv[1], flush=True); import signal; signal.pause()", text)


class TypableContract:
    """Screen and keyboard: each step is taken only where it is safe."""

    @pytest.fixture
    def keyboard(self, runtime: Runtime[Any]) -> Typable:
        assert isinstance(runtime, Typable)
        return runtime

    async def test_the_screen_is_shown(
        self, runtime: Runtime[Any], keyboard: Typable, start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start(*says("grüße 漢字\n  below")))
        await shown(runtime, handle, "below")
        assert await keyboard.screen(handle) == "grüße 漢字\n  below"

    @pytest.mark.parametrize("text", _GLOBS)
    async def test_texts_are_looked_for_as_they_are(
        self, runtime: Runtime[Any], keyboard: Typable, start: Callable[..., Start], text: str
    ) -> None:
        handle = await runtime.create(start(*says(f"begin {text} end")))
        await shown(runtime, handle, "end")
        assert await keyboard.shows(handle, [f"begin {text} end"])
        assert await keyboard.shows(handle, ["absent", text])
        assert not await keyboard.shows(handle, [f"begin {text}{text} end"])
        assert not await keyboard.shows(handle, [f"begi{text}n"])
        assert not await keyboard.shows(handle, [])

    async def test_a_paste_waits_for_no_dialog_and_leaves_its_mark(
        self, runtime: Runtime[Any], keyboard: Typable, start: Callable[..., Start]
    ) -> None:
        order = start(*python("print('Proceed? [y/n]', flush=True)\n" + RECORD))
        handle = await runtime.create(order)
        await shown(runtime, handle, "listening")
        refused = await keyboard.paste(handle, "no", mark="m1", refuse=["Other?", "Proceed? [y/n]"])
        assert (refused, await keyboard.marks(handle)) == (False, Marks())
        assert await keyboard.paste(handle, "yes", mark="m2", refuse=["Proceed? [yn]"])
        assert await heard(order.workspace, 3) == b"yes"
        assert await keyboard.marks(handle) == Marks("m2", None)

    async def test_a_large_paste_arrives_unchanged(
        self, runtime: Runtime[Any], keyboard: Typable, start: Callable[..., Start]
    ) -> None:
        text = NASTY * 1400
        order = start(*python(RECORD))
        handle = await runtime.create(order)
        await shown(runtime, handle, "listening")
        assert await keyboard.paste(handle, text, mark="m", refuse=[])
        assert await heard(order.workspace, len(text.encode())) == text.encode()

    async def test_keys_are_pressed_only_where_the_screen_is_as_expected(
        self, runtime: Runtime[Any], keyboard: Typable, start: Callable[..., Start]
    ) -> None:
        order = start(*python("print('draft', flush=True)\n" + RECORD))
        handle = await runtime.create(order)
        await shown(runtime, handle, "listening")
        enter = ["a", "Enter"]
        held = [
            await keyboard.submit(handle, enter, mark="s1", expect=["absent"], refuse=[]),
            await keyboard.submit(handle, enter, mark="s2", expect=["draft"], refuse=["listening"]),
            await keyboard.press(handle, enter, expect=["absent"]),
        ]
        assert (held, await keyboard.marks(handle)) == ([False] * 3, Marks())
        assert await keyboard.submit(
            handle, enter, mark="s3", expect=["no", "draft"], refuse=["dialog"]
        )
        assert await keyboard.press(handle, ["C-u"], expect=["draft"])
        assert await keyboard.press(handle, ["-x"], expect=[])
        assert await heard(order.workspace, 5) == b"a\r\x15-x"
        assert await keyboard.marks(handle) == Marks(None, "s3")

    async def test_marks_outlive_the_engine_and_the_agent(
        self, runtime: Runtime[Any], keyboard: Typable, start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start(*python(RECORD)))
        await shown(runtime, handle, "listening")
        await keyboard.paste(handle, "x", mark="m-'1\" #{pid} ü", refuse=[])
        await keyboard.submit(handle, [], mark="s-1", expect=["listening"], refuse=[])
        os.kill(_pid(await runtime.look([handle])), signal.SIGKILL)
        await ended(runtime, handle)
        async with restarted(runtime) as other:
            marks = await cast("Typable", other).marks(handle)
        assert marks == Marks("m-'1\" #{pid} ü", "s-1")

    async def test_nothing_is_typed_to_the_dead_or_the_gone(
        self, runtime: Runtime[Any], keyboard: Typable, start: Callable[..., Start]
    ) -> None:
        handle = await runtime.create(start(*python("print('said')")))
        await ended(runtime, handle)
        for _ in ("dead", "gone"):
            assert not await keyboard.paste(handle, "id\n", mark="m", refuse=[])
            assert not await keyboard.submit(
                handle, ["Enter"], mark="s", expect=["said"], refuse=[]
            )
            assert not await keyboard.press(handle, ["Enter"], expect=[])
            await runtime.destroy(handle)
        with pytest.raises(WrongState):
            await keyboard.screen(handle)

    async def test_a_handle_never_reaches_another_agent_of_the_same_name(
        self, runtime: Runtime[Any], keyboard: Typable, start: Callable[..., Start]
    ) -> None:
        old = await runtime.create(start())
        await runtime.destroy(old)
        order = start(*python(RECORD))
        new = await runtime.create(order)
        await shown(runtime, new, "listening")
        assert not await keyboard.paste(old, "for the old", mark="m", refuse=[])
        await runtime.destroy(old)
        assert await keyboard.paste(new, "for the new", mark="m", refuse=[])
        assert await heard(order.workspace, 11) == b"for the new"

    async def test_deaths_while_pasting_harm_nobody_else(
        self, runtime: Runtime[Any], keyboard: Typable, start: Callable[..., Start]
    ) -> None:
        bystander = await runtime.create(start(id="by-1"))
        for n in range(1, _RACES + 1):
            handle = await runtime.create(start(id=f"app-{n}"))
            pid = _pid(await runtime.look([handle]))
            async with anyio.create_task_group() as group:
                group.start_soon(_paste_until_refused, keyboard, handle)
                await anyio.lowlevel.checkpoint()
                os.kill(pid, signal.SIGKILL)
            assert await runtime.alive(bystander)


class MourningContract:
    """Deaths are told of at once, and once."""

    async def test_a_death_is_told_before_anybody_looks(
        self, runtime: Runtime[Any], start: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handle = await runtime.create(start())
        pid = _pid(await runtime.look([handle]))
        with monkeypatch.context() as patch:
            patch.setattr(runtime, "look", _must_not)
            os.kill(pid, signal.SIGKILL)
            assert await _next_death(runtime) == handle
        seen = (await runtime.look([handle]))[handle.id]
        assert (seen.state, seen.exit_signal) == (RuntimeState.EXITED, signal.SIGKILL)

    async def test_each_death_is_told_once(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        assert isinstance(runtime, Mourning)
        for n in (1, 2):
            handle = await runtime.create(start(*python("pass"), id=f"app-{n}"))
            await ended(runtime, handle)
            await runtime.watch(handle)
            assert (await _next_death(runtime)).id == f"app-{n}"

    async def test_another_engine_watches_on(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        alive = await runtime.create(start(id="app-1"))
        dead = await runtime.create(start(*python("pass"), id="app-2"))
        await ended(runtime, dead)
        pid = _pid(await runtime.look([alive]))
        async with restarted(runtime) as other:
            assert isinstance(other, Mourning)
            await other.watch(dead)
            assert await _next_death(other) == dead
            await other.watch(alive)
            os.kill(pid, signal.SIGKILL)
            assert await _next_death(other) == alive


class MeasurableContract:
    """What agents use is known."""

    async def test_what_an_agent_and_its_children_use_is_known(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        code = "held = b'x' * 30_000_000; print('busy', flush=True)\nwhile True: pass"
        parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
        handle = await runtime.create(start(*python(parent)))
        await shown(runtime, handle, "busy")

        measured = cast("Measurable", runtime)

        async def used() -> bool:
            found = await measured.metrics(handle)
            return bool(found and (found.memory or 0) > 30_000_000 and found.cpu_percent)

        await until(used)
        await runtime.destroy(handle)
        assert await measured.metrics(handle) is None


class ForgettingContract:
    """Of agents that ended nothing has to be kept."""

    async def test_one_that_runs_is_left_and_one_that_has_ended_is_forgotten(
        self, runtime: Runtime[Any], start: Callable[..., Start]
    ) -> None:
        forgetting = cast("Forgetting", runtime)
        left = await runtime.create(start(*says("stays"), id="app-2"))
        await forgetting.forget("app-2")
        assert await runtime.alive(left)
        assert await runtime.find("app-2") == left
        handle = await runtime.create(start(*python("print('over')")))
        await ended(runtime, handle)
        await forgetting.forget("app-1")
        assert await runtime.find("app-1") is None
        await forgetting.forget("app-1")
        again = await runtime.create(start(*says("again")))
        await shown(runtime, again, "again")
        await runtime.destroy(again)
        await runtime.destroy(left)


async def _next_death(runtime: object) -> RuntimeHandle:
    assert isinstance(runtime, Mourning)
    with anyio.fail_after(20):
        async for handle in runtime.deaths():
            return handle
    raise AssertionError("no more deaths")


async def _paste_until_refused(keyboard: Typable, handle: RuntimeHandle) -> None:
    with anyio.fail_after(20):
        while await keyboard.paste(handle, "x" * 5000, mark="m", refuse=["dialog"]):
            pass


async def _must_not(*_: object) -> None:
    raise AssertionError("a listing was made")


def _pid(seen: Any) -> int:  # noqa: ANN401
    (one,) = seen.values()
    assert one.pid
    return one.pid
