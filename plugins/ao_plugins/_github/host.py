"""One GitHub as one user sees it: both of its interfaces, over one budget."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from ao_core.errors import ConfigError
from ao_core.git.origin import Origin, origin_of
from ao_core.http import Api, Auth, Budget, GraphQL, Rotating, Token, bearer, budget_of, fingerprint
from ao_core.plugin import Config, Scope
from ao_plugins._github.login import WORLD, App, from_app, from_gh, from_surroundings, is_public
from ao_plugins._secret import Secret, revealed

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_APART = 1.0  # seconds between changes, as GitHub asks
_LOOPBACK = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")


class Hosted(Config):
    """Where a repository is and who signs in: settings of whatever speaks to GitHub."""

    repo: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")] | None = None
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$")] | None = None
    api: Annotated[str, Field(max_length=500)] | None = None  # where it is not as usual
    token: Secret | None = None
    app: App | None = None
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class GitHub:
    """A repository, and how its host is spoken to."""

    host: str
    owner: str
    name: str
    rest: Api
    graph: GraphQL
    budget: Budget

    @property
    def path(self) -> str:
        """The repository in REST."""
        return f"/repos/{self.owner}/{self.name}"

    @property
    def web(self) -> str:
        """The repository for people."""
        return f"https://{self.host}/{self.owner}/{self.name}"


@asynccontextmanager
async def github(config: Hosted, scope: Scope) -> AsyncGenerator[GitHub]:
    """While it is spoken to."""
    host, path = await _place(config, scope)
    owner, name = path.split("/")
    rest, graph = _addresses(config, host)
    auth, who = await _login(config, scope, host, rest)
    budget = budget_of(rest, who, scope.clock, changes_apart=_APART)
    made = partial(
        Api, "GitHub", clock=scope.clock, auth=auth, headers=_HEADERS, budget=budget,
        verify=config.ca,
    )  # fmt: skip
    async with made(rest) as spoken, made(graph) as asked:
        yield GitHub(host, owner, name, spoken, GraphQL(asked, "", costs=True), budget)


async def _place(config: Hosted, scope: Scope) -> tuple[str, str]:
    """Host and `owner/name`: as set, else as the remote has them."""
    found = await origin_of(scope.run, scope.repository) if scope.repository else None
    path = config.repo or scope.repo or (found.path if found else None)
    if path is None or path.count("/") != 1:
        raise ConfigError(
            "it is not known which repository on GitHub this is",
            hint="Set the project's `repo: owner/name`, or give git a remote called origin.",
        )
    return config.host or _host(found), path


def _host(found: Origin | None) -> str:
    """As the web has it: https://docs.github.com/authentication/troubleshooting-ssh"""
    if found is None:
        return WORLD
    return WORLD if found.host in (f"ssh.{WORLD}", f"www.{WORLD}") else found.authority


def _addresses(config: Hosted, host: str) -> tuple[str, str]:
    """Where REST and GraphQL are."""
    if config.api:
        if not config.api.startswith(("https://", *_LOOPBACK)):
            raise ConfigError("`api` is to begin with https://", hint="It carries your token.")
        base = config.api.rstrip("/")
        return base, f"{base.removesuffix('/v3')}/graphql"
    if is_public(host):
        return f"https://api.{host}", f"https://api.{host}/graphql"
    return f"https://{host}/api/v3", f"https://{host}/api/graphql"


async def _login(config: Hosted, scope: Scope, host: str, rest: str) -> tuple[Auth, str]:
    """How requests are signed, and a mark of who does, which tells nothing."""
    if config.app is not None:
        app = config.app

        async def installed() -> Token:
            return await from_app(app, rest, scope.clock, config.ca, scope)

        return Rotating(installed, clock=scope.clock), f"app {app.id} {app.installation}"
    given = await _given(config, scope, host)
    if given is not None:
        return bearer(given), fingerprint(given)

    async def signed_in() -> Token:
        return await from_gh(scope, host)

    return Rotating(signed_in, clock=scope.clock), f"gh {host}"


async def _given(config: Hosted, scope: Scope, host: str) -> SecretStr | None:
    if config.token is not None:
        return SecretStr(await revealed("token", config.token, scope.environment))
    chosen = config.host is not None or config.api is not None
    return from_surroundings(host, scope.environment, chosen=chosen)
