"""Where an address leads: what is sent to one origin is nobody else's business."""

import ipaddress

import httpx

from ao_core.errors import Rejected

Origin = tuple[str, str, int | None]


def origin(url: httpx.URL) -> Origin:
    """Scheme, host and port."""
    return url.scheme, url.host, url.port


def address(what: str, url: str, seen_from: httpx.URL | None = None) -> httpx.URL:
    """The address, if it is one."""
    try:
        return httpx.URL(url) if seen_from is None else seen_from.join(url)
    except (httpx.InvalidURL, ValueError):
        raise Rejected(f"{what}: the address is not valid") from None  # the cause quotes it


def may_be_kept_at(url: httpx.URL, home: Origin) -> bool:
    """Whether a vendor may keep a text there: elsewhere, by https, or as near as itself is."""
    if origin(url) == home or url.userinfo:
        return False
    near = url.scheme == home[0] == "http" and _is_loopback(url.host) and _is_loopback(home[1])
    return (url.scheme == "https" and bool(url.host)) or near


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
