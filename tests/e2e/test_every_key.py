"""Every operation that changes something and takes a key does it once under that key.

For each, on a real engine, agents and stores: repeated, by two at once, with other arguments, after
the engine died with the key written and nothing said, or just before, and after the seven days for
which a key is kept. The stores take turns, or all is done on both. The table is printed.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import cycle, product
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

from ao_core.clock import SystemClock
from ao_core.engine.caller import Caller, Role
from ao_core.engine.engine import Engine
from ao_core.engine.keys import KEPT, Keys
from ao_core.engine.kill import kill
from ao_core.engine.loop import Loop
from ao_core.engine.policy import Wish
from ao_core.engine.recover import recover
from ao_core.engine.stop import stop
from ao_core.engine.terms import Terms
from ao_core.errors import AoError, BadRequest, Conflict, EngineRestarted, StoreUnavailable
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, Told
from ao_core.model.session import Session, SessionReason, SessionState
from ao_core.store.contract import Change, Committed, Put
from ao_core.store.records import KEY, MESSAGE, SESSION, KeyUse
from ao_mcp.app import engine_on
from ao_mcp.operations.contract import Call
from ao_mcp.operations.every import OPERATIONS
from books import a_session, together
from fused_store import Crash
from inside import a_person, settled
from rounds import EVERY_KIND
from team import FILES, PLAIN, Kind, Team, git

BY_NAME = {operation.name: operation for operation in OPERATIONS}
_PATIENCE = 20.0
_K = EventKind

UNKEYED = {
    "approve": "each use of a tool has an id, under which it is asked once",
    "unsend": "its message is named: a second time there is nothing to take back",
    "interrupt": "it ends the turn that there is; a key would have to name the turn",
    "stop": "who has been stopped is not stopped again",
    "gc": "what has been removed is not there any more",
    "trust": "it names the digest that is trusted",
    "permission": "the request has an id of the hook's own",
    "report": "the same report again is no news",
    "ask": "the same question again is the one that is open",
    "consult": "`since` names the question that was asked before",
    "inbox": "it names the messages that were read",
    "message": "the same again within a minute is what was said before",
    "webhook": "the host has one of that address, which is brought up to date",
}
"""Operations that change something and take no key, and why once is enough for each."""


@dataclass
class World:
    """One home, its engine at the moment, and what was done in it."""

    home: Path
    repository: Path
    engine: Engine | None = None
    number: int = 0

    @property
    def now(self) -> Engine:
        assert self.engine is not None
        return self.engine

    @asynccontextmanager
    async def up(self) -> AsyncGenerator[Engine]:
        """An engine as it starts on this home; it goes as if killed, its agents stay."""
        async with engine_on(self.home) as engine, anyio.create_task_group() as tasks:
            self.engine = engine
            tasks.start_soon(Loop(engine).run)
            await recover(engine)
            yield engine
            tasks.cancel_scope.cancel()

    async def run(
        self, name: str, args: Mapping[str, Any], worker: SessionId | None = None
    ) -> dict[str, Any]:
        """One call, by a person if by no worker; what is shown of it."""
        operation, caller = BY_NAME[name], a_person(self.repository)
        if worker:
            caller = replace(caller, role=Role.WORKER, session=worker)
        reply = await operation.run(Call(self.now, caller), operation.request(**args))
        return reply.model_dump()

    async def sure(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Repeated, for as long as it may be."""
        with anyio.fail_after(_PATIENCE):
            while True:
                try:
                    return await self.run(name, args)
                except AoError as error:
                    if not error.retryable:
                        raise
                    await anyio.lowlevel.checkpoint()

    async def until(self, id: str, so: Callable[[Session], bool]) -> Session:
        def ready() -> Session | None:
            return found if so(found := self.now.session(id)) else None

        with anyio.fail_after(_PATIENCE):
            return await self.now.records.until(ready)

    async def events(self, *kinds: EventKind) -> int:
        journal = self.now.records.follow(0, live=False)
        return sum([event.kind in kinds async for event in journal])

    # -- what operations need -----------------------------------------------------------------

    async def worker(self, *script: str) -> str:
        """One that has ended its turn, or waits."""
        self.number += 1
        prompt = "\n".join(["Do this:", *(script or (f"do: say ready {self.number}",))])
        id = (await self.run("spawn", {"prompt": prompt}))["session"]
        at_rest = (SessionState.IDLE, SessionState.NEEDS_INPUT)
        await self.until(id, lambda one: one.facts.state in at_rest)
        return id

    async def committed(self) -> str:
        """One with work that can be merged."""
        name = f"work-{self.number + 1}"
        return await self.worker(f"do: write {name}.txt x", f"do: commit {name}")

    async def asking_permission(self) -> tuple[str, str]:
        """One whose hook waits for an answer."""
        id = await self.worker()
        request, engine = f"{id}.p", self.now
        wish = Wish("shell", None, ("make", "everything"))
        await engine.permissions.ask(engine.session(id), request, wish, "make everything", Terms())
        engine.listening.add(request)
        return id, request

    async def ended(self) -> str:
        id = await self.worker()
        await self.run("kill", {"session": id})
        return id

    async def lost(self, count: int = 1) -> str:
        """Some that went down with a stop."""
        made = [await self.worker() for _ in range(count)]
        await stop(self.now)
        return made[0]

    async def on_main(self) -> None:
        self.number += 1
        git(self.repository, "commit", "-q", "--allow-empty", "-m", f"main {self.number}")


