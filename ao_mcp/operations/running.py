"""`stop`, `about`, `events`, `trust`: what people do with the engine itself; no lead's tools."""

import os
from typing import Annotated

from pydantic import Field

from ao_core.allowance import states
from ao_core.config.trust import code_digest, is_trusted, trust
from ao_core.engine.asking_github import asked_github
from ao_core.engine.host_limits import in_words
from ao_core.engine.outlets import Failing, failing
from ao_core.engine.reading import line_of
from ao_core.engine.stop import left
from ao_core.engine.stop import stop as engine_stop
from ao_core.engine.webhooks import Told
from ao_core.errors import AoError, BadRequest
from ao_core.ids import project_id
from ao_core.store.records import SESSION
from ao_mcp.operations.contract import PEOPLE, Call, Operation, Reply, Request
from ao_mcp.operations.shapes import ProjectName


class Stop(Request):
    """What to stop."""

    project: ProjectName = None


class Stopped(Reply):
    """Which agents were ended. Their workspaces and branches stay as they are."""

    sessions: tuple[str, ...]
    stubborn: tuple[str, ...] = Field(default=(), description="Those that would not end.")
    engine: bool = Field(description="Whether the engine goes down, too.")


async def _stop(call: Call, asked: Stop) -> Stopped:
    chosen = project_id(asked.project) if asked.project else None
    done = await engine_stop(call.engine, chosen)
    if chosen is None:
        call.engine.stopping.set()
    return Stopped(sessions=done.sessions, stubborn=done.stubborn, engine=chosen is None)


STOP = Operation(
    name="stop",
    title="Stop",
    description="End all agents, remember them for the next start, and stop the engine.",
    request=Stop,
    reply=Stopped,
    run=_stop,
    destructive=True,
    tool=False,
    roles=PEOPLE,
)


class About(Request):
    """Nothing to ask."""


class Telling(Reply):
    """One project whose host tells of changes."""

    project: str
    last: str
    missed: bool = Field(description="Whether a change of the last hour was not told of.")


class Engine(Reply):
    """The engine as it runs."""

    pid: int
    home: str
    home_id: str
    sessions: int
    live: int
    events: int = Field(description="The number of the journal's last line.")
    first: int = Field(description="The number of the first line that is kept.")
    snapshots: int = Field(description="How many pieces of saved work are kept in git.")
    stopped: dict[str, tuple[str, ...]] = Field(
        description="Who went down with a stop or the machine, by project, and is still wanted."
    )
    asked_github: dict[str, int] = Field(
        default_factory=dict[str, int],
        description="Commands of `gh` that live workers have run, by session.",
    )
    failing: tuple[str, ...] = Field(
        default=(), description="Notifiers whose notes do not arrive, since when, and why."
    )
    webhooks: tuple[Telling, ...] = Field(
        default=(), description="Projects whose host tells of changes, and when it last did."
    )
    http: str | None = Field(default=None, description="The address of MCP over HTTP, if it is on.")
    http_problem: str | None = Field(default=None, description="Why it does not listen there.")
    hosts: tuple[str, ...] = Field(default=(), description="What each host still lets us ask.")
    slow_hosts: tuple[str, ...] = Field(default=(), description="Those that are asked less often.")


async def _about(call: Call, asked: About) -> Engine:
    engine = call.engine
    return Engine(
        pid=os.getpid(),
        home=str(engine.home.path),
        home_id=engine.home.id,
        sessions=sum(1 for _ in engine.records.all(SESSION)),
        live=len(engine.live()),
        events=engine.records.head,
        first=engine.records.store.first,
        snapshots=sum(len(one.salvage) for one in engine.records.all(SESSION)),
        stopped={str(id): sessions for id, sessions in left(engine).items()},
        asked_github=await asked_github(engine),
        failing=tuple([_failing(one) for one in await failing(engine)]),
        webhooks=tuple(map(_telling, engine.webhooks.told())),
        http=engine.http or None,
        http_problem=_problem(engine.http_problem),
        hosts=tuple(in_words(one) for one in states()),
        slow_hosts=tuple(in_words(one) for one in states() if one.slow),
    )


def _telling(one: Told) -> Telling:
    last = one.at.isoformat(timespec="seconds")
    return Telling(project=one.project, last=last, missed=one.missed)


def _failing(one: Failing) -> str:
    since = one.trouble.since.isoformat(timespec="seconds")
    return f"{one.notifier} of {one.project} has failed since {since}: {one.trouble.why}"


def _problem(error: AoError | None) -> str | None:
    return " ".join(filter(None, (error.message, error.hint))) if error else None


ABOUT = Operation(
    name="about",
    title="The engine",
    description=(
        "Facts about the running engine. Instead of `list` when it is not the team that matters."
    ),
    request=About,
    reply=Engine,
    run=_about,
    read_only=True,
    tool=False,
)


class Events(Request):
    """Which part of the journal."""

    after: Annotated[
        int, Field(ge=0, description="The cursor of the last reply; 0: from the first line kept.")
    ] = 0
    limit: Annotated[int, Field(ge=1, le=1_000)] = 200
    session: Annotated[str | None, Field(max_length=60)] = None


class Journal(Reply):
    """Lines of the journal."""

    lines: tuple[str, ...]
    cursor: int


async def _events(call: Call, asked: Events) -> Journal:
    lines: list[str] = []
    cursor = asked.after
    async for event in call.engine.records.follow(asked.after, live=False):
        cursor = event.seq
        if asked.session in (None, event.session):
            lines.append(line_of(event))
        if len(lines) >= asked.limit:
            break
    return Journal(lines=tuple(lines), cursor=cursor)


EVENTS = Operation(
    name="events",
    title="The journal",
    description=(
        "What happened, line by line. Instead of `read` with `what: events` when it is not of one"
        " worker alone."
    ),
    request=Events,
    reply=Journal,
    run=_events,
    read_only=True,
    tool=False,
)


class TrustAsked(Request):
    """Which project's code-bearing settings to trust."""

    project: ProjectName = None
    digest: Annotated[
        str | None, Field(description="What was shown; leave out to be shown it.", max_length=100)
    ] = None


class Trusted(Reply):
    """What is, or would be, trusted."""

    digest: str
    lines: tuple[str, ...]
    trusted: bool


async def _trust(call: Call, asked: TrustAsked) -> Trusted:
    settings, path = await call.engine.projects.settings_for(call.caller, asked.project)
    bearing = code_digest(settings)
    store = call.engine.records.store
    if path is None or asked.digest is None:
        known = path is not None and await is_trusted(store, path, bearing.digest)
        return Trusted(digest=bearing.digest, lines=bearing.lines, trusted=known)
    if asked.digest != bearing.digest:
        raise BadRequest("The settings changed since they were shown.", hint="Look again.")
    await trust(store, call.engine.clock, path, bearing.digest)
    return Trusted(digest=bearing.digest, lines=bearing.lines, trusted=True)


TRUST = Operation(
    name="trust",
    title="Trust a configuration",
    description="Let the commands of a project's configuration be run.",
    request=TrustAsked,
    reply=Trusted,
    run=_trust,
    tool=False,
    roles=PEOPLE,
    positional=("project",),
)
