"""Git over HTTP, by git's own `http-backend`; the token is the password."""

import base64
import re
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from standins.git import Bare
from standins.server import Reply, Request

_SERVED = re.compile(r"/([^/]+(?:/[^/]+)+?)(/info/refs|/git-upload-pack|/git-receive-pack)")
_PLAIN = {"content-type": "text/plain; charset=utf-8"}
_REFUSED = {
    401: b"Invalid username or token.",
    403: b"Write access to repository not granted.",
    404: b"Repository not found.",
}


@dataclass(frozen=True)
class Opened:
    """A repository as it is open to one user; `pushed` is told where its branches were before."""

    bare: Bare
    user: str
    may_write: bool
    pushed: Callable[[Mapping[str, str]], None]


def service(request: Request) -> str | None:
    """Which of git's services is asked for, if any."""
    match = _SERVED.fullmatch(request.path)
    if match is None:
        return None
    asked = dict(request.query).get("service") if match[2] == "/info/refs" else match[2][1:]
    return asked or "git-upload-pack"


def served(
    request: Request,
    opened: Callable[[str, str], Opened | None],
    known: bool,
    lock: AbstractContextManager[Any],
) -> Reply:
    """What git answers, if whoever asks is known; `opened` finds by a repository's path."""
    match = _SERVED.fullmatch(request.path)
    assert match
    if not known:
        return _refused(401)
    if (at := opened(match[1].removesuffix(".git"), password(request.headers))) is None:
        return _refused(404)
    if service(request) == "git-upload-pack":
        return _asked(at, request, match[2])
    if not at.may_write:
        return _refused(403)
    with lock:
        before = at.bare.heads()
        reply = _asked(at, request, match[2])
        at.pushed(before)
    return reply


def password(headers: Mapping[str, str]) -> str:
    """What stands behind the colon; and nothing where there is none."""
    kind, _, told = headers.get("authorization", "").partition(" ")
    try:
        plain = base64.b64decode(told).decode() if kind.lower() == "basic" else ""
    except ValueError:
        return ""
    return plain.partition(":")[2] or plain.partition(":")[0]


def _refused(status: int) -> Reply:
    who = {"www-authenticate": 'Basic realm="Git"'} if status == 401 else {}
    return Reply(status, {**_PLAIN, **who}, _REFUSED[status])


def _asked(at: Opened, request: Request, step: str) -> Reply:
    told = {
        "GIT_PROJECT_ROOT": str(at.bare.folder), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": step,
        "REQUEST_METHOD": request.method, "QUERY_STRING": urlsplit(request.target).query,
        "REMOTE_USER": at.user, "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(request.body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
    }  # fmt: skip
    done = subprocess.run(
        ["git", "http-backend"], env={**at.bare.env, **told}, input=request.body,
        capture_output=True, check=False,
    )  # fmt: skip
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
    return Reply(int(headers.pop("Status", "200").split()[0]), headers, body)
