"""Identifiers, checked once at the door. Standard library only: the relay imports it.

Nothing reaches a path, a shell, a tmux target or a ref without having come through here.
"""

import os
import re
import time
from typing import NewType

from ao_core.errors import BadId

SessionId = NewType("SessionId", str)
ProjectId = NewType("ProjectId", str)
BranchName = NewType("BranchName", str)
HomeId = NewType("HomeId", str)

_SESSION = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}-[1-9][0-9]{0,8}")
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_HOME = re.compile(r"[0-9a-f]{8}")
_RECORD = re.compile(r"[a-z][a-z0-9]{0,15}(-[a-z0-9]{1,32}){1,3}")
_BRANCH_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)")
_LENGTH_LIMIT = 200
_SHOWN_LIMIT = 60
_PREFIX_LIMIT = 16
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def session_id(text: str) -> SessionId:
    """Check a session's name: `<prefix>-<n>`."""
    if not _SESSION.fullmatch(text):
        raise _bad("session", text, "A session is named like `app-12`; `list` shows them.")
    return SessionId(text)


def project_id(text: str) -> ProjectId:
    """Check a project's name, which is also a folder's name."""
    if not _PROJECT.fullmatch(text):
        raise _bad("project", text, "Use up to 64 letters, digits, `_` and `-`.")
    return ProjectId(text)


def home_id(text: str) -> HomeId:
    """Check the name by which a home signs its refs."""
    if not _HOME.fullmatch(text):
        raise _bad("home", text, "A home is named by 8 hexadecimal digits.")
    return HomeId(text)


def record_id(text: str) -> str:
    """Check a name made by `new_id`."""
    if not _RECORD.fullmatch(text):
        raise _bad("record", text, "Use the id exactly as it was returned.")
    return text


def branch_name(text: str) -> BranchName:
    """Check a branch as git does, and refuse what git would read as an option or as HEAD."""
    if not _is_branch(text):
        hint = "Use a name that `git check-ref-format --branch` accepts, at most 200 bytes."
        raise _bad("branch", text, hint)
    return BranchName(text)


def issue_id(text: str) -> str:
    """Check an issue's name, such as `3`, `#12`, `INT-1` or `group/name#4`. For paths: `slug`."""
    parts = re.split(r"[/\\]", text[: _LENGTH_LIMIT + 1])
    if not _is_line(text) or text[0] in "-./\\" or ".." in parts:
        raise _bad("issue", text, "Use the id as the tracker shows it, such as `12` or `INT-1`.")
    return text


def request_key(text: str) -> str:
    """Check the key that makes a request repeatable."""
    if not _is_line(text):
        raise _bad("key", text, "Use 1 to 200 printable characters.")
    return text


def slug(text: str, limit: int = 40) -> str:
    """Make any text harmless as a part of a path or branch. Different texts may meet."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text[: limit * 4]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:limit].rstrip("-") or "x"


def session_prefix(folder_name: str) -> str:
    """Derive the prefix of a project's sessions: `AgentTeam` -> `at`, `my-app` -> `ma`."""
    name = folder_name[:_LENGTH_LIMIT]
    words = re.findall(r"[A-Za-z0-9]+", name)
    capitals = re.findall(r"[A-Z]", name)
    if len(name) <= 4:
        short = "".join(words)
    elif len(capitals) > 1:
        short = "".join(capitals)
    elif len(words) > 1:
        short = "".join(word[0] for word in words)
    else:
        short = "".join(words)[:3]
    return short.lower()[:_PREFIX_LIMIT] or "ao"


def session_number(session: SessionId) -> int:
    """The `<n>` of `<prefix>-<n>`."""
    return int(session.rpartition("-")[2])


def new_branch(session: SessionId, hint: str | None = None) -> BranchName:
    """Name a branch no other home will choose, even for the same issue."""
    stem = f"ao/{session}" if hint is None else branch_name(hint)
    return branch_name(f"{stem}-{_random(6)}")


def snapshot_ref(home: HomeId, session: SessionId, n: int) -> str:
    """Name the ref that keeps a session's saved work."""
    if n < 0:
        raise _bad("snapshot", str(n), "Snapshots are counted from 0.")
    return f"refs/ao/{home_id(home)}/{session_id(session)}/{n}"


def train_ref(home: HomeId, train: str) -> str:
    """Name the ref that keeps a merge train's result."""
    return f"refs/ao/{home_id(home)}/train/{record_id(train)}"


def new_home_id() -> HomeId:
    """Name a home."""
    return HomeId(os.urandom(4).hex())


def new_token(bytes: int = 16) -> str:
    """Make a secret that nobody can guess."""
    return os.urandom(bytes).hex()


def new_id(prefix: str) -> str:
    """Make a unique name that sorts by time, such as `msg-<ns>-<random>`."""
    return record_id(f"{prefix}-{time.time_ns():016x}-{_random(8)}")


def folder_hash(path: str | os.PathLike[str]) -> str:
    """Name a folder by its path, in 12 characters."""
    return _sha256(os.fsencode(path))[:12]


def _is_branch(text: str) -> bool:
    return not (
        not text.isprintable()
        or len(text.encode()) > _LENGTH_LIMIT
        or text in ("", "@", "HEAD")
        or text.startswith(("-", ".", "/"))
        or text.endswith((".", "/"))
        or _BRANCH_FORBIDDEN.search(text)
    )


def _is_line(text: str) -> bool:
    return 0 < len(text) <= _LENGTH_LIMIT and text.isprintable() and text == text.strip()


def _sha256(data: bytes) -> str:
    # Python's own where it has one: hashlib loads OpenSSL, a quarter of the relay's memory
    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            return str(__import__(name).sha256(data).hexdigest())
        except ImportError:
            continue
    raise NotImplementedError("this Python has no SHA-256")


def _random(length: int) -> str:
    # 256 is a multiple of 32, so every letter is equally likely
    return "".join(_BASE32[byte % 32] for byte in os.urandom(length))


def _bad(kind: str, text: str, hint: str) -> BadId:
    shown = ascii(text[:_SHOWN_LIMIT])[:_SHOWN_LIMIT]
    return BadId(f"{shown} is not a valid {kind} name", hint=hint)
