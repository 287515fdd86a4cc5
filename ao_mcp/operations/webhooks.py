"""`webhook` and `deliveries`: how a host is to tell of changes, and what it has told."""

from typing import Annotated, cast
from urllib.parse import urlsplit

import anyio
from pydantic import Field

from ao_core.config.listening import PATH, WEBHOOKS, is_loopback
from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.engine.webhook_secrets import made_secret, secret_of
from ao_core.engine.webhooks import Heard
from ao_core.errors import BadRequest, WrongState
from ao_core.redact import visible
from ao_core.slots.scm import Hookable, Hooked
from ao_mcp.operations.contract import PEOPLE, Call, Operation, Reply, Request
from ao_mcp.operations.shapes import ProjectName

_ON = "`http: {enabled: true}` in the home's config.yaml turns it on; then `ao restart`."
_PUBLIC = "Say with `--url` where the host reaches this machine, such as https://ao.example.com."
_BY_HAND = "Set it up by hand: leave out `--write` to see what to enter."


class WebhookAsked(Request):
    """Which project is to be told, and where."""

    project: ProjectName = None
    url: Annotated[
        str | None,
        Field(description="Where the host reaches this machine.", max_length=1_000),
    ] = None
    write: Annotated[bool, Field(description="Order it from the host.")] = False
    new: Annotated[bool, Field(description="With another secret than before.")] = False


class WebhookShown(Reply):
    """What to enter at the host."""

    project: str
    scm: str
    repository: str
    url: str | None = Field(default=None, description="The address to deliver to.")
    content_type: str = "application/json"
    secret: str
    events: tuple[str, ...]
    done: str | None = Field(default=None, description="What was ordered from the host.")
    problem: str | None = Field(default=None, description="Why it does not arrive yet.")
    relay: str | None = Field(default=None, description="What brings it here all the same.")


async def _webhook(call: Call, asked: WebhookAsked) -> WebhookShown:
    engine = call.engine
    project = await engine.projects.for_caller(call.caller, asked.project)
    scm = project.scm
    if not isinstance(scm, Hooked):
        hint = "Choose one that does, as `scm` of the project."
        raise WrongState(f"{scm.name} tells of nothing by webhooks.", hint=hint)
    hooked = cast("Hooked", scm)
    own = _address(engine.http, project) if engine.http else None
    url = _named(asked.url, project) if asked.url else own
    is_public = url is not None and not _is_here(url)
    if asked.write:
        _require_order(project, url, wished=is_public or asked.url is not None)
    secret = None if asked.new else await secret_of(engine, project)
    secret = secret or await made_secret(engine, project)
    done = None
    if asked.write:
        done = await cast("Hookable", scm).hook(str(url), secret)
    return WebhookShown(
        project=project.id,
        scm=scm.name,
        repository=hooked.repository,
        url=url,
        secret=secret,
        events=tuple(hooked.events),
        done=done,
        problem=_problem(engine, is_public=is_public),
        relay=hooked.relayed(own) if own and not is_public else None,
    )


def _address(served: str, project: Project) -> str:
    """Where it is listened: beside MCP, wherever a proxy has put that."""
    return served.removesuffix(PATH) + WEBHOOKS + project.scm.name


def _named(url: str, project: Project) -> str:
    """What a person named: the machine, or the whole address."""
    parts = urlsplit(url)
    sound = parts.scheme == "https" or (parts.scheme == "http" and _is_here(url))
    if not sound or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise BadRequest("That is no address for webhooks.", hint=_PUBLIC)
    own = WEBHOOKS + project.scm.name
    return url if parts.path.endswith(own) else url.rstrip("/") + own


def _is_here(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def _require_order(project: Project, url: str | None, *, wished: bool) -> None:
    if not isinstance(project.scm, Hookable):
        raise WrongState(f"{project.scm.name} takes no orders from here.", hint=_BY_HAND)
    if url is None or not wished:
        raise BadRequest("The host could not reach this address.", hint=_PUBLIC)


def _problem(engine: Engine, *, is_public: bool) -> str | None:
    if not engine.http:
        return f"HTTP is off. {_ON}"
    return None if is_public else f"Only this machine reaches this address. {_PUBLIC}"


WEBHOOK = Operation(
    name="webhook",
    title="Set up a webhook",
    description="What a host needs to know to tell of changes by itself.",
    request=WebhookAsked,
    reply=WebhookShown,
    run=_webhook,
    idempotent=True,
    open_world=True,
    tool=False,
    roles=PEOPLE,
)


class DeliveriesAsked(Request):
    """From where on, and how long to wait for one."""

    after: Annotated[int, Field(ge=0, description="The cursor of the last reply.")] = 0
    seconds: Annotated[float, Field(ge=0, le=50)] = 0.0


class Delivered(Reply):
    """One delivery, and what was made of it."""

    at: str
    scm: str
    made_of_it: str
    event: str
    repository: str
    sessions: tuple[str, ...]
    delivery: str


class Deliveries(Reply):
    """What hosts have delivered while this engine runs."""

    deliveries: tuple[Delivered, ...]
    cursor: int


async def _deliveries(call: Call, asked: DeliveriesAsked) -> Deliveries:
    books = call.engine.webhooks
    found = books.after(asked.after)
    if not found:
        with anyio.move_on_after(asked.seconds):
            found = await books.news(asked.after)
    cursor = found[-1].number if found else asked.after
    return Deliveries(deliveries=tuple(map(_delivered, found)), cursor=cursor)


def _delivered(one: Heard) -> Delivered:
    return Delivered(
        at=one.at.isoformat(timespec="seconds"),
        scm=one.scm,
        made_of_it=one.reception,
        event=visible(one.event, 100),
        repository=visible(one.repository, 200),
        sessions=one.sessions,
        delivery=visible(one.delivery, 100),
    )


DELIVERIES = Operation(
    name="deliveries",
    title="What webhooks told",
    description="What hosts have delivered lately, and what was made of it.",
    request=DeliveriesAsked,
    reply=Deliveries,
    run=_deliveries,
    read_only=True,
    tool=False,
    roles=PEOPLE,
)
