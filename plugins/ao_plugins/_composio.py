"""Requests in the name of an account that is connected at Composio, which keeps its credentials.

https://docs.composio.dev/docs/proxy-execute
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import anyio
from pydantic import BaseModel, Field, SecretStr

from ao_core.errors import ConfigError, NotFound, Rejected
from ao_core.http import Api, Auth, Outgoing, Returned, budget_of, fingerprint, header
from ao_core.http.answers import parsed
from ao_core.plugin import Config, Scope
from ao_plugins._address import safe
from ao_plugins._nobody import nobody
from ao_plugins._secret import Secret, revealed

KEY = "COMPOSIO_API_KEY"
_HINT = "Set COMPOSIO_API_KEY, or give the plugin's `composio` a `key`."

_HOST = "https://backend.composio.dev"
_ACCOUNTS, _PROXY = "/api/v3/connected_accounts", "/api/v3/tools/execute/proxy"
_USER = "COMPOSIO_ENTITY_ID"
_SOME = 10


class Connected(Config):
    """An account that is connected at Composio: settings of whatever is reached through it."""

    key: Secret | None = None
    account: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")] | None = None
    user: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    api: Annotated[str, Field(max_length=500)] | None = None  # where it is not as usual
    ca: Path | None = None


class _Account(BaseModel):
    id: str
    is_disabled: bool = False


class _Accounts(BaseModel):
    items: list[_Account]


class _Proxied(BaseModel):
    status: int = Field(ge=200, le=599)
    data: Any = None
    headers: dict[str, str] = Field(default_factory=dict[str, str])


class Relay:
    """Carries requests to a vendor for the connected account; what fails at Composio is raised."""

    def __init__(self, api: Api, toolkit: str, config: Connected, user: str | None) -> None:
        self._api, self._toolkit = api, toolkit
        self._named, self._user = config.account, user
        self._found: str | None = None
        self._lock = anyio.Lock()

    async def carry(self, request: Outgoing) -> Returned:
        """Have Composio send `request`."""
        asked: dict[str, Any] = {
            "endpoint": request.url,
            "method": request.method,
            "connected_account_id": await self._account(),
        }
        if request.body:
            asked["body"] = json.loads(request.body)
        answer = await self._sent(asked, request)
        return Returned(answer.status, answer.headers, json.dumps(answer.data).encode())

    async def _sent(self, asked: dict[str, Any], request: Outgoing) -> _Proxied:
        reads, urgency = request.read_only, request.urgency
        try:
            answer = await self._api.fetch(
                "POST", _PROXY, json=asked, read_only=reads, urgency=urgency
            )
        except (NotFound, Rejected) as exc:
            self._found = None  # it may have been connected anew since
            hint = f"See at Composio whether the account for {self._toolkit} is still active."
            raise Rejected(exc.message, hint=hint, status=exc.status, said=exc.said) from exc
        return parsed(f"Composio: POST {_PROXY}", _Proxied, answer.body)

    async def _account(self) -> str:
        if self._named is not None:
            return self._named
        async with self._lock:
            if self._found is None:
                self._found = await self._looked_up()
            return self._found

    async def _looked_up(self) -> str:
        params = {
            "toolkit_slugs": self._toolkit,
            "statuses": "ACTIVE",
            "user_ids": self._user,
            "limit": _SOME,
        }
        got = await self._api.ask("GET", _ACCOUNTS, into=_Accounts, params=params)
        usable = [one.id for one in got.items if not one.is_disabled]
        if len(usable) == 1:
            return usable[0]
        told = "several accounts" if usable else "no account"
        raise ConfigError(
            f"{told} for {self._toolkit} can be used at Composio",
            hint="Set `account` under `composio`." if usable else "Connect one there.",
        )


@asynccontextmanager
async def relayed(
    config: Connected, scope: Scope, toolkit: str
) -> AsyncGenerator[tuple[Relay, str]]:
    """While Composio is spoken to; with a mark of who speaks, which tells nothing."""
    base = safe("composio: api", config.api) if config.api else _HOST
    user = config.user or scope.environment.get(_USER) or None
    auth, who = await _login(config, scope)
    budget = budget_of(base, who, scope.clock)
    made = Api("Composio", base, clock=scope.clock, auth=auth, budget=budget, verify=config.ca)
    async with made as api:
        yield Relay(api, toolkit, config, user), f"{who} {user} {config.account}"


async def _login(config: Connected, scope: Scope) -> tuple[Auth, str]:
    if config.key is not None:
        key = SecretStr(await revealed("key", config.key, scope.environment))
    elif given := scope.environment.get(KEY):
        key = SecretStr(given)
    else:
        return nobody("nobody signs in to Composio", _HINT), "nobody"
    return header("x-api-key", key), fingerprint(key)
