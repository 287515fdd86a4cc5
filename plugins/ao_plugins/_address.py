"""The address of a host, as settings give it: it is told secrets, so nobody may listen in."""

from ao_core.errors import ConfigError

_LOOPBACK = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")


def safe(setting: str, address: str) -> str:
    """The address without a slash at its end, or `ConfigError`."""
    if not address.startswith(("https://", *_LOOPBACK)):
        raise ConfigError(f"`{setting}` is to begin with https://", hint="It carries your key.")
    return address.rstrip("/")
