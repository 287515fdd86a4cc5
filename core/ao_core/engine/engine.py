"""The engine: what it holds, and how its parts are brought up and down together."""

import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from ao_core.clock import Clock
from ao_core.course import Lapse
from ao_core.engine.case import Policy, patience
from ao_core.engine.conversations import Conversations
from ao_core.engine.courier import Courier
from ao_core.engine.environment import Grant
from ao_core.engine.gates import Proof
from ao_core.engine.home import Home
from ao_core.engine.intents import Intents
from ao_core.engine.keys import Keys
from ao_core.engine.outbox import Outbox
from ao_core.engine.permissions import Permissions
from ao_core.engine.pool import Pool
from ao_core.engine.project import Project
from ao_core.engine.projects import Projects
from ao_core.engine.records import Records
from ao_core.engine.room import Room
from ao_core.engine.spools import Spools
from ao_core.engine.upstream import Upstream
from ao_core.engine.webhooks import Webhooks
from ao_core.errors import AoError, EngineRestarted, StoreUnavailable
from ao_core.ids import SessionId
from ao_core.model.budget import Budget
from ao_core.model.session import Drive, Session, is_terminal
from ao_core.news import News
from ao_core.registry import Registry
from ao_core.slots.agent import Agent
from ao_core.slots.runtime import Runtime
from ao_core.store.records import MESSAGE, SESSION, Delivery

if TYPE_CHECKING:
    from ao_core.engine.herald import Herald

_log = logging.getLogger(__name__)
T = TypeVar("T")
_ROOM_PAUSE = 1.0


