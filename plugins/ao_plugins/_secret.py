"""Secrets among a plugin's settings: text, or a reference that is looked up when it is opened."""

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import PlainValidator, SecretStr

from ao_core.config.secret import EnvironmentSecrets, SecretRef, reveal
from ao_core.errors import ConfigError, CredentialsNeeded, Unauthorized


def _secret(value: object) -> SecretStr | SecretRef:
    if isinstance(value, SecretStr | SecretRef):
        return value
    if isinstance(value, str) and value:
        return SecretStr(value)
    raise ValueError("it should be text that is not empty")


Secret: TypeAlias = Annotated[SecretStr | SecretRef, PlainValidator(_secret)]


async def revealed(name: str, secret: SecretStr | SecretRef, environment: Mapping[str, str]) -> str:
    """What the setting called `name` stands for; raises `PluginError`."""
    if isinstance(secret, SecretStr):
        return secret.get_secret_value()
    try:
        found = await reveal({name: secret}, {"env": EnvironmentSecrets(environment)})
    except (ConfigError, CredentialsNeeded) as exc:
        raise Unauthorized(f"{name}: {exc.message}", hint=exc.hint) from exc
    return str(found[name])
