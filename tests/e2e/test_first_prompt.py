"""The first prompt of an agent that gets it typed is as safe as the agent's own start."""

from pathlib import Path

import anyio
import pytest

from ao_core.engine.keys import Ticket
from ao_core.engine.outbox import settled as is_settled
from ao_core.engine.spawn import Wish, spawn
from ao_core.model.session import RuntimeState
from ao_core.slots.agent import Launch
from ao_core.store.records import MESSAGE, SESSION, Delivery, Message
from ao_plugins.agent.command import CommandLine
from inside import a_person, engine_at, settled

AFTER = "      prompt: after\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "sample"


def prepared(home: Path, repository: Path) -> Path:
    config = settled(home, repository) / "config.yaml"
    config.write_text(config.read_text() + AFTER)
    return home


async def test_a_prompt_that_is_typed_after_the_start_is_accepted(
    home: Path, repository: Path
) -> None:
    async with engine_at(prepared(home, repository)) as engine:
        wish = Wish(prompt="do: write a.txt a\ndo: commit a")
        session = await spawn(engine, a_person(repository), wish, Ticket())

        def delivered() -> Message | None:
            return next((one for one in engine.records.all(MESSAGE) if is_settled(one)), None)

        with anyio.fail_after(30):
            message = await engine.records.until(delivered)
        assert (message.session, message.state) == (session.id, Delivery.ACCEPTED)


async def test_an_engine_that_ends_right_after_the_start_leaves_the_prompt_queued(
    home: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = anyio.Event()

    async def ends_here(agent: CommandLine, launch: Launch) -> None:
        await seen.wait()

    monkeypatch.setattr(CommandLine, "launched", ends_here)
    async with engine_at(prepared(home, repository)) as engine, anyio.create_task_group() as tasks:
        wish = Wish(prompt="do: say hello")
        tasks.start_soon(spawn, engine, a_person(repository), wish, Ticket())

        def runs() -> bool | None:
            alive = (one.run.state is RuntimeState.ALIVE for one in engine.records.all(SESSION))
            return True if any(alive) else None

        with anyio.fail_after(30):
            await engine.records.until(runs)
        (message,) = engine.records.all(MESSAGE)
        assert "do: say hello" in message.body
        seen.set()
