"""Where HTTP is listened to: the socket, and the port that stays a home's own.

Standard library and the core only, so that a home without HTTP pays nothing, and one that has it
knows its address before anything heavy is loaded.
"""

import json
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ao_core.config.listening import PATH, Http, is_loopback
from ao_core.errors import AoError, ConfigError, Refused, StoreUnavailable
from ao_core.files import write_atomic

FILE = "http.json"  # which port it was last

_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Place:
    """A socket that listens. `url` is how clients write it, `loopback` whether it is only there."""

    listener: socket.socket
    host: str
    port: int
    loopback: bool
    url: str


def listen_at(home: Path, wanted: Http) -> Place:
    """Bind and listen. Raises what is in the way, with its remedy. Call it from a thread."""
    family, host = _resolved(wanted.host)
    require_wish(wanted, host)
    listener = _bound(family, host, _ports(home, wanted.port), wanted)
    try:
        port = cast("int", listener.getsockname()[1])
        with suppress(AoError):  # a full disk: the next start has another port
            write_atomic(home / FILE, json.dumps({"port": port}) + "\n")
        url = wanted.url or f"http://{_written(wanted.host)}:{port}{PATH}"
        return Place(listener, wanted.host, port, is_loopback(host), url)
    except BaseException:  # whatever it was, the socket is closed and it is raised
        listener.close()
        raise


def require_wish(wanted: Http, host: str) -> None:
    """Nobody listens to a network by mistake."""
    if is_loopback(host) or wanted.issuer or wanted.off_loopback:
        return
    raise Refused(
        f"`http.host` {wanted.host} can be reached from other machines.",
        hint="Name an `issuer` under `http` in the home's config.yaml, or say `off_loopback: true`"
        " there and have a proxy that speaks TLS in front: the token would cross the network.",
    )


def _resolved(host: str) -> tuple[socket.AddressFamily, str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as exc:
        hint = "Write the address of one of this machine's networks, such as 127.0.0.1."
        raise ConfigError(f"`http.host` {host} has no address.", hint=hint) from exc
    family, _, _, _, address = found[0]
    return family, str(address[0])


def _ports(home: Path, port: int) -> Sequence[int]:
    """Those to try: the one that is wanted; else the last one, so that what is registered holds."""
    if port:
        return (port,)
    try:
        last = json.loads((home / FILE).read_text())["port"]
    except (OSError, ValueError, KeyError, TypeError):
        return (0,)
    return (last, 0) if isinstance(last, int) and 1024 <= last <= 65535 else (0,)


def _bound(
    family: socket.AddressFamily, host: str, ports: Sequence[int], wanted: Http
) -> socket.socket:
    problem: OSError | None = None
    for port in ports:
        try:
            return _listening(family, host, port)
        except OSError as exc:
            problem = exc
    said = problem.strerror if problem else ""
    hint = "`port: 0` under `http` in the home's config.yaml takes one that is free."
    raise StoreUnavailable(
        f"Nothing can listen at {wanted.host}, port {wanted.port}: {said}", hint=hint
    ) from problem


def _listening(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:  # whatever it was, the socket is closed and it is raised
        listener.close()
        raise
    return listener


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host
