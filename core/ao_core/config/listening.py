"""What the home's `config.yaml` may say of listening for HTTP."""

import ipaddress
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from ao_core.config.parts import Section

PATH = "/mcp"
WEBHOOKS = "/webhooks/"  # and whose they are


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own, whatever a network says."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(value: str) -> str:
    parts = _split(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("should be an address such as https://ao.example.com/mcp")
    return value.rstrip("/")


def _issuer(value: str) -> str:
    parts = _split(value)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        _address(value)
        return value  # whoever issues tokens may write its name with a slash at the end
    raise ValueError("should be an address that begins with https://")


def _origin(value: str) -> str:
    parts = _split(value)
    if not parts.scheme or not parts.netloc or parts.path or parts.query or parts.fragment:
        raise ValueError("should be an origin such as https://app.example.com")
    return value.lower()


def _split(value: str) -> SplitResult:
    parts = urlsplit(value)
    if parts.username is not None:
        raise ValueError("should not hold a user's name or password")
    _ = parts.port  # raises by itself
    return parts


Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\s/@]+$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Address = Annotated[Text, AfterValidator(_address)]
Issuer = Annotated[Text, AfterValidator(_issuer)]
Origin = Annotated[Text, AfterValidator(_origin)]
Scope = Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,200}$")]


class Http(Section):
    """MCP over HTTP, beside the socket. `url` is how clients write its address, else its own."""

    enabled: bool = False
    host: Name = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    off_loopback: bool = False
    url: Address | None = None
    allowed_hosts: tuple[Name, ...] = ()
    allowed_origins: tuple[Origin, ...] = ()
    issuer: Issuer | None = None
    audience: Text | None = None
    required_scopes: tuple[Scope, ...] = ()
