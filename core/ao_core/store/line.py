"""One commit as one line of a journal file: JSON, with a checksum over all that follows it.

A line says which commit it is, and with which one the write began that it was part of: a write is
on the disk as a whole before the next one begins. So a line that cannot be read, with nothing after
it but lines of the same write, is what a crash left of a write that nobody was told of; anything
else that cannot be read is damage.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, cast

_OPENING = b'{"sum":"'
_AFTER_SUM = b'",'
_SUM = 16  # hexadecimal digits
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # people read it
_START = len(_OPENING) + _SUM + len(_AFTER_SUM)


class Damaged(Exception):
    """A line that is not as it was written."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A record as a commit left it; no body means that it is gone."""

    kind: str
    id: str
    revision: int
    body: str | None


@dataclass(frozen=True, slots=True)
class Noted:
    """An event with its number."""

    seq: int
    kind: str
    project: str | None
    session: str | None
    body: str


@dataclass(frozen=True, slots=True)
class Held:
    """A lease and who holds it."""

    key: str
    holder: str
    token: int
    expires: float


@dataclass(frozen=True, slots=True)
class Ends:
    """The journal's first number that is kept and its last, where a commit sets them."""

    first: int
    head: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One commit."""

    number: int
    at: str
    edits: tuple[Edit, ...] = ()
    events: tuple[Noted, ...] = ()
    leases: tuple[Held, ...] = ()
    ends: Ends | None = None


def sealed(text: str) -> bytes:
    """A line of JSON, given what stands between its braces."""
    rest = f"{text}}}".encode()
    return b"".join((_OPENING, _checksum(rest), _AFTER_SUM, rest, b"\n"))


def unsealed(line: bytes) -> dict[str, Any]:
    """The object that a line is; raises `Damaged`."""
    rest = line[_START:-1]
    if line != b"".join((_OPENING, _checksum(rest), _AFTER_SUM, rest, b"\n")):
        raise Damaged
    try:
        return cast("dict[str, Any]", json.loads(line))
    except (ValueError, RecursionError) as exc:  # sealed by something else than this
        raise Damaged from exc


def written(entry: Entry, batch: int) -> bytes:
    """A commit as its line, in a write that began with commit `batch`."""
    parts = [f'"commit":{entry.number},"write":{batch},"at":{_text(entry.at)}']
    parts += _list("changes", map(_edit, entry.edits))
    parts += _list("events", map(_noted, entry.events))
    parts += _list("leases", map(lease_text, entry.leases))
    if entry.ends:
        parts.append(f'"first":{entry.ends.first},"head":{entry.ends.head}')
    return sealed(",".join(parts))


def read(line: bytes) -> tuple[Entry, int]:
    """The commit of a line, and the one its write began with; raises `Damaged`."""
    found = unsealed(line)
    try:
        ends = Ends(found["first"], found["head"]) if "first" in found else None
        entry = Entry(
            found["commit"],
            found["at"],
            tuple([read_edit(one) for one in found.get("changes", ())]),
            tuple([_read_noted(one) for one in found.get("events", ())]),
            tuple([Held(**one) for one in found.get("leases", ())]),
            ends,
        )
        return entry, found["write"]
    except (KeyError, TypeError, AttributeError) as exc:
        raise Damaged from exc


def edit_text(edit: Edit) -> str:
    """A record as JSON, its body readable inside."""
    value = "" if edit.body is None else f',"value":{edit.body}'
    return f'"kind":{_text(edit.kind)},"id":{_text(edit.id)},"revision":{edit.revision}{value}'


def read_edit(found: Mapping[str, Any]) -> Edit:
    """A record from JSON; raises `KeyError`."""
    body = _text(found["value"]) if "value" in found else None
    return Edit(found["kind"], found["id"], found["revision"], body)


def lease_text(lease: Held) -> str:
    """A lease as a JSON object."""
    return _text(asdict(lease))


def _edit(edit: Edit) -> str:
    return f"{{{edit_text(edit)}}}"


def _noted(event: Noted) -> str:
    whom = {"project": event.project, "session": event.session}
    about = "".join(f',"{name}":{_text(one)}' for name, one in whom.items() if one is not None)
    return f'{{"number":{event.seq},"kind":{_text(event.kind)}{about},"body":{event.body}}}'


def _read_noted(found: Mapping[str, Any]) -> Noted:
    who = (found.get("project"), found.get("session"))
    return Noted(found["number"], found["kind"], *who, _text(found["body"]))


def _list(name: str, items: Iterable[str]) -> list[str]:
    joined = ",".join(items)
    return [f'"{name}":[{joined}]'] if joined else []


def _text(value: object) -> str:
    return _JSON.encode(value)


def _checksum(data: bytes) -> bytes:
    return blake2b(data, digest_size=_SUM // 2).hexdigest().encode()
