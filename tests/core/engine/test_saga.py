"""Steps that succeed together, or are undone."""

import logging

import anyio
import anyio.lowlevel
import pytest

from ao_core.engine import saga as saga_module
from ao_core.engine.saga import Saga, Undo


class Fault(Exception):
    pass


class Steps:
    """What was undone, in order."""

    def __init__(self) -> None:
        self.undone: list[str] = []

    def undo(self, what: str) -> Undo:
        async def undo() -> None:
            await anyio.lowlevel.checkpoint()
            self.undone.append(what)

        return undo

    async def fail(self, *steps: tuple[str, Undo]) -> None:
        """Take these steps, then fail."""
        async with Saga() as saga:
            for what, how in steps:
                saga.undo(what, how)
                await anyio.lowlevel.checkpoint()
            raise Fault


@pytest.fixture
def steps() -> Steps:
    return Steps()


async def test_what_succeeds_is_not_undone(steps: Steps) -> None:
    async with Saga() as saga:
        saga.undo("a", steps.undo("a"))
    assert steps.undone == []


async def test_the_steps_that_were_taken_are_undone_last_first(steps: Steps) -> None:
    with pytest.raises(Fault) as raised:
        await steps.fail(*((what, steps.undo(what)) for what in "abc"))
    assert steps.undone == ["c", "b", "a"]
    assert not hasattr(raised.value, "__notes__")


async def test_an_undo_that_fails_does_not_stop_the_others_and_is_named(
    steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse() -> None:
        raise OSError("no")

    with caplog.at_level(logging.ERROR), pytest.raises(Fault) as raised:
        await steps.fail(
            ("the branch", steps.undo("the branch")),
            ("the work tree", refuse),
            ("the agent", steps.undo("the agent")),
        )
    assert steps.undone == ["the agent", "the branch"]
    assert raised.value.__notes__ == ["Left behind: the work tree"]
    assert "could not undo: the work tree" in caplog.text


async def test_an_undo_that_hangs_is_given_up(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saga_module, "_UNDO_DEADLINE", 0.01)
    with anyio.fail_after(5), pytest.raises(Fault) as raised:
        await steps.fail(("a", steps.undo("a")), ("b", anyio.sleep_forever))
    assert steps.undone == ["a"]
    assert raised.value.__notes__ == ["Left behind: b"]


async def test_steps_that_are_cancelled_are_undone_to_the_end(steps: Steps) -> None:
    with anyio.CancelScope() as scope:
        async with Saga() as saga:
            saga.undo("a", steps.undo("a"))
            saga.undo("b", steps.undo("b"))
            scope.cancel()
            await anyio.sleep_forever()
    assert steps.undone == ["b", "a"]
