"""One project on one GitLab, as one user sees it.

https://docs.gitlab.com/api/rest/
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, SecretStr

from ao_core.errors import ConfigError
from ao_core.git.origin import Origin, origin_of
from ao_core.http import Api, Auth, Rotating, Token, bearer, budget_of, fingerprint
from ao_core.plugin import Config, Scope
from ao_plugins._gitlab.login import from_glab, from_surroundings, host_of
from ao_plugins._secret import Secret, revealed

_API = "/api/v4"
_LOOPBACK = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")


class Hosted(Config):
    """Where a project is and who signs in: settings of whatever speaks to GitLab."""

    repo: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$")] | None = None
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$")] | None = None
    api: Annotated[str, Field(max_length=500)] | None = None  # where it is not as usual
    token: Secret | None = None
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class GitLab:
    """A project, and how its host is spoken to."""

    project: str  # group/subgroup/name
    web: str  # the project for people
    path: str  # the project in REST
    rest: Api

    def merge_request(self, number: int) -> str:
        """One in REST, by the number that people see."""
        return f"{self.path}/merge_requests/{number}"

    def issue(self, number: int) -> str:
        """One in REST, by the number that people see."""
        return f"{self.path}/issues/{number}"


@asynccontextmanager
async def gitlab(config: Hosted, scope: Scope) -> AsyncGenerator[GitLab]:
    """While it is spoken to."""
    host, project = await _place(config, scope)
    base = _address(config, host)
    auth, who = await _login(config, scope, host)
    budget = budget_of(base, who, scope.clock)
    web = f"{base.removesuffix(_API)}/{project}"
    async with Api(
        "GitLab", base, clock=scope.clock, auth=auth, budget=budget, verify=config.ca
    ) as rest:
        yield GitLab(project, web, f"/projects/{quote(project, safe='')}", rest)


async def _place(config: Hosted, scope: Scope) -> tuple[str, str]:
    """Host and `group/project`: as set, else as the remote has them."""
    found = await origin_of(scope.run, scope.repository) if scope.repository else None
    path = config.repo or scope.repo or (found.path if found else None)
    if path is None or "/" not in path:
        raise ConfigError(
            "it is not known which project on GitLab this is",
            hint="Set the project's `repo: group/project`, or give git a remote called origin.",
        )
    return config.host or _host(found) or host_of(scope.environment), path


def _host(found: Origin | None) -> str | None:
    return found.authority if found else None


def _address(config: Hosted, host: str) -> str:
    if not config.api:
        return f"https://{host}{_API}"
    if not config.api.startswith(("https://", *_LOOPBACK)):
        raise ConfigError("`api` is to begin with https://", hint="It carries your token.")
    return config.api.rstrip("/")


async def _login(config: Hosted, scope: Scope, host: str) -> tuple[Auth, str]:
    """How requests are signed, and a mark of who does, which tells nothing."""
    given = await _given(config, scope, host)
    if given is not None:
        return bearer(given), fingerprint(given)

    async def signed_in() -> Token:
        return await from_glab(scope, host)

    return Rotating(signed_in, clock=scope.clock), f"glab {host}"


async def _given(config: Hosted, scope: Scope, host: str) -> SecretStr | None:
    if config.token is not None:
        return SecretStr(await revealed("token", config.token, scope.environment))
    chosen = config.host is not None or config.api is not None
    return from_surroundings(host, scope.environment, chosen=chosen)
