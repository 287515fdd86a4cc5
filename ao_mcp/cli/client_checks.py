"""What `ao doctor` looks at of the MCP clients on this machine."""

from collections.abc import Mapping

from ao_mcp.cli.checks import NOTE, OK, WARN, Check
from ao_mcp.cli.install import machine_of
from ao_mcp.cli.place import Place
from ao_mcp.clients import launch
from ao_mcp.clients.known import CLIENTS
from ao_mcp.clients.standing import Standing, State, standing

_BY_HAND = "Mend that file; `{} --print` shows what it needs."
_REMEDIES: Mapping[State, str] = {
    "missing": "{}",
    "off": "Switch it on in that file.",
    "another": "{} --force",
    "gone": "{} --force",
    "refused": _BY_HAND,
    "unreadable": _BY_HAND,
}
_DELIBERATE: tuple[State, ...] = ("missing", "off")


def clients(place: Place) -> list[Check]:
    """Our server, and each client that is here: whether it would start it."""
    found = [standing(client, machine_of(place)) for client in CLIENTS.values()]
    return [_program(place), *(_check(one) for one in found if one.here)]


def _program(place: Place) -> Check:
    """How a lead gets its tools."""
    found = launch.own(machine_of(place))
    if found is None:
        return Check("mcp", WARN, "there is no ao-mcp", "Install ao-mcp again.")
    if machine_of(place).program(launch.PROGRAM) is None:
        remedy = "`ao install` writes its full path."
        return Check("mcp", WARN, f"{found} is not on PATH", remedy)
    return Check("mcp", OK, f"clients start {found}")


def _check(one: Standing) -> Check:
    name = f"mcp {one.client.name}"
    if one.state == "registered":
        return Check(name, OK, one.told)
    state = NOTE if one.state in _DELIBERATE else WARN
    return Check(name, state, one.told, _remedy(one))


def _remedy(one: Standing) -> str:
    """What mends the entry that counts, which need not be the user's."""
    name, found = one.client.name, one.entry
    if found and found.nested and one.state in ("another", "gone"):
        return "claude mcp remove --scope local ao"
    scope = " --scope project" if found and found.scope == "project" else ""
    return _REMEDIES[one.state].format(f"ao install --client {name}{scope}")
