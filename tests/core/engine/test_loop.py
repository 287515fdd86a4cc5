"""Whom the loop looks at, and that nothing ends it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio

from ao_core.engine.case import Decided, Observation, Policy
from ao_core.engine.engine import Engine
from ao_core.engine.loop import Loop
from ao_core.engine.project import Project
from ao_core.errors import PluginError
from ao_core.model.session import (
    Drive,
    RuntimeFacts,
    RuntimeHandle,
    RuntimeState,
    Session,
)
from ao_core.slots.runtime import Seen
from ao_core.spool import HookEvent
from ao_core.testing.clock import FakeClock
from books import a_session


def a_loop(clock: FakeClock, **engine: Any) -> Loop:
    return Loop(cast("Engine", SimpleNamespace(clock=clock, **engine)))


async def test_a_project_that_cannot_be_looked_at_does_not_end_the_loop() -> None:
    session = a_session()

    async def broken(id: str) -> None:
        raise ZeroDivisionError

    projects = SimpleNamespace(by_id=broken)
    loop = a_loop(FakeClock(), live=lambda: [session], projects=projects)
    with anyio.fail_after(5):
        await loop.look(frozenset({session.id}))


async def test_an_agent_by_protocol_is_listened_to_where_the_first_attempt_failed() -> None:
    begun: list[str] = []

    async def begin(engine: object, project: object, session: Session, handle: object) -> None:
        begun.append(session.id)

    handle = RuntimeHandle("app-1", "double")
    session = a_session(drive=Drive.PROTOCOL, run=RuntimeFacts(handle=handle))
    known: dict[str, object] = {}
    talks = SimpleNamespace(begin=begin, of=known.get)
    take_up = a_loop(FakeClock(), conversations=talks)._taken_up  # pyright: ignore[reportPrivateUsage]
    await take_up(cast("Project", None), session)
    await take_up(cast("Project", None), replace(session, drive=Drive.TERMINAL))
    await take_up(cast("Project", None), replace(session, run=RuntimeFacts()))
    known["app-1"] = object()
    await take_up(cast("Project", None), session)
    assert begun == ["app-1"]


async def test_who_cannot_be_listened_to_is_looked_at_all_the_same() -> None:
    async def begin(engine: object, project: object, session: Session, handle: object) -> None:
        raise PluginError("its plugin is gone")

    handle = RuntimeHandle("app-1", "double")
    session = a_session(drive=Drive.PROTOCOL, run=RuntimeFacts(handle=handle))

    def nothing(session: object) -> None:
        """There is none."""

    def unread(id: str, consumed: object, understood: object) -> tuple[list[HookEvent], list[Path]]:
        return [], []

    def patient(session: object) -> Policy:
        return Policy()

    async def held(session: object) -> object:
        return SimpleNamespace(heard=nothing)

    def none(kind: object, id: str) -> None:
        """Nor a record."""

    engine = SimpleNamespace(
        conversations=SimpleNamespace(begin=begin, of=nothing),
        spools=SimpleNamespace(read=unread), is_pull_due=nothing, is_ending=nothing,
        clock=FakeClock(), records=SimpleNamespace(find=none), proving={},
        session={session.id: session}.get, policy_of=patient, runtime_of=held, agent_of=held,
    )  # fmt: skip
    loop, seen = Loop(cast("Engine", engine)), list[Observation]()

    async def commit(id: str, observation: Observation, files: object) -> Decided:
        seen.append(observation)
        return Decided(session)

    loop._commit = commit  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    alive = Seen(RuntimeState.ALIVE)
    await loop._one(cast("Project", None), session, alive)  # pyright: ignore[reportPrivateUsage]
    assert [one.seen for one in seen] == [alive]
