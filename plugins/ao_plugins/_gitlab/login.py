"""Who signs in: a token of the settings or the surroundings, or what `glab` has kept.

https://docs.gitlab.com/api/rest/authentication/
https://gitlab.com/gitlab-org/cli/-/blob/main/docs/source/config/get.md

Any access token may be sent as a bearer's. The token of a CI job cannot do what is needed here, so
it is not looked for.
"""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import SecretStr

from ao_core.errors import CommandFailed, Unauthorized
from ao_core.http import Token
from ao_core.plugin import Scope

HINT = (
    "Sign in with `glab auth login --hostname HOST`, or give the plugin a `token`. "
    "GITLAB_TOKEN is for gitlab.com, or for GITLAB_HOST where that is set."
)
WORLD = "gitlab.com"

_NAMES = ("GITLAB_TOKEN", "GITLAB_ACCESS_TOKEN")  # in the order of `glab`
_FOR_LONG = timedelta(minutes=10)  # until what `glab` says is asked again
_PATIENCE = 10.0


def host_of(environment: Mapping[str, str]) -> str:
    """The host that the surroundings are about; GITLAB_HOST may be a whole address."""
    named = environment.get("GITLAB_HOST", "").strip()
    return (urlsplit(named).netloc if "://" in named else named.strip("/")).lower() or WORLD


def from_surroundings(
    host: str, environment: Mapping[str, str], *, chosen: bool
) -> SecretStr | None:
    """The token there, if it is for this host: no other is to get it unless it was `chosen`."""
    if not chosen and host != host_of(environment):
        return None
    found = next((environment[name] for name in _NAMES if environment.get(name)), None)
    return SecretStr(found) if found else None


async def from_glab(scope: Scope, host: str) -> Token:
    """What the person has signed in to `glab` with."""
    argv = ("glab", "config", "get", "token", "--host", host)
    try:
        done = await scope.run(argv, env=_bare(scope.environment), deadline=_PATIENCE)
    except CommandFailed as exc:
        raise Unauthorized(f"nobody is signed in to {host}", hint=HINT) from exc
    secret = done.stdout.decode(errors="replace").strip()
    if done.status != 0 or not secret or not secret.isprintable() or " " in secret:
        raise Unauthorized(f"nobody is signed in to {host}", hint=HINT)
    return Token(SecretStr(secret), scope.clock.now() + _FOR_LONG)


def _bare(environment: Mapping[str, str]) -> dict[str, str]:
    """Without tokens: `glab` would print one of those, whichever host is asked for."""
    ours = (*_NAMES, "OAUTH_TOKEN")
    return {name: value for name, value in environment.items() if name not in ours}
