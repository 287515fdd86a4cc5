"""What `ao doctor` tells of the hosts that are asked."""

from ao_core.errors import AoError
from ao_mcp.cli.checks import OK, WARN, Check
from ao_mcp.cli.place import CALL_DEADLINE, Place

_SPARE = "Fewer workers, webhooks (docs/github.md), or a token of the engine's own."


def hosts(place: Place) -> list[Check]:
    """What each still lets us ask; one that is asked less often is told apart."""
    try:
        connection = place.connect_running()
        if connection is None:
            return []
        with connection:
            told = connection.call("about", {}, CALL_DEADLINE)
    except AoError:  # which the check of the engine tells
        return []
    slow = set(told.get("slow_hosts", ()))
    found = [str(one).partition(": ") for one in told.get("hosts", ())]
    return [
        Check(f"host {name}", WARN, left, _SPARE) if f"{name}: {left}" in slow
        else Check(f"host {name}", OK, left)
        for name, _, left in found
    ]  # fmt: skip
