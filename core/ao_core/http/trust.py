"""Whose certificates are believed."""

import ssl
from functools import cache
from pathlib import Path

import httpx

from ao_core.errors import ConfigError


def authorities(more: Path | None = None) -> ssl.SSLContext:
    """Whom to trust: those whom everybody does, and those in a file."""
    if more is None:
        return _known()
    context = httpx.create_ssl_context()
    try:
        context.load_verify_locations(more)
    except OSError as exc:
        raise ConfigError(
            f"{more}: no certificates of authorities can be read from it",
            hint="Name a readable file of certificates in PEM form.",
        ) from exc
    return context


@cache
def _known() -> ssl.SSLContext:
    """Reading them takes a while, and is done once."""
    return httpx.create_ssl_context()
