"""The spool: one file per event that an agent's hook reports. Standard library only.

A hook writes a temporary file and renames it, since appending tears; so a file that is there is
whole. What it says is a claim, to be held against what else is seen.
"""

import json
import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import cast

from ao_core.errors import BadRequest

LIMIT = 64 * 1024
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
    BLOCKED = "blocked"
    ACCEPTED = "accepted"
    REPORTED = "reported"
    PERMISSION_ASKED = "permission_asked"
    PERMISSION_ENDED = "permission_ended"


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
    try:
        names = [name for name in os.listdir(folder) if _NAME.fullmatch(name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in sorted(names, key=_order)]


def read(path: Path) -> HookEvent:
    """Read one file, if it is a plain file of the right size, and remove nothing."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as exc:
        raise BadRequest(f"a hook's file cannot be read: {exc.strerror}", hint=_HINT) from exc
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadRequest("a hook's file is no plain file", hint=_HINT)
        return parse(path.name, file.read(LIMIT + 1))


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
    if len(data) > LIMIT:
        raise BadRequest(f"a hook's event is longer than {LIMIT} bytes", hint=_HINT)
    try:
        loaded: object = json.loads(data.decode())
    except (ValueError, RecursionError) as exc:
        raise BadRequest("a hook's event is no JSON", hint=_HINT) from exc
    values = cast("dict[str, object]", loaded) if isinstance(loaded, dict) else {}
    texts = {key: value for key, value in values.items() if isinstance(value, str)}
    if not texts or len(texts) != len(values):
        raise BadRequest("a hook's event is not an object of texts", hint=_HINT)
    return texts


def _kind(text: str) -> HookKind:
    try:
        return HookKind(text)
    except ValueError as exc:
        raise BadRequest("a hook's event is of no known kind", hint=_HINT) from exc


def _clean(text: str | None) -> str | None:
    from ao_core.redact import visible  # costs an import that writers do not need

    return text if text is None else visible(text, LIMIT)


def _order(name: str) -> tuple[int, str]:
    stamp, _, rest = name.partition("-")
    return int(stamp), rest
