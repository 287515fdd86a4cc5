"""Who signs in to Linear, and by which way it is reached: straight, or through Composio.

https://linear.app/developers/graphql#authentication
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from ao_core.http import Api, Auth, GraphQL, bearer, budget_of, fingerprint, header
from ao_core.plugin import Config, Scope
from ao_plugins import _composio
from ao_plugins._address import safe
from ao_plugins._composio import Connected
from ao_plugins._nobody import nobody
from ao_plugins._secret import Secret, revealed

_HOST = "https://api.linear.app"
_KEY = "LINEAR_API_KEY"
_PERSONAL = "lin_api_"  # how keys of people begin; what an app is given does not
HINT = (
    f"Set {_KEY}, or {_composio.KEY} where an account is connected at Composio, "
    "or give the plugin a `token`."
)


class Reached(Config):
    """Who signs in, and how: settings of whatever speaks to Linear."""

    token: Secret | None = None
    composio: Connected | None = None
    api: Annotated[str, Field(max_length=500)] | None = None  # where it is not as usual
    ca: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.composio is not None and (self.token is not None or self.api is not None):
            raise ValueError("`composio` keeps the credentials: leave `token` and `api` out")
        return self


def somebody(config: Reached, environment: Mapping[str, str]) -> bool:
    """Whether anybody signs in."""
    given = config.token or config.composio
    return bool(given or environment.get(_KEY) or environment.get(_composio.KEY))


@asynccontextmanager
async def linear(config: Reached, scope: Scope) -> AsyncGenerator[GraphQL]:
    """While it is spoken to."""
    connected = _through_composio(config, scope)
    made = partial(Api, "Linear", clock=scope.clock)
    if connected is not None:
        async with _composio.relayed(connected, scope, "linear") as (relay, who):
            budget = budget_of(_HOST, f"composio {who}", scope.clock)
            async with made(_HOST, carrier=relay.carry, budget=budget) as api:
                yield GraphQL(api)
        return
    base = safe("api", config.api) if config.api else _HOST
    auth, who = await _login(config, scope)
    budget = budget_of(base, who, scope.clock)
    async with made(base, auth=auth, budget=budget, verify=config.ca) as api:
        yield GraphQL(api)


def _through_composio(config: Reached, scope: Scope) -> Connected | None:
    """As the settings say; where they do not, a key for Composio says so."""
    if config.token is not None or config.composio is not None:
        return config.composio
    return Connected() if scope.environment.get(_composio.KEY) else None


async def _login(config: Reached, scope: Scope) -> tuple[Auth, str]:
    """How requests are signed, and a mark of who does, which tells nothing."""
    if config.token is not None:
        token = SecretStr(await revealed("token", config.token, scope.environment))
    elif given := scope.environment.get(_KEY):
        token = SecretStr(given)
    else:
        return nobody("nobody signs in to Linear", HINT), "nobody"
    return _signed(token), fingerprint(token)


def _signed(token: SecretStr) -> Auth:
    """A person's key stands alone in its header."""
    personal = token.get_secret_value().startswith(_PERSONAL)
    return header("Authorization", token) if personal else bearer(token)
