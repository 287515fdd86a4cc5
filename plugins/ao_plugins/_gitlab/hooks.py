"""GitLab's webhooks: whether a delivery is theirs, and how they are ordered.

https://docs.gitlab.com/api/project_webhooks/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ao_core.slots.scm import Hookable, Hooked, Notice, Posted
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.shape import Shape
from ao_plugins._gitlab.told import EVENTS, noticed, signed, signs
from ao_plugins._secret import Secret, revealed


class _Hook(Shape):
    id: int
    url: str


@dataclass(frozen=True, slots=True)
class HookPlace:
    """Whose webhooks they are, and their secret, if it is configured."""

    gitlab: GitLab
    secret: Secret | None
    environment: Mapping[str, str]


class GitLabHooks(Hooked, Hookable):
    """Hears what GitLab tells of; whoever inherits says where when it is opened."""

    _hooks: HookPlace

    @property
    def host(self) -> str:
        """Where it is."""
        return urlsplit(self._hooks.gitlab.web).netloc

    @property
    def repository(self) -> str:
        """`group/project`, as its deliveries have it."""
        return self._hooks.gitlab.project

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
        return signed(posted, secret)

    def noticed(self, posted: Posted) -> Notice:
        """What it is about."""
        return noticed(posted)

    async def hook(self, address: str, secret: str) -> str:
        """Make one there, or bring the one that is there up to date."""
        rest, path = self._hooks.gitlab.rest, f"{self._hooks.gitlab.path}/hooks"
        kind = "signing_token" if signs(secret) else "token"
        wanted = {
            "url": address, kind: secret, "enable_ssl_verification": True,
            **dict.fromkeys(EVENTS, True),
        }  # fmt: skip
        pages = rest.pages(path, into=list[_Hook], params={"per_page": 100})
        there = [one.id async for one in pages if one.url == address]
        if there:
            await rest.ask("PUT", f"{path}/{there[0]}", into=object, json=wanted)
            return f"webhook {there[0]} of {self.repository} was brought up to date"
        made = await rest.ask("POST", path, into=_Hook, json=wanted)
        return f"webhook {made.id} of {self.repository} was made"
