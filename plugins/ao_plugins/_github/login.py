"""Who signs in: an app's installation, a token of the settings or the surroundings, or `gh`.

https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
https://cli.github.com/manual/gh_auth_token
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from ao_core.clock import Clock
from ao_core.errors import CommandFailed, ConfigError, Unauthorized
from ao_core.http import Api, Token, bearer
from ao_core.plugin import Config, Scope
from ao_plugins._secret import Secret, revealed

HINT = (
    "Sign in with `gh auth login --hostname HOST`, or give the plugin a `token`. GH_TOKEN is for "
    "github.com; GH_ENTERPRISE_TOKEN for the host in GH_HOST, or one that you name with `host`."
)
WORLD = "github.com"

_PUBLIC, _ELSEWHERE = (
    ("GH_TOKEN", "GITHUB_TOKEN"),
    ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
)
_AGE = timedelta(minutes=9)  # of an app's own token: GitHub takes ten at most
_DRIFT = timedelta(seconds=60)  # as GitHub advises, since clocks differ
_FOR_LONG = timedelta(minutes=10)  # until what `gh` says is asked again
_PATIENCE = 10.0


class App(Config):
    """A GitHub App that is installed where the repository is."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9.]{1,40}$")]  # app id or client id
    installation: Annotated[int, Field(gt=0)]
    private_key: Secret


class _Installed(BaseModel):
    token: SecretStr
    expires_at: datetime


def is_public(host: str) -> bool:
    """Whether GitHub itself runs it."""
    return host == WORLD or host.endswith(".ghe.com")


def from_surroundings(
    host: str, environment: Mapping[str, str], *, chosen: bool
) -> SecretStr | None:
    """The token that `gh` takes; no server of others gets one that a mere remote names."""
    if not (is_public(host) or chosen or host == environment.get("GH_HOST", "").lower()):
        return None
    names = _PUBLIC if is_public(host) else _ELSEWHERE
    found = next((environment[name] for name in names if environment.get(name)), None)
    return SecretStr(found) if found else None


async def from_gh(scope: Scope, host: str) -> Token:
    """What the person has signed in to `gh` with."""
    argv = ("gh", "auth", "token", "--hostname", host)
    try:
        done = await scope.run(argv, env=_bare(scope.environment), deadline=_PATIENCE)
    except CommandFailed as exc:
        raise Unauthorized(f"nobody is signed in to {host}", hint=HINT) from exc
    secret = done.stdout.decode(errors="replace").strip()
    if done.status != 0 or not secret or not secret.isprintable() or " " in secret:
        raise Unauthorized(f"nobody is signed in to {host}", hint=HINT)
    return Token(SecretStr(secret), scope.clock.now() + _FOR_LONG)


def _bare(environment: Mapping[str, str]) -> dict[str, str]:
    """Without tokens: `gh` would print one of those, whichever host is asked for."""
    ours = (*_PUBLIC, *_ELSEWHERE)
    return {name: value for name, value in environment.items() if name not in ours}


async def from_app(app: App, base_url: str, clock: Clock, ca: Path | None, scope: Scope) -> Token:
    """A token for the installation, which lasts an hour."""
    key = await revealed("private_key", app.private_key, scope.environment)
    async with Api("GitHub", base_url, auth=bearer(_signed(app, key, clock)), verify=ca) as api:
        path = f"/app/installations/{app.installation}/access_tokens"
        got = await api.ask("POST", path, into=_Installed)
    return Token(got.token, got.expires_at)


def _signed(app: App, key: str, clock: Clock) -> SecretStr:
    import jwt

    now = clock.now()
    claims = {"iat": now - _DRIFT, "exp": now + _AGE, "iss": app.id}
    try:
        return SecretStr(jwt.encode(claims, key, algorithm="RS256"))
    except (ValueError, TypeError, jwt.PyJWTError):
        raise ConfigError(
            "the app's `private_key` is no RSA key in PEM form",
            hint="Take the file that GitHub made for the app: secret://env/NAME, say.",
        ) from None  # the cause might quote it
