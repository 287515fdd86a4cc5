"""Any program that takes JSON by HTTP: one signed POST a note.

https://www.rfc-editor.org/rfc/rfc2104 (HMAC), and "Tell people elsewhere" in docs/configuration.md
"""

import ipaddress
import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from ao_core.errors import Rejected
from ao_core.http import Api
from ao_core.http.retry import ONCE_ONLY, Backoff
from ao_core.plugin import Config, Manifest
from ao_core.redact import visible
from ao_core.slots.notifier import Action, ActionNotifier, Note, Notifier
from ao_plugins._plain import plain
from ao_plugins._secret import Secret, revealed
from ao_plugins._signature import SIGNATURE, TIMESTAMP, signed, verify

__all__ = ["Webhook", "WebhookConfig", "verify"]

_log = logging.getLogger(__name__)
_BODY = 8_000
_ACTIONS = 20
_SILENCE = 10.0  # seconds in which one attempt has to get on
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,8000}[\x21-\x7e])?")
_STRANGE = re.compile(r"[\x00-\x20\x7f\\]")  # what one parser skips and the next obeys
_OURS = {
    *(SIGNATURE.lower(), TIMESTAMP.lower(), ONCE_ONLY.lower()),
    *("connection", "content-length", "content-type", "host", "transfer-encoding"),
}


class WebhookConfig(Config):
    """Settings for a webhook."""

    insecure: bool = False
    url: Secret
    secret: Secret | None = None
    secret_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")] | None = None
    headers: Mapping[str, Secret] = Field(default_factory=dict[str, Secret], max_length=20)
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    deadline: Annotated[float, Field(gt=0, le=60)] = 20.0

    @field_validator("url")
    @classmethod
    def _address(cls, url: Secret, info: ValidationInfo) -> Secret:
        if isinstance(url, SecretStr):
            _check_address(url.get_secret_value(), insecure=bool(info.data.get("insecure")))
        return url

    @field_validator("headers")
    @classmethod
    def _own(cls, headers: Mapping[str, Secret]) -> Mapping[str, Secret]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name) or name.lower() in _OURS:
                raise ValueError("each name is that of a header which is not set already")
            if isinstance(value, SecretStr):
                _check_value(value.get_secret_value())
        return headers

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.secret is not None and self.secret_env is not None:
            raise ValueError("it has either secret or secret_env, not both")
        return self


class Webhook(Notifier[WebhookConfig], ActionNotifier):
    """Posts notes to an address."""

    manifest: ClassVar[Manifest] = Manifest(
        name="webhook",
        slot="notifier",
        description="Posts each note as signed JSON to an address of yours",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = WebhookConfig

    async def open(self) -> None:
        """Look up what is secret, and make ready to connect."""
        url = await self._revealed("url", self.config.url)
        headers = self.config.headers.items()
        self._headers = {name: await self._revealed(name, value) for name, value in headers}
        try:
            _check_address(url, insecure=self.config.insecure)
            for value in self._headers.values():
                _check_value(value)
        except ValueError as exc:
            raise Rejected(f"webhook: {exc}") from None
        self._secret = await self._key()
        api = Api(
            "webhook",
            url,
            clock=self.scope.clock,
            backoff=Backoff(1 + self.config.retries, cap=self.config.deadline),
            timeout=min(_SILENCE, self.config.deadline),
            deadline=self.config.deadline,
        )
        self._api = await self._stack.enter_async_context(api)

    async def notify(self, note: Note) -> None:
        """Post one note."""
        await self._post(note, ())

    async def notify_with_actions(self, note: Note, actions: Sequence[Action]) -> None:
        """Post one note, and the addresses of what can be done about it."""
        await self._post(note, actions)

    async def _post(self, note: Note, actions: Sequence[Action]) -> None:
        body = _payload(note, actions)
        known = {"Content-Type": "application/json", ONCE_ONLY: quote(note.id, safe=":/@+=,;~")}
        if self._secret is not None:
            known |= signed(body, self._secret, self.scope.clock.now().timestamp())
        await self._api.call("POST", content=body, headers={**self._headers, **known})

    async def _key(self) -> str | None:
        """What to sign with; a variable may be unset, a reference may not."""
        if self.config.secret is not None:
            return await self._revealed("secret", self.config.secret)
        name = self.config.secret_env
        found = self.scope.environment.get(name) if name else None
        if not found:
            why = f"the variable {name} is not set" if name else "it has no secret"
            _log.warning("webhook: %s; its receiver cannot tell who sends", why)
        return found or None

    async def _revealed(self, name: str, secret: Secret) -> str:
        return await revealed(f"webhook: {name}", secret, self.scope.environment)


def _payload(note: Note, actions: Sequence[Action]) -> bytes:
    told = plain(note, _BODY)
    values: dict[str, object] = {
        "id": told.id, "kind": told.kind, "priority": told.priority.value, "title": told.title,
        "body": told.body, "at": told.at.isoformat(), "project": told.project,
        "session": told.session, "url": told.url,
    }  # fmt: skip
    if actions:
        values["actions"] = [
            {"label": visible(one.label, 200), "url": visible(one.url, 2_000)}
            for one in actions[:_ACTIONS]
        ]
    return json.dumps(values, separators=(",", ":")).encode()


def _check_address(url: str, *, insecure: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is not an address") from None
    if parts.scheme not in ("http", "https") or not host or _STRANGE.search(url):
        raise ValueError("it is not an address that begins with https")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds a name or password; put these into headers")
    if parts.scheme == "http" and not (insecure or _is_here(host)):
        raise ValueError("it is neither https nor on this machine; insecure allows it")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_value(value: str) -> None:
    if not _VALUE.fullmatch(value):
        raise ValueError("a header is one line of plain characters")
