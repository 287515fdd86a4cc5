"""What somebody's entry says: the program or the address that it leads to, and whether it is on.

The clients name the same things differently. Nothing here is taken on trust: people write them.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast
from urllib.parse import urlsplit, urlunsplit

Said: TypeAlias = Mapping[str, object]

# Gemini CLI, Windsurf and goose have words of their own
_ADDRESSES = ("url", "httpUrl", "serverUrl", "uri")


def said(entry: object) -> Said:
    """What it says by name; nothing, if it is no such thing."""
    return cast("Said", entry) if isinstance(entry, Mapping) else {}


def command_of(entry: object) -> str:
    """The program that it starts, empty if it says none."""
    return next(iter(_words(entry)), "")


def args_of(entry: object) -> Sequence[str]:
    """What that program is given."""
    more = said(entry).get("args")
    return [*_words(entry)[1:], *(_texts(cast("list[object]", more)) if _is_list(more) else [])]


def address_of(entry: object) -> str:
    """Where it leads to over HTTP, empty if it starts a program."""
    known = (said(entry).get(name) for name in _ADDRESSES)
    return "" if command_of(entry) else next((one for one in known if isinstance(one, str)), "")


def is_off(entry: object) -> bool:
    """Whether its client leaves it alone."""
    return said(entry).get("enabled") is False or said(entry).get("disabled") is True


def bare(address: str) -> str:
    """An address without what may be secret in it: a password, a query."""
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _words(entry: object) -> list[str]:
    """The program, and what stands behind it in the same list."""
    found = said(entry).get("command", said(entry).get("cmd"))
    if _is_list(found):
        return _texts(cast("list[object]", found))
    return [found] if isinstance(found, str) and found else []


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _texts(values: Sequence[object]) -> list[str]:
    return [str(one) for one in values]
