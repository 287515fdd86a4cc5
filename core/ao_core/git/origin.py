"""Where a repository comes from: the host and the path that its remote names."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ao_core.git.repository import Git
from ao_core.process import Run

REMOTE = "origin"

_SHORT = re.compile(r"(?:[^@/\s]+@)?(\[[^\]]+\]|[^:/\s\[\]]+):(?!//)(.+)")  # user@host:path
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LONGEST = 2_000
_WEB = ("http", "https")


@dataclass(frozen=True, slots=True)
class Origin:
    """`path` is `owner/name`, of as many parts as the host has levels; `port` is the web's."""

    host: str
    path: str
    port: int | None = None

    @property
    def authority(self) -> str:
        """Host and port, as in a web address."""
        return self.host if self.port is None else f"{self.host}:{self.port}"


async def origin_of(run: Run, repository: Path, remote: str = REMOTE) -> Origin | None:
    """What the remote names, as git would reach it; None without one, or for a mere folder."""
    found = await Git(run, repository).call("remote", "get-url", remote, ok=(0, 2, 128))
    return parsed(found.stdout.decode(errors="replace").strip()) if found.status == 0 else None


def parsed(url: str) -> Origin | None:
    """The host and path in a remote's address; who signs in there is left out."""
    if len(url) > _LONGEST or url.startswith(("/", ".", "~")):
        return None
    if "://" not in url:
        short = _SHORT.fullmatch(url)
        return _origin(short[1].strip("[]"), short[2], None) if short else None
    try:
        parts = urlsplit(url)
        port = parts.port if parts.scheme in _WEB else None  # ssh's says nothing of the web's
    except ValueError:
        return None
    known = parts.scheme in (*_WEB, "ssh", "git", "git+ssh") and not parts.query
    return _origin(parts.hostname, parts.path, port) if known and parts.hostname else None


def _origin(host: str, path: str, port: int | None) -> Origin | None:
    names = path.strip("/").removesuffix(".git").split("/")
    sound = len(names) > 1 and all(_NAME.fullmatch(name) and set(name) != {"."} for name in names)
    return Origin(host.lower(), "/".join(names), port) if sound else None
