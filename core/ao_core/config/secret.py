"""Secrets that a configuration refers to without holding them: `secret://provider/path#field`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from ao_core.errors import ConfigError, CredentialsNeeded

_REFERENCE = re.compile(
    r"secret://(?P<provider>[a-z][a-z0-9-]*)/(?P<path>[^#\s]+)(#(?P<field>\S+))?"
)
_NAMED_SO = re.compile(
    r"(^|_)(token|secret|password|passwd|passphrase|api_?key|access_?key|private_?key"
    r"|webhook|webhook_url)$"
)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is. It is looked up when it is used, and never stored."""

    provider: str
    path: str
    field: str | None = None

    def __str__(self) -> str:
        return f"secret://{self.provider}/{self.path}" + (f"#{self.field}" if self.field else "")


class SecretProvider(Protocol):
    """Somewhere secrets are kept."""

    async def get(self, path: str, field: str | None) -> str:
        """One secret; raises `AoError` when there is none."""
        ...


class EnvironmentSecrets:
    """`secret://env/NAME`: the environment of whoever called."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    async def get(self, path: str, field: str | None) -> str:
        """The variable named by `path`."""
        if field is not None:
            raise ConfigError("A reference secret://env/NAME has no #field.")
        value = self._environment.get(path)
        if not value:
            raise CredentialsNeeded(
                f"The variable {path[:80]!r}, which the configuration refers to, is not set.",
                hint="Set it where the client that calls is started.",
            )
        return value


def is_reference(text: str) -> bool:
    """Whether the text means to be a reference."""
    return text.startswith("secret://")


def reference(text: str) -> SecretRef | None:
    """Parse a reference; None when it is malformed."""
    match = _REFERENCE.fullmatch(text)
    return SecretRef(match["provider"], match["path"], match["field"]) if match else None


def is_secret_name(name: str) -> bool:
    """Whether what is called so is a secret; `name` is in snake_case or UPPER_CASE."""
    return _NAMED_SO.search(name.lower().replace("-", "_")) is not None


async def reveal(
    settings: Mapping[str, object], providers: Mapping[str, SecretProvider]
) -> dict[str, object]:
    """The settings with every reference looked up."""
    return {name: await _revealed(value, providers) for name, value in settings.items()}


async def _revealed(value: object, providers: Mapping[str, SecretProvider]) -> object:
    if isinstance(value, SecretRef):
        return await _look_up(value, providers)
    if isinstance(value, dict):
        return await reveal(cast("dict[str, object]", value), providers)
    if isinstance(value, list | tuple):
        return [await _revealed(item, providers) for item in cast("list[object]", value)]
    return value


async def _look_up(ref: SecretRef, providers: Mapping[str, SecretProvider]) -> str:
    if ref.provider not in providers:
        known = ", ".join(sorted(providers)) or "none"
        raise ConfigError(f"No secret provider {ref.provider!r}.", hint=f"Known: {known}.")
    return await providers[ref.provider].get(ref.path, ref.field)
