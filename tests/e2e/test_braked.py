"""The emergency brake is put on while a worker is being brought back."""

from pathlib import Path
from typing import Any

import pytest

from ao_core.engine.keys import Ticket
from ao_core.engine.kill import kill
from ao_core.engine.pausing import pause_all
from ao_core.engine.projects import Projects
from ao_core.engine.restore import back_to_work
from ao_core.engine.spawn import Wish, spawn
from ao_core.model.pause import PauseReason
from ao_core.model.session import Drive, SessionReason
from inside import a_person, engine_at, settled


async def test_one_that_was_being_brought_back_is_paused_as_well(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "sample"
    async with engine_at(settled(home, repository)) as engine:
        me = a_person(repository)
        wish = Wish(prompt="do: say hi", drive=Drive.PROTOCOL)
        session = await spawn(engine, me, wish, Ticket())
        await kill(engine, session.id, reason=SessionReason.MANUALLY_KILLED)
        real = Projects.grant

        async def late(projects: Projects, *args: Any) -> Any:
            await pause_all(engine, "person", Ticket())
            return await real(projects, *args)

        monkeypatch.setattr(Projects, "grant", late)
        back = await back_to_work(engine, me, session.id, Ticket())
        assert back.generation == 2
        assert back.paused is not None
        assert (back.paused.why, back.paused.by) == (PauseReason.ASKED, "person")
