"""What `ao-mcp` is told on its command line. Standard library only: the relay reads it."""

from collections.abc import Sequence
from typing import NamedTuple

from ao_core.errors import BadRequest
from ao_mcp.toolsets import Offer, chosen

_VALUED, _READ_ONLY = ("--config", "--toolsets"), "--read-only"


class Given(NamedTuple):
    """The configuration that was named, None if none was, and the tools that are wanted."""

    config: str | None
    offer: Offer


def given(arguments: Sequence[str]) -> Given:
    """What a lead's client says; raises `BadRequest`, which has a hint where they are known."""
    options = _options(arguments)
    if options is None:
        raise BadRequest("These arguments make no sense.")
    sets = chosen(options.get("--toolsets", ""))
    return Given(options.get("--config"), Offer(sets, _READ_ONLY in options))


def _options(arguments: Sequence[str]) -> dict[str, str] | None:
    """By name; None where they make no sense."""
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, sign, value = rest.pop(0).partition("=")
        if name in _VALUED and (sign or rest):
            found[name] = value if sign else rest.pop(0)
        elif name == _READ_ONLY and not sign:
            found[name] = ""
        else:
            return None
    return found