Args: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Act:
    """An operation in one of its uses.

    `ready` brings about what it needs: the arguments, and others that would have an effect of their
    own. `done` counts what it has done. `moves` are the fields of the reply that tell how things
    stand now, and so may differ the next time.
    """

    name: str
    ready: Callable[[World], Awaitable[tuple[Args, Args]]]
    done: Callable[[World], Awaitable[int]]
    moves: tuple[str, ...] = ()
    use: str = ""
    amount: int = 1  # what `done` counts after one call

    def __str__(self) -> str:
        return f"{self.name}{self.use and '-' + self.use}"

    def same(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        return all(one[name] == other[name] for name in one if name not in self.moves)


def told(*kinds: EventKind) -> Callable[[World], Awaitable[int]]:
    return lambda world: world.events(*kinds)


async def sessions(world: World) -> int:
    return sum(1 for _ in world.now.records.all(SESSION))


async def messages(world: World) -> int:
    return sum(1 for _ in world.now.records.all(MESSAGE))


async def issues(world: World) -> int:
    return len((await world.run("list_issues", {}))["issues"])


async def comments(world: World) -> int:
    shown = await world.run("list_issues", {})
    whole = [await world.run("get_issue", {"issue": one["issue"]}) for one in shown["issues"]]
    return sum(one["body"].count("a comment") for one in whole)


async def generations(world: World) -> int:
    return sum(one.generation for one in world.now.records.all(SESSION))


async def spawning(world: World) -> tuple[Args, Args]:
    return {"prompt": "do: say one"}, {"prompt": "do: say other"}


async def sending(world: World) -> tuple[Args, Args]:
    id = await world.worker()
    return ({"session": id, "message": "do: say one"}, {"session": id, "message": "do: say other"})


async def answering(world: World) -> tuple[Args, Args]:
    id = await world.worker("do: ask Which?", "do: say {answer}")
    return {"session": id, "text": "green"}, {"session": id, "text": "red"}


async def deciding(world: World) -> tuple[Args, Args]:
    id, request = await world.asking_permission()
    other, another = await world.asking_permission()
    return (
        {"session": id, "request": request, "decision": "allow"},
        {"session": other, "request": another, "decision": "deny"},
    )


async def reviewing(world: World) -> tuple[Args, Args]:
    id = await world.committed()
    asked = {"session": id, "verdict": "changes"}
    return {**asked, "body": "Mend it."}, {**asked, "body": "Mend that."}


async def merging(world: World) -> tuple[Args, Args]:
    one, other = await world.committed(), await world.committed()
    return {"sessions": (one,)}, {"sessions": (other,)}


async def updating(world: World) -> tuple[Args, Args]:
    one, other = await world.committed(), await world.committed()
    await world.on_main()
    return ({"sessions": (one,), "update_only": True}, {"sessions": (other,), "update_only": True})


async def killing(world: World) -> tuple[Args, Args]:
    return {"session": await world.worker()}, {"session": await world.worker()}


async def restoring(world: World) -> tuple[Args, Args]:
    return {"session": await world.ended()}, {"session": await world.ended()}


async def restoring_all(world: World) -> tuple[Args, Args]:
    await world.lost(2)
    return {"all": True}, {"session": await world.ended()}


async def pausing(world: World) -> tuple[Args, Args]:
    one, two, three = [await world.worker() for _ in range(3)]
    return {"sessions": (one, two)}, {"sessions": (three, two)}


async def pausing_all(world: World) -> tuple[Args, Args]:
    await world.run("resume", {"all": True})
    one = await world.worker()
    return {"all": True}, {"sessions": (one,)}


async def resuming(world: World) -> tuple[Args, Args]:
    (asked, _) = await pausing(world)
    await world.run("pause", asked)
    return asked, {**asked, "budget": {"minutes": 600}}


async def noting(world: World) -> tuple[Args, Args]:
    return {"text": "look at this"}, {"text": "look at that"}


async def creating(world: World) -> tuple[Args, Args]:
    world.number += 1
    return {"title": f"one {world.number}"}, {"title": f"other {world.number}"}


async def changing(world: World) -> tuple[Args, Args]:
    issue = (await world.run("create_issue", {"title": "an issue"}))["issue"]
    return (
        {"issue": issue, "comment": "a comment"},
        {"issue": issue, "comment": "a comment more"},
    )


async def notes(world: World) -> int:
    """Outside it is told at least once, and always under the same id."""
    journal = world.now.records.follow(0, live=False)
    return len({event.body.note async for event in journal if isinstance(event.body, Told)})


async def merged(world: World) -> int:
    return int(git(world.repository, "rev-list", "--count", "--merges", "--all"))


STANDS = ("status", "state", "evidence", "reason")
ACTS = [
    Act("spawn", spawning, sessions, (*STANDS, "cursor", "queued")),
    Act("send", sending, messages, STANDS),
    Act("answer", answering, messages, STANDS, "text"),
    Act("answer", deciding, told(_K.PERMISSION_ANSWERED), STANDS, "decision"),
    Act("review", reviewing, told(_K.REVIEW_CHANGES_REQUESTED), STANDS),
    Act("merge", merging, merged),
    Act("merge", updating, merged, use="update"),
    Act("kill", killing, told(_K.SESSION_KILLED), STANDS),
    Act("restore", restoring, generations, STANDS),
    Act("restore", restoring_all, generations, ("team",), "all", 2),
    Act("pause", pausing, told(_K.SESSION_PAUSED), ("sessions",), amount=2),
    Act("pause", pausing_all, told(_K.ENGINE_PAUSED), ("sessions",), "all"),
    Act("resume", resuming, told(_K.SESSION_RESUMED), ("sessions",), amount=2),
    Act("notify", noting, notes, ("delivered", "results")),
    Act("create_issue", creating, issues),
    Act("update_issue", changing, comments),
]
STORES = (PLAIN, FILES)
TRIED = list(product(ACTS, STORES) if EVERY_KIND else zip(ACTS, cycle(STORES), strict=False))


def test_every_operation_that_changes_something_takes_a_key_or_needs_none() -> None:
    changing = {one.name: one for one in OPERATIONS if not one.read_only}
    keyed = {name for name, one in changing.items() if "key" in one.request.model_fields}
    assert keyed == {act.name for act in ACTS}
    assert changing.keys() - keyed == UNKEYED.keys()
    for_leads = {name for name, one in changing.items() if one.tool and Role.LEAD in one.roles}
    assert for_leads <= keyed


ARGS: Mapping[str, Args] = {
    "spawn": {"prompt": "x"},
    "send": {"session": "{}-1", "message": "x"},
    "answer": {"session": "{}-1", "text": "x"},
    "review": {"session": "{}-1", "verdict": "approve"},
    "merge": {"sessions": ("{}-1",)},
    "kill": {"session": "{}-1"},
    "restore": {"session": "{}-1"},
    "pause": {"sessions": ("{}-1",)},
    "resume": {"sessions": ("{}-1",)},
    "notify": {"text": "x"},
    "create_issue": {"title": "x"},
    "update_issue": {"issue": "1"},
}


class Taken(Exception):
    """A key was taken; nothing is done with it."""


@pytest.mark.parametrize("name", ARGS)
async def test_a_key_is_its_callers_and_its_projects_own(
    home: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take(keys: Keys, id: str, *more: str) -> None:
        raise Taken(id)

    monkeypatch.setattr(Keys, "take", take)
    places = {one: tmp_path / one for one in ("sample", "other")}
    settled(home, places["sample"])
    Team.new_repository(places["other"], "")
    async with engine_on(home) as engine:

        async def key_of(project: str, client: str = "editor", role: Role = Role.LEAD) -> str:
            caller = Caller(role, "c", places[project], client=client)
            opened = await engine.projects.for_caller(caller, None)
            if engine.records.find(SESSION, f"{project}-1") is None:
                one = a_session(f"{project}-1", project=opened.id)
                await engine.records.create(SESSION, one.id, one)
            asked = BY_NAME[name].request(**_filled(ARGS[name], project), key="k")
            with pytest.raises(Taken) as taken:
                await BY_NAME[name].run(Call(engine, caller), asked)
            return str(taken.value)

        mine = await key_of("sample")
        others = [
            await key_of("other"), await key_of("sample", "terminal"),
            await key_of("sample", role=Role.PERSON),
        ]  # fmt: skip
        assert await key_of("sample") == mine
    assert len({mine, *others}) == 4


async def test_a_key_of_an_earlier_version_is_not_held_by_the_call_that_finds_it(
    home: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "sample"
    world = World(settled(home, repository), repository)
    async with world.up() as engine:
        earlier = engine.keys.scope(a_person(repository), "notify", "", "k")
        reply = '{"note":"note-1","delivered":1,"results":[]}'
        use = KeyUse("notify", "", "as it was", "note-1", engine.clock.now(), reply=reply)
        await engine.records.commit([Put(KEY, earlier, use, 0)])
        for _ in range(2):
            assert (await world.run("notify", {"text": "x", "key": "k"}))["note"] == "note-1"


def _filled(args: Args, project: str) -> Args:
    def fill(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(value, str):
            return value.format(project)
        return tuple(one.format(project) for one in value)

    return {name: fill(value) for name, value in args.items()}


# -- what takes none ------------------------------------------------------------------------------


async def test_what_takes_no_key_is_done_once_all_the_same(home: Path, tmp_path: Path) -> None:
    repository = tmp_path / "sample"
    world = World(settled(home, repository), repository)
    try:
        async with world.up():
            id, other = await world.worker("do: ask Which?"), await world.worker()
            sent = await world.run("send", {"session": id, "message": "do: say x"})
            counts = list[tuple[int, ...]]()
            for _ in range(2):
                for name, args in {
                    "report": {"note": "half of it"},
                    "ask": {"question": "What now?"},
                    "message": {"to": other, "text": "hello"},
                    "inbox": {"read": (sent["message"],)},
                }.items():
                    await world.run(name, args, worker=SessionId(id))
                counts.append(await done_by_workers(world))
            assert counts[0] == counts[1]
            assert min(counts[0]) > 0
    finally:
        async with world.up() as engine:
            await all_ended(engine)


async def done_by_workers(world: World) -> tuple[int, ...]:
    kinds = (_K.SESSION_REPORTED, _K.SESSION_NEEDS_INPUT, _K.SESSION_TOLD, _K.MESSAGE_QUEUED)
    return tuple([await world.events(kind) for kind in kinds])


# -- what goes wrong ------------------------------------------------------------------------------


@dataclass
class Fuse:
    """Something that goes wrong as a key is written, for the so-manieth time; 0: nothing does."""

    what: str = "nothing"  # refused: the disk has no room; before, after: the engine is gone
    place: int = 0
    seen: int = 0
    gone: bool = False

    def put(self, engine: Engine) -> None:
        store, commit = engine.records.store, engine.records.store.commit

        async def fused(changes: Sequence[Change], *args: Any, **more: Any) -> Committed:
            due = self._due(changes)
            if due and self.what == "refused":
                raise StoreUnavailable("there is no room", hint="Make some.")
            self._end(self.gone or (due and self.what == "before"))
            done = await commit(changes, *args, **more)
            self._end(due and self.what == "after")
            return done

        setattr(store, "commit", fused)  # noqa: B010 - this store's, not its class's

    def _due(self, changes: Sequence[Change]) -> bool:
        mine = any(isinstance(one, Put) and one.kind is KEY for one in changes)
        self.seen += mine
        return mine and self.seen == self.place

    def _end(self, now: bool) -> None:
        if now:
            self.gone = True
            raise Crash


class Later(SystemClock):
    """The clock of a time when keys of today are no longer kept."""

    def now(self) -> datetime:
        return super().now() + KEPT + timedelta(seconds=1)


async def refused_as_another(world: World, act: Act, other: Args) -> None:
    before = await act.done(world)
    with pytest.raises(BadRequest) as refused:
        await world.run(act.name, other)
    assert refused.value.hint == "Use a new key."
    assert await act.done(world) == before


async def repeated(world: World, act: Act) -> int:
    """Twice at once, then again, with other arguments, and when the key is forgotten.

    Returns how often the key is written.
    """
    args, other = await act.ready(world)
    keyed, before, fuse = {**args, "key": "k"}, await act.done(world), Fuse()
    fuse.put(world.now)
    both = await together([lambda: world.run(act.name, keyed)] * 2)
    done = [one for one in both if not isinstance(one, Exception)]
    late = [one for one in both if isinstance(one, Exception)]
    assert [(type(one), getattr(one, "retryable", False)) for one in late] == [
        (Conflict, True)
    ] * len(late)
    assert len(done) + len(late) == 2
    assert await act.done(world) == before + act.amount
    written = fuse.seen
    for _ in range(2):
        again = await world.run(act.name, keyed)
        assert act.same(done[0], again), (done[0], again)
        assert await act.done(world) == before + act.amount
    await refused_as_another(world, act, {**other, "key": "k"})
    world.now.keys = Keys(world.now.records.store, Later())
    await world.run(act.name, {**other, "key": "k"})
    return written


async def broken_off(world: World, act: Act, what: str, place: int) -> None:
    """A call that something goes wrong with has done all of it once when it is repeated."""
    key, before, args, other = {"key": f"{what}-{place}"}, 0, Args(), Args()
    try:
        async with world.up() as engine:
            await all_ended(engine)  # so that nobody has to queue
            args, other = await act.ready(world)
            before = await act.done(world)
            Fuse(what, place).put(engine)
            with pytest.raises(StoreUnavailable):
                await world.run(act.name, {**args, **key})
    except* (Crash, EngineRestarted):
        pass
    async with world.up():
        if await act.done(world) > before:
            await refused_as_another(world, act, {**other, **key})
        first = await world.sure(act.name, {**args, **key})
        assert await act.done(world) == before + act.amount
        again = await world.run(act.name, {**args, **key})
        assert act.same(first, again), (first, again)
        await refused_as_another(world, act, {**other, **key})
        assert await act.done(world) == before + act.amount


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("act", "kind"), TRIED, ids=str)
async def test_under_a_key_it_is_done_once(
    home: Path, tmp_path: Path, kind: Kind, act: Act
) -> None:
    repository = tmp_path / "sample"
    world, rows = World(settled(home, repository, kind), repository), list[str]()
    try:
        async with world.up():
            written = await repeated(world, act)
        rows.append(f"{act!s:<20} repeated, at once, other arguments, after 7 days: once")
        for place in range(1, written + 1):
            for what in ("refused", "before", "after"):
                await broken_off(world, act, what, place)
                rows.append(f"{act!s:<20} {what} writing the key ({place}/{written}): once")
    finally:
        async with world.up() as engine:
            await all_ended(engine)
    print(f"{kind}", *rows, sep="\n")  # noqa: T201 - the table is what this test is for


async def all_ended(engine: Engine) -> None:
    for session in engine.live():
        await kill(engine, session.id, reason=SessionReason.MANUALLY_KILLED)
