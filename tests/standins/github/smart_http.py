"""Git over HTTP, by git's own `http-backend`; the token is the password."""

import base64
import re
import subprocess
from collections.abc import Mapping
from urllib.parse import urlsplit

from standins.github.records import Repository
from standins.github.state import Access, NotFound
from standins.github.world import World
from standins.server import Reply, Request

_SERVED = re.compile(r"/([^/]+/[^/]+?)(?:\.git)?(/info/refs|/git-upload-pack|/git-receive-pack)")
_PLAIN = {"content-type": "text/plain; charset=utf-8"}
_WHO = {**_PLAIN, "www-authenticate": 'Basic realm="GitHub"'}


def service(request: Request) -> str | None:
    """Which of git's services is asked for, if any."""
    match = _SERVED.fullmatch(request.path)
    if match is None:
        return None
    asked = dict(request.query).get("service") if match[2] == "/info/refs" else match[2][1:]
    return asked or "git-upload-pack"


def served(world: World, request: Request) -> Reply:
    """What git answers to whoever is known here."""
    match = _SERVED.fullmatch(request.path)
    assert match
    access = world.tokens.get(password(request.headers))
    if access is None:
        return Reply(401, _WHO, b"Invalid username or token.")
    try:
        repository = world.named(match[1])
    except NotFound:
        return Reply(404, _PLAIN, b"Repository not found.")
    if service(request) == "git-upload-pack":
        return _asked(repository, request, match[2], access)
    if not access.may_write:
        return Reply(403, _PLAIN, b"Write access to repository not granted.")
    with world.lock:
        before = repository.bare.heads()
        reply = _asked(repository, request, match[2], access)
        world.pushed(repository, before, access.user)
    return reply


def password(headers: Mapping[str, str]) -> str:
    """What stands behind the colon; and nothing where there is none."""
    kind, _, told = headers.get("authorization", "").partition(" ")
    try:
        plain = base64.b64decode(told).decode() if kind.lower() == "basic" else ""
    except ValueError:
        return ""
    return plain.partition(":")[2] or plain.partition(":")[0]


def _asked(at: Repository, request: Request, step: str, access: Access) -> Reply:
    told = {
        "GIT_PROJECT_ROOT": str(at.bare.folder), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": step,
        "REQUEST_METHOD": request.method, "QUERY_STRING": urlsplit(request.target).query,
        "REMOTE_USER": access.user.login, "REMOTE_ADDR": "127.0.0.1",
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
