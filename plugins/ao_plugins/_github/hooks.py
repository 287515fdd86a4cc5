"""GitHub's webhooks: whether a delivery is theirs, and how they are ordered.

https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
https://docs.github.com/rest/repos/webhooks
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ao_core.slots.scm import Hookable, Hooked, Notice, Posted
from ao_plugins._github.host import GitHub
from ao_plugins._github.shape import Shape
from ao_plugins._github.told import EVENTS, noticed
from ao_plugins._secret import Secret, revealed

_SIGNATURE = "x-hub-signature-256"


class _Config(Shape):
    url: str | None = None


class _Hook(Shape):
    id: int
    config: _Config


@dataclass(frozen=True, slots=True)
class HookPlace:
    """Whose webhooks they are, and their secret, if it is configured."""

    github: GitHub
    secret: Secret | None
    environment: Mapping[str, str]


class GitHubHooks(Hooked, Hookable):
    """Hears what GitHub tells of; whoever inherits says where when it is opened."""

    _hooks: HookPlace

    @property
    def host(self) -> str:
        """Where it is."""
        return self._hooks.github.host

    @property
    def repository(self) -> str:
        """`owner/name`, as its deliveries have it."""
        return f"{self._hooks.github.owner}/{self._hooks.github.name}"

    @property
    def events(self) -> Sequence[str]:
        """Those that it is to tell of."""
        return EVENTS

    async def secret(self) -> str | None:
        """The secret that is configured, if one is."""
        known = self._hooks.secret
        return await revealed("webhook_secret", known, self._hooks.environment) if known else None

    def signed(self, posted: Posted, secret: str) -> bool:
        """Whether who posted it knows the secret."""
        expected = hmac.new(secret.encode(), posted.body, hashlib.sha256).hexdigest()
        given = posted.headers.get(_SIGNATURE, "").encode(errors="replace")
        return hmac.compare_digest(f"sha256={expected}".encode(), given)

    def noticed(self, posted: Posted) -> Notice:
        """What it is about."""
        return noticed(posted)

    def relayed(self, address: str) -> str | None:
        """GitHub's own program can bring them, for as long as it runs."""
        return (
            f"gh webhook forward --github-host={self._hooks.github.host} --repo={self.repository}"
            f" --events={','.join(EVENTS)} --url={address} --secret=…"
        )

    async def hook(self, address: str, secret: str) -> str:
        """Make one there, or bring the one that is there up to date."""
        rest, path = self._hooks.github.rest, f"{self._hooks.github.path}/hooks"
        config = {"url": address, "content_type": "json", "insecure_ssl": "0", "secret": secret}
        wanted = {"active": True, "events": list(EVENTS), "config": config}
        pages = rest.pages(path, into=list[_Hook], params={"per_page": 100})
        there = [one.id async for one in pages if one.config.url == address]
        if there:
            await rest.ask("PATCH", f"{path}/{there[0]}", into=object, json=wanted)
            return f"webhook {there[0]} of {self.repository} was brought up to date"
        made = await rest.ask("POST", path, into=_Hook, json={"name": "web", **wanted})
        return f"webhook {made.id} of {self.repository} was made"
