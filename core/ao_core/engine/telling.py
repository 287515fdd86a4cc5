"""An answer's way to whoever asked: a hook or a protocol that waits for it, or a dialog's keys."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import anyio

from ao_core.engine.dialogs import is_open
from ao_core.engine.engine import Engine
from ao_core.engine.policy import Ruling
from ao_core.engine.terms import terms_of
from ao_core.model.session import Drive, Session
from ao_core.slots.runtime import Typable
from ao_core.store.contract import Change
from ao_core.store.records import Decision, Permission

_log = logging.getLogger(__name__)
_BACK = timedelta(seconds=2)
_LOOK_AGAIN = 0.02
_DRAWN = 2.0  # a hook may tell of a dialog before it is there


@dataclass(frozen=True, slots=True)
class Said:
    """What is said to a request, by whom, and why."""

    decision: Decision
    by: str
    always: bool = False
    reason: str | None = None


async def conclude(
    engine: Engine, asked: Permission, said: Said, *, told: bool = False,
    beside: Sequence[Change] = (),
) -> tuple[Permission, bool]:  # fmt: skip
    """End a request, unless it is over: what became of it, and whether its dialog was pressed.

    `told`: whoever asked is known to have heard of it.
    """
    told = told or await hears(engine, asked)  # asked before its hook can be gone
    ended = await engine.permissions.answer(
        asked, said.decision, said.by, beside=beside, always=said.always, reason=said.reason
    )
    return ended, not told and await _press(engine, ended)


async def claimed(engine: Engine, session: Session, id: str, tool: str, shown: str) -> bool:
    """Put down a dialog that is open; what is denied from the start is pressed away."""
    terms, book = await terms_of(engine, session), engine.permissions
    opened = await book.claim(session, id, tool, shown, terms)
    asked = book.find(id) if opened else None
    found = book.forbidden(asked, terms) if asked and asked.ended_at is None else None
    if asked and found and await _keys(engine, session, Decision.DENY):
        engine.tasks.start_soon(forbid, engine, asked, *found)
    return opened


async def forbid(engine: Engine, asked: Permission, ruling: Ruling, by: str) -> None:
    """Deny it, without anybody's being asked."""
    said = Said(Decision.DENY, by, reason=ruling.rule)
    try:
        await engine.patiently(lambda: conclude(engine, asked, said), "a dialog is answered")
    except Exception:  # somebody can still answer it by hand
        _log.exception("%s could not be denied", asked.id)


async def _keys(engine: Engine, session: Session, decision: Decision) -> tuple[str, ...]:
    """What answers its agent's dialogs so; nothing where no key does."""
    if session.drive is Drive.PROTOCOL or session.run.handle is None:
        return ()
    if not isinstance(await engine.runtime_of(session), Typable):
        return ()
    composer = (await engine.agent_of(session)).composer()
    return composer.allow if decision is Decision.ALLOW else composer.deny


async def hears(engine: Engine, asked: Permission) -> bool:
    """Whether its hook waits for the answer. One whose engine has just been replaced is soon back:
    what was pressed for it then might reach the composer.
    """
    while asked.id not in engine.listening:
        if asked.asked_at > engine.began or _since(engine) > _BACK:
            return False
        await anyio.sleep(_LOOK_AGAIN)
    return True


def _since(engine: Engine) -> timedelta:
    return engine.clock.course.elapsed(engine.began, engine.clock.now())


async def _press(engine: Engine, asked: Permission) -> bool:
    """Where no hook waits for the answer, press what the dialog needs, if it still is there."""
    id, session = asked.session, engine.session(asked.session)
    keys = await _keys(engine, session, asked.decision or Decision.DENY)
    handle = session.run.handle
    if not keys or handle is None:
        return False
    agent, typable = (
        await engine.agent_of(session),
        cast("Typable", await engine.runtime_of(session)),
    )
    late = anyio.current_time() + _DRAWN
    while not engine.permissions.pending(id):  # else the dialog may be another's by now
        open = await is_open(engine, session, agent, asked, await typable.screen(handle))
        if open and await typable.press(handle, keys, expect=agent.composer().dialogs):
            return True
        if anyio.current_time() > late:
            break
        await anyio.sleep(_LOOK_AGAIN)
    return False