@dataclass(slots=True)
class Engine:
    """One engine on one home. The modules beside this one are its verbs."""

    home: Home
    socket: Path
    records: Records
    registry: Registry
    projects: Projects
    clock: Clock
    tasks: TaskGroup
    policy: Policy = field(default_factory=Policy)
    outbox: Outbox = field(init=False)
    permissions: Permissions = field(init=False)
    intents: Intents = field(init=False)
    keys: Keys = field(init=False)
    webhooks: Webhooks = field(init=False)
    version: str = "0"
    worker_command: tuple[str, ...] = ()  # starts our own server for a worker
    spools: Spools = field(default_factory=Spools)
    conversations: Conversations = field(default_factory=Conversations)
    grants: dict[SessionId, Grant] = field(default_factory=dict[SessionId, Grant])
    ceiling: Budget = field(default_factory=Budget)  # what all sessions together may use
    stopping: anyio.Event = field(default_factory=anyio.Event)
    listening: set[str] = field(default_factory=set[str])
    consulting: list[SessionId] = field(default_factory=list[SessionId])  # they wait for an answer
    proving: dict[SessionId, Proof] = field(default_factory=dict[SessionId, Proof])
    room: Room = field(default_factory=Room)
    pool: Pool = field(default_factory=Pool)
    upstream: Upstream = field(default_factory=Upstream)
    began: datetime = field(init=False)
    http: str = ""  # the address of MCP over HTTP, where it listens
    http_problem: AoError | None = None  # why it does not, though it should
    lapsed: Lapse | None = None  # the last one that does not count as worked
    reckoning: anyio.Lock = field(default_factory=anyio.Lock)
    _ending: set[SessionId] = field(default_factory=set[SessionId])
    _ended: News = field(default_factory=News)
    _carrying: set[SessionId] = field(default_factory=set[SessionId])
    _locks: dict[SessionId, anyio.Lock] = field(default_factory=dict[SessionId, anyio.Lock])
    _dirty: set[SessionId] = field(default_factory=set[SessionId])
    _due: set[SessionId] = field(default_factory=set[SessionId])
    _nudged: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self.began = self.clock.now()
        self.outbox = Outbox(self.records, self.clock, self.token)
        self.permissions = Permissions(self.records, self.clock)
        self.intents = Intents(self.records, self.clock)
        self.keys = Keys(self.records.store, self.clock)
        self.webhooks = Webhooks(self.clock)

    # -- sessions ----------------------------------------------------------------------------

    def session(self, id: str) -> Session:
        """One session, or `Unknown`."""
        return self.records.session(id)

    def live(self) -> list[Session]:
        """Every session that has not ended."""
        return [one for one in self.records.all(SESSION) if not is_terminal(one)]

    @contextmanager
    def ending(self, session: SessionId) -> Generator[None]:
        """While we end an agent, its death is no news, and nobody waits for it to open."""
        self._ending.add(session)
        self._ended.tell()
        if talk := self.conversations.of(session):
            talk.look()
        try:
            yield
        finally:
            self._ending.discard(session)
            self.nudge(session)

    async def told_to_end(self, session: SessionId) -> None:
        """Wait until somebody wants to end it."""
        await self._ended.until(lambda: True if session in self._ending else None)

    def is_ending(self, session: SessionId) -> bool:
        """Whether its death would be our own doing."""
        return session in self._ending

    def alone(self, session: SessionId) -> anyio.Lock:
        """Held by whoever starts, ends or restores the session."""
        return self._locks.setdefault(session, anyio.Lock())

    def policy_of(self, session: Session) -> Policy:
        """How patient its project is; as usual where that is not open."""
        project = self.projects.at_hand(session.project)
        policy = replace(self.policy, course=self.clock.course)
        return patience(project.settings, policy) if project else policy

    async def project_of(self, session: Session) -> Project:
        """The project a session belongs to."""
        return await self.projects.by_id(session.project)

    async def agent_of(self, session: Session) -> Agent[Any]:
        """The agent that works on it."""
        return await self.projects.agent(await self.project_of(session), session.agent)

    async def runtime_of(self, session: Session) -> Runtime[Any]:
        """The runtime its agent runs in."""
        return await self.projects.runtime(await self.project_of(session), session.runtime)

    async def best_receipt(self, session: Session) -> Delivery:
        """The highest receipt that can be had for a message to it."""
        if session.drive is Drive.PROTOCOL:
            return Delivery.ACCEPTED
        return (await self.agent_of(session)).composer().best

    # -- identity ----------------------------------------------------------------------------

    def token(self, session: Session) -> str:
        """What proves that a worker is who it says. Made anew each time, stored nowhere."""
        subject = f"{session.id}/{session.created_at.isoformat()}/{session.generation}"
        return hmac.new(self.home.key, subject.encode(), hashlib.sha256).hexdigest()

    def worker(self, token: str) -> SessionId | None:
        """Whose token this is, if anybody's who still lives."""
        for session in self.live():
            if hmac.compare_digest(self.token(session), token):
                return session.id
        return None

    def worker_face(self, session: Session) -> tuple[tuple[str, ...], dict[str, str]] | None:
        """How a worker starts our own server, bound to its session: command and environment."""
        if not self.worker_command:
            return None
        env = {"AO_SOCKET": str(self.socket), "AO_TOKEN": self.token(session)}
        return self.worker_command, {
            **env,
            "AO_SESSION": session.id,
            "AO_HOME": str(self.home.path),
        }

    # -- waking the loop and the couriers ----------------------------------------------------

    def nudge(self, *sessions: SessionId) -> None:
        """Something about these sessions should be looked at now."""
        self._dirty.update(sessions)
        self._nudged.set()

    async def nudged(self) -> frozenset[SessionId]:
        """Wait for a nudge; tells which sessions it was about."""
        await self._nudged.wait()
        self._nudged = anyio.Event()
        dirty, self._dirty = frozenset(self._dirty), set()
        return dirty

    def pull_due(self, session: SessionId) -> None:
        """What it did may have changed its pull request."""
        self._due.add(session)
        self.nudge(session)

    def is_pull_due(self, session: SessionId) -> bool:
        """Whether somebody said so since this was asked last."""
        due = session in self._due
        self._due.discard(session)
        return due

    def deliver(self, session: SessionId) -> None:
        """See to it that the session's messages are being carried."""
        if session in self.consulting:
            return
        if session not in self._carrying and self.outbox.waiting(session):
            self._carrying.add(session)
            self.tasks.start_soon(self._carry, session)

    async def _carry(self, id: SessionId) -> None:
        try:
            await self.patiently(lambda: self._carry_all(id), f"messages to {id} are delivered")
        except Exception:  # one session's trouble must not end the engine
            _log.exception("messages to %s are held up", id)
        finally:
            self._carrying.discard(id)

    async def _carry_all(self, id: SessionId) -> None:
        await (await self._carrier(self.session(id))).run()

    async def _carrier(self, session: Session) -> "Courier | Herald":
        if session.drive is Drive.PROTOCOL:
            await to_thread.run_sync(import_module, "ao_core.engine.herald")
            from ao_core.engine.herald import Herald

            return Herald(self, session.id)
        runtime, agent = await self.runtime_of(session), await self.agent_of(session)
        return Courier(self.records, self.outbox, session.id, runtime, agent.composer())

    def deliver_all(self) -> None:
        """After a start: carry on with everything that waits."""
        for session in {message.session for message in self.records.all(MESSAGE)}:
            self.deliver(session)

    async def patiently(self, work: Callable[[], Awaitable[object]], what: str) -> None:
        """Do what nobody waits for; where the disk refuses, again until it no longer does."""
        for attempt in count():
            try:
                await work()
                return
            except StoreUnavailable as exc:
                if attempt == 0:
                    _log.warning("%s once there is room: %s", what, exc.message)
                await anyio.sleep(_ROOM_PAUSE)

    async def noted(self, work: Callable[[], Awaitable[object]], what: str) -> None:
        """Write down what became of something: at once, or as soon as the disk allows it."""
        try:
            await work()
        except StoreUnavailable:
            self.tasks.start_soon(self.patiently, work, what)

    async def detached(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something to its end, even if who asked for it goes away meanwhile."""
        done = anyio.Event()
        outcome: list[T | BaseException] = []

        async def through() -> None:
            try:
                outcome.append(await work())
            except Exception as exc:
                outcome.append(exc)
            finally:
                done.set()

        self.tasks.start_soon(through)
        await done.wait()
        if not outcome:
            raise EngineRestarted("The engine is going down.", hint="Repeat the call.")
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    # -- environments ------------------------------------------------------------------------

    def granted(self, session: SessionId) -> Grant | None:
        """What the spawning client gave this worker, while the engine lives."""
        return self.grants.get(session)

    def login(self) -> Mapping[str, str]:
        """The login shell's environment."""
        return self.projects.login
