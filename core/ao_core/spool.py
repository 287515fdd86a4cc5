"""The spool: one file per event that an agent's hook reports. Standard library only.

A hook writes a temporary file and renames it, since appending tears; so a file that is there is
whole. What it says is a claim, to be held against what else is seen.

There are two kinds: `<nanoseconds>-<random>.json` says something in our words, and
`<hook>.<random>.raw` holds what a hook of an agent's own was told, for that agent's plugin to read.
"""

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import cast

from ao_core.errors import BadRequest

LIMIT, RAW_LIMIT = 64 * 1024, 4 * 1024 * 1024
_RAW = re.compile(r"(?P<hook>[A-Za-z][A-Za-z_-]{0,39})\.(?P<random>[A-Za-z0-9]{1,32})\.raw")
_NAME = re.compile(r"(?P<ns>[0-9]{18,19})-(?P<random>[A-Za-z0-9]{1,32})\.json")
_FIELDS = frozenset({"kind", "id", "text", "token", "native_id", "tool", "arguments", "state"})
_PLAIN = {
    "id": re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}"),
    "token": re.compile(r"[A-Za-z0-9]{1,64}"),
    "native_id": re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}"),
    "tool": re.compile(r"[A-Za-z0-9_][\w .:/()*-]{0,199}", re.ASCII),
    "state": re.compile(r"working|done|blocked"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HINT = "See ao_core.spool for what a hook may drop."


class HookKind(StrEnum):
    """What a hook can tell of."""

    SESSION_STARTED = "session_started"
    TURN_STARTED = "turn_started"
    TURN_ENDED = "turn_ended"
    WAITING_INPUT = "waiting_input"
    ASKED = "asked"
    BLOCKED = "blocked"
    ACCEPTED = "accepted"
    REPORTED = "reported"
    PERMISSION_ASKED = "permission_asked"
    PERMISSION_ENDED = "permission_ended"
    PULL_OPENED = "pull_opened"


@dataclass(frozen=True, slots=True)
class HookEvent:
    """One event. Its id is the request's own for permissions, else made from the file's name.

    `token` names the message that was accepted; `arguments` is shown, never run; `state` is how
    the work stands by a report.
    """

    id: str
    kind: HookKind
    at: datetime
    text: str | None = None
    token: str | None = None
    native_id: str | None = None
    tool: str | None = None
    arguments: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """What one of an agent's own hooks was told, word for word, and when."""

    id: str
    hook: str
    at: datetime
    payload: Mapping[str, object]

    def text(self, *names: str) -> str:
        """The text at the end of these names; nothing where there is none."""
        inside: Mapping[str, object] = self.payload
        for name in names[:-1]:
            found = inside.get(name)
            inside = cast("dict[str, object]", found) if isinstance(found, dict) else {}
        value = inside.get(names[-1])
        return value if isinstance(value, str) else ""

    def event(self, kind: HookKind, text: str = "", **more: str) -> HookEvent:
        """The same in our words; what of it is odd is left out."""
        known = {
            name: value for name, value in more.items()
            if value and (name not in _PLAIN or _PLAIN[name].fullmatch(value))
        }  # fmt: skip
        if "arguments" in known:
            known["arguments"] = _clean(known["arguments"][:LIMIT]) or ""
        return HookEvent(known.pop("id", self.id), kind, self.at, _clean(text[:LIMIT]), **known)


def parse(name: str, data: bytes) -> HookEvent:
    """Read one file's content strictly; its name says when. Anything odd is a `BadRequest`."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise BadRequest("a hook's file has another name", hint="Use <nanoseconds>-<random>.json.")
    values = _strings(data)
    if unknown := values.keys() - _FIELDS:
        raise BadRequest(f"a hook's event has unknown fields: {len(unknown)}", hint=_HINT)
    for field, pattern in _PLAIN.items():
        if field in values and not pattern.fullmatch(values[field]):
            raise BadRequest(f"a hook's event has an odd {field}", hint=_HINT)
    return HookEvent(
        id=values.get("id") or f"{found['ns']}-{found['random']}",
        kind=_kind(values.get("kind", "")),
        at=_EPOCH + timedelta(microseconds=int(found["ns"]) // 1000),
        text=_clean(values.get("text")),
        token=values.get("token"),
        native_id=values.get("native_id"),
        tool=values.get("tool"),
        arguments=_clean(values.get("arguments")),
        state=values.get("state"),
    )


def pending(folder: Path) -> list[Path]:
    """The events that wait in a folder, oldest first."""
    found: list[tuple[int, str]] = []
    try:
        with os.scandir(folder) as entries:
            found = [(when, entry.name) for entry in entries if (when := _when(entry)) is not None]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for _, name in sorted(found)]


def is_raw(path: Path) -> bool:
    """Whether a file is of the kind that an agent's plugin reads."""
    return path.suffix == ".raw"


def read(path: Path) -> HookEvent:
    """Read one file, if it is a plain file of the right size, and remove nothing."""
    data, _ = contents(path, LIMIT)
    return parse(path.name, data)


def read_raw(path: Path) -> Raw:
    """Read one file of the other kind, in the same way."""
    found = _RAW.fullmatch(path.name)
    if found is None:
        raise BadRequest("a hook's file has another name", hint="Use <hook>.<random>.raw.")
    data, written = contents(path, RAW_LIMIT)
    at = _EPOCH + timedelta(microseconds=written // 1000)
    id = f"{written:018d}-{found['random']}"
    return Raw(id, found["hook"], at, _object(data, RAW_LIMIT))


def contents(path: Path, limit: int) -> tuple[bytes, int]:
    """What is in a plain file, no more than shows that it is too much; and when it was written."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as exc:
        raise BadRequest(f"a hook's file cannot be read: {exc.strerror}", hint=_HINT) from exc
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise BadRequest("a hook's file is no plain file", hint=_HINT)
        return file.read(limit + 1), about.st_mtime_ns


def drop(folder: Path, event: HookEvent) -> Path:
    """Put one event into the folder, whole or not at all; text that is too long is cut."""
    stamp = (event.at - _EPOCH) // timedelta(microseconds=1) * 1000
    name = f"{stamp:018d}-{os.urandom(6).hex()}.json"
    temporary = folder / f".{name}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(_encode(event))
        os.replace(temporary, folder / name)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return folder / name


def _encode(event: HookEvent) -> bytes:
    room = LIMIT
    while True:
        values = {
            "kind": event.kind.value,
            "id": event.id,
            "text": event.text and event.text[:room],
            "token": event.token,
            "native_id": event.native_id,
            "tool": event.tool,
            "arguments": event.arguments and event.arguments[:room],
            "state": event.state,
        }
        data = json.dumps({key: value for key, value in values.items() if value}).encode()
        if len(data) <= LIMIT:
            return data
        room //= 2


def _strings(data: bytes) -> dict[str, str]:
    values = _object(data, LIMIT)
    texts = {key: value for key, value in values.items() if isinstance(value, str)}
    if not texts or len(texts) != len(values):
        raise BadRequest("a hook's event is not an object of texts", hint=_HINT)
    return texts


def _object(data: bytes, limit: int) -> dict[str, object]:
    if len(data) > limit:
        raise BadRequest(f"a hook's event is longer than {limit} bytes", hint=_HINT)
    try:
        loaded: object = json.loads(data.decode())
    except (ValueError, RecursionError) as exc:
        raise BadRequest("a hook's event is no JSON", hint=_HINT) from exc
    return cast("dict[str, object]", loaded) if isinstance(loaded, dict) else {}


def _kind(text: str) -> HookKind:
    try:
        return HookKind(text)
    except ValueError as exc:
        raise BadRequest("a hook's event is of no known kind", hint=_HINT) from exc


def _clean(text: str | None) -> str | None:
    from ao_core.redact import visible  # costs an import that writers do not need

    return text if text is None else visible(text, LIMIT)


def _when(entry: os.DirEntry[str]) -> int | None:
    """When an event was told; None for what is no event."""
    if _NAME.fullmatch(entry.name):
        return int(entry.name.partition("-")[0])
    if _RAW.fullmatch(entry.name):
        return entry.stat(follow_symlinks=False).st_mtime_ns
    return None
