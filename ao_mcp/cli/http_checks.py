"""What `ao doctor` looks at of HTTP. Binds nothing, and asks nobody."""

from urllib.parse import urlsplit

from ao_core.config.listening import Http, is_loopback
from ao_core.errors import AoError
from ao_core.wire import Message
from ao_mcp.cli.checks import FAIL, NOTE, OK, WARN, Check, failing
from ao_mcp.cli.place import CALL_DEADLINE, Place

_PROXY = (
    "Have a proxy that speaks TLS in front, `host: 127.0.0.1`, and its address as `url`"
    " (docs/clients.md)."
)


def http(place: Place) -> list[Check]:
    """Whether MCP is listened for over HTTP, and whether that is as safe as it can be."""
    from ao_core.config.load import engine_settings
    from ao_mcp.http.tokens import require_safe

    try:
        wanted = engine_settings(place.home, place.environment).http
    except AoError:  # which the check of the configuration tells
        return []
    if not wanted.enabled:
        return [Check("http", NOTE, "off, so MCP clients come over stdio")]
    try:
        require_safe(place.home)
        return [_listens(place), *_exposed(wanted)]
    except AoError as error:
        return [failing("http", error)]


def _listens(place: Place) -> Check:
    connection = place.connect_running()
    if connection is None:
        return Check("http", OK, "on, as soon as the engine runs")
    with connection:
        engine = connection.call("about", {}, CALL_DEADLINE)
    if problem := engine.get("http_problem"):
        return Check("http", FAIL, str(problem), "Then: `ao restart`. No agent ends by it.")
    if url := engine.get("http"):
        return Check("http", OK, f"listens at {url}; `ao token` prints its token")
    return Check("http", WARN, "on, but the engine began before that", "`ao restart`.")


def _exposed(wanted: Http) -> list[Check]:
    """What the network could read along."""
    checks: list[Check] = []
    if not is_loopback(wanted.host):
        found = f"{wanted.host} is no loopback address, and what is said there is not encrypted"
        checks.append(Check("http", WARN, found, _PROXY))
    public = urlsplit(wanted.url) if wanted.url else None
    if public and public.scheme == "http" and not is_loopback(public.hostname or ""):
        found = f"clients are told to use {wanted.url}, which is not encrypted"
        checks.append(Check("http", WARN, found, _PROXY))
    return checks


def webhooks(place: Place) -> list[Check]:
    """Whether hosts tell of changes, and how often one looks all the same."""
    connection = place.connect_running()
    if connection is None:
        return []
    with connection:
        told = connection.call("about", {}, CALL_DEADLINE).get("webhooks", ())
    return [_told(one) for one in told]


def _told(one: Message) -> Check:
    name, last = f"webhooks {one['project']}", f"the last one came at {one['last']}"
    if one["missed"]:
        found = f"{last}, but something of the last hour was not told: looked at every minute"
        return Check(name, WARN, found, "`ao webhook setup` says which events the host is to tell.")
    return Check(name, OK, f"{last}; what is not told is looked for every 10 minutes")
