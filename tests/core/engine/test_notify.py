"""Whom a note in somebody's own words is sent to."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import anyio.lowlevel
import pytest

from ao_core.config.models import PluginChoice
from ao_core.engine.notify import notify
from ao_core.engine.project import Project
from ao_core.errors import BadRequest
from ao_core.model.event import Priority
from ao_core.slots.notifier import Note
from books import START

NOTE = Note("note-1", "note.lead", Priority.URGENT, "app", "look here", START)


@dataclass(slots=True)
class Desk:
    """A notifier that keeps what it is given."""

    got: list[Note] = field(default_factory=list[Note])

    async def notify(self, note: Note) -> None:
        await anyio.lowlevel.checkpoint()
        self.got.append(note)


def a_project(**desks: Desk) -> Project:
    """All are open, and `desk` alone is told by default."""
    settings: Any = SimpleNamespace(notifiers=(PluginChoice("desk", alias="desk"),))
    return cast("Project", SimpleNamespace(notifiers=desks, settings=settings))


async def test_unless_others_are_named_those_hear_of_it_that_are_told_by_default() -> None:
    desk, phone = Desk(), Desk()
    project = a_project(desk=desk, phone=phone)
    assert [one.notifier for one in await notify(project, NOTE)] == ["desk"]
    assert (desk.got, phone.got) == ([NOTE], [])
    assert [one.notifier for one in await notify(project, NOTE, ("phone",))] == ["phone"]
    assert phone.got == [NOTE]


async def test_one_that_there_is_not_is_named_beside_those_there_are() -> None:
    with pytest.raises(BadRequest, match="pager") as caught:
        await notify(a_project(desk=Desk(), phone=Desk()), NOTE, ("pager",))
    assert caught.value.hint == "Known: desk, phone"
