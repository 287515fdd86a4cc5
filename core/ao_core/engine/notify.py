"""Tell people: one note to each notifier that is wanted, and who got it."""

import logging
from dataclasses import dataclass
from typing import Any

import anyio

from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.errors import (
    AoError,
    BadRequest,
    BrokenPlugin,
    NotFound,
    NotInstalled,
    Rejected,
    Unauthorized,
)
from ao_core.ids import new_id
from ao_core.model.event import EventKind, NewEvent, Priority, Told
from ao_core.model.session import Session
from ao_core.redact import visible
from ao_core.registry import broken
from ao_core.slots.notifier import Note, Notifier

_log = logging.getLogger(__name__)
_DEADLINE = 30.0
_FOR_GOOD = (Rejected, Unauthorized, NotFound, NotInstalled, BrokenPlugin)


@dataclass(frozen=True, slots=True)
class Delivered:
    """One notifier, and why it did not get the note, if it did not. `again`: it may do so yet."""

    notifier: str
    error: str | None = None
    hint: str | None = None
    again: bool = True


def note(
    engine: Engine, project: Project, session: Session | None, text: str, priority: Priority,
    id: str | None = None,
) -> Note:  # fmt: skip
    """A note in the words of whoever sends it."""
    title = f"{session.id}: {session.title}" if session else project.id
    return Note(
        id or new_id("note"), "note.lead", priority, title, visible(text, 4_000),
        engine.clock.now(), project.id, session.id if session else None,
    )  # fmt: skip


async def notify(project: Project, told: Note, to: tuple[str, ...] = ()) -> tuple[Delivered, ...]:
    """Send to the named notifiers, or to those told by default; the journal is told elsewhere."""
    unknown = set(to) - project.notifiers.keys()
    if unknown:
        raise BadRequest(
            "No such notifier: " + ", ".join(sorted(unknown)),
            hint="Known: " + ", ".join(sorted(project.notifiers)),
        )
    names = to or tuple(one.alias for one in project.settings.notifiers)
    results: dict[str, Delivered] = {}

    async def one(name: str) -> None:
        results[name] = await deliver(name, project.notifiers[name], told)

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(one, name)
    return tuple(results[name] for name in names)


async def deliver(name: str, notifier: Notifier[Any], told: Note) -> Delivered:
    """Send to one, in good time; whatever goes wrong with it stays there."""
    try:
        with anyio.fail_after(_DEADLINE):
            await notifier.notify(told)
    except AoError as exc:
        return Delivered(name, exc.message, exc.hint, again=not isinstance(exc, _FOR_GOOD))
    except TimeoutError:
        return Delivered(name, "It did not answer in time.")
    except Exception as exc:  # a plugin of anybody's
        _log.exception("notifier %s", name)
        found = broken(notifier, "telling", exc)
        return Delivered(name, found.message, found.hint)
    return Delivered(name)


def delivered(told: Note, done: Delivered) -> NewEvent:
    """What the journal is told of it."""
    kind = EventKind.NOTIFICATION_FAILED if done.error else EventKind.NOTIFICATION_SENT
    body = Told(told.id, done.notifier, visible(told.body, 500), done.error)
    return NewEvent(kind, body, told.project, told.session)
