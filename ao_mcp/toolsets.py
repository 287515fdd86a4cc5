"""Which tools a lead is shown: named sets of them, chosen where the client registers the server.

Standard library only: the relay checks the names, and picks from what it remembers.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ao_core.errors import BadRequest

TOOLSETS: Mapping[str, tuple[str, ...]] = {
    "core": (
        "spawn", "list", "show", "read", "send", "wait", "answer", "review", "merge", "kill",
        "restore", "notify",
    ),
    "issues": ("list_issues", "get_issue", "create_issue", "update_issue"),
    "flow": ("compare", "unsend", "pause", "resume", "interrupt", "transcript"),
    "survey": ("project", "plugins", "events", "about"),
}  # fmt: skip
DEFAULT = ("core", "issues")
ALL = "all"


_SET_OF = {name: one for one, names in TOOLSETS.items() for name in names}


class Offer(NamedTuple):
    """What one client is shown."""

    toolsets: tuple[str, ...] = DEFAULT
    read_only: bool = False

    def has(self, name: str, *, read_only: bool) -> bool:
        """Whether a tool is among them; `read_only` is whether it changes nothing."""
        return _SET_OF.get(name, "core") in self.toolsets and (read_only or not self.read_only)


def absent(offered: Iterable[str]) -> frozenset[str]:
    """The tools of a lead that are not among these."""
    return frozenset(_SET_OF).difference(offered)


def is_tool(name: str) -> bool:
    """Whether it is in one of the sets."""
    return name in _SET_OF


def chosen(text: str) -> tuple[str, ...]:
    """The sets of a list such as `core,flow`; raises `BadRequest` for one there is none of."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if ALL in names:
        return tuple(TOOLSETS)
    for name in names:
        if name not in TOOLSETS:
            raise BadRequest(f"There is no toolset {ascii(name)[:60]}.", hint=_hint(name))
    return tuple(dict.fromkeys(names)) or DEFAULT


def _hint(name: str) -> str:
    from difflib import get_close_matches  # seldom needed, and slow to load

    near = get_close_matches(name, _every(), n=1)
    return f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(_every())}."


def _every() -> tuple[str, ...]:
    return (*TOOLSETS, ALL)
