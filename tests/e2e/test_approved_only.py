"""What merges by itself merges what was approved, and nothing that came after it."""

from pathlib import Path

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.keys import Ticket
from ao_core.engine.reviewing import Opinion, Said, review
from ao_core.engine.send import Letter, send
from ao_core.engine.spawn import Wish as Task
from ao_core.engine.spawn import spawn
from ao_core.engine.trains import Wish, merge
from ao_core.git.train import Fate
from ao_core.ids import SessionId
from ao_core.model.session import Drive, PrState, Session, SessionState
from inside import a_person, engine_at, settled

APPROVED = Wish(approved=True)


async def rests(engine: Engine, id: SessionId, commits: int) -> Session:
    def so() -> Session | None:
        now = engine.session(id)
        idle = now.facts.state is SessionState.IDLE and now.pr.state is PrState.OPEN
        return now if idle and len(now.commits) == commits else None

    with anyio.fail_after(30):
        return await engine.records.until(so)


async def test_what_was_committed_after_the_approval_is_not_merged(
    home: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "sample"
    async with engine_at(settled(home, repository)) as engine:
        me = a_person(repository)
        task = Task(prompt="do: write a.txt one\ndo: commit one", drive=Drive.PROTOCOL)
        id = (await spawn(engine, me, task, Ticket())).id
        await rests(engine, id, 1)
        await review(engine, me, id, Said(Opinion.APPROVE), Ticket())
        more = Letter("do: write a.txt two\ndo: commit two")
        await send(engine, me, id, more, Ticket())
        await rests(engine, id, 2)
        (left,) = (await merge(engine, [id], APPROVED)).members
        assert left.fate is Fate.LEFT_OUT
        assert "approved" in (left.why or "")
        await review(engine, me, id, Said(Opinion.APPROVE), Ticket())
        (landed,) = (await merge(engine, [id], APPROVED)).members
        assert landed.fate is Fate.LANDED
