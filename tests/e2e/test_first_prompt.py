"""The first prompt of an agent that gets it typed is as safe as the agent's own start."""

from pathlib import Path

import anyio
import pytest

from ao_core.engine.keys import Ticket
from ao_core.engine.spawn import Wish, spawn
from ao_core.model.session import RuntimeState
from ao_core.slots.agent import Launch
from ao_core.store.records import MESSAGE, SESSION
from ao_plugins.agent.command import CommandLine
from inside import a_person, engine_at
from inside import settled as settled_home
from team import KINDS, PLAIN, Kind, Team

AFTER = "      prompt: after\n"


@pytest.fixture
def repository(tmp_path: Path, kind: Kind) -> Path:
    return Team.new_repository(tmp_path / "sample", kind.project() + AFTER)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_prompt_that_is_typed_after_the_start_is_accepted(team: Team) -> None:
    prompt = team.kind.worded("do: write a.txt a\ndo: commit a")
    session = team.call("spawn", prompt=prompt)["session"]
    sent = team.call("show", session=session)["messages"][-1]
    assert team.settled(session, sent)["state"] == "accepted"
    path = Path(team.until(session, "pr_open")["path"])
    assert (path / "a.txt").read_text() == "a\n"


@pytest.mark.parametrize("kind", [PLAIN], ids=str)
def test_one_that_remembers_nothing_is_told_again_when_it_is_restored(team: Team) -> None:
    session = team.call("spawn", prompt="do: say hello")["session"]
    shown = team.until(session, "idle")
    team.call("kill", session=session)
    for log in Path(shown["path"]).glob(".ao/*.jsonl"):
        log.unlink()
    team.call("restore", session=session)
    first, again = team.until_so(
        session, lambda now: now["state"] == "idle" and len(now["messages"]) == 2
    )["messages"]
    assert (first["text"], first["state"]) == (again["text"], again["state"])


async def test_an_engine_that_ends_right_after_the_start_leaves_the_prompt_queued(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, repository = anyio.Event(), tmp_path / "project"
    config = settled_home(home, repository) / "config.yaml"
    config.write_text(config.read_text() + AFTER)

    async def ends_here(agent: CommandLine, launch: Launch) -> None:
        await seen.wait()

    monkeypatch.setattr(CommandLine, "launched", ends_here)
    async with engine_at(home) as engine, anyio.create_task_group() as tasks:
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
