"""Webhooks: https://docs.gitlab.com/user/project/integrations/webhooks/#delivery-headers"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from standins.gitlab.payloads import Payloads
from standins.gitlab.records import Hook
from standins.gitlab.state import Event
from standins.gitlab.world import World
from standins.openapi import OpenApi
from standins.postman import Postman

_NAMES = {
    "push": "Push Hook", "issue": "Issue Hook", "merge_request": "Merge Request Hook",
    "note": "Note Hook", "pipeline": "Pipeline Hook", "build": "Job Hook",
}  # fmt: skip
_SIGNING = "whsec_"
_SETTINGS = {
    "push": "push_events", "issue": "issues_events", "merge_request": "merge_requests_events",
    "note": "note_events", "pipeline": "pipeline_events", "build": "job_events",
}  # fmt: skip


@dataclass
class Delivery:
    """One event on its way to one hook; `status` is what was answered, if anything was."""

    hook: Hook
    kind: str
    event: str  # the same for all hooks that are told of it
    instance: str
    body: bytes
    status: int | None = None
    key: str = field(default_factory=lambda: str(uuid4()))  # the same when it is told again

    @property
    def url(self) -> str:
        return self.hook.url

    @property
    def headers(self) -> Mapping[str, str]:
        return {
            "Content-Type": "application/json", "User-Agent": "GitLab/18.0.0",
            "Idempotency-Key": self.key, "X-Gitlab-Event": _NAMES[self.kind],
            "X-Gitlab-Webhook-UUID": self.hook.uuid, "X-Gitlab-Instance": self.instance,
            "X-Gitlab-Event-UUID": self.event, **self._vouched(),
        }  # fmt: skip

    def _vouched(self) -> Mapping[str, str]:
        """The secret as it is; a signing token, which is told apart by how it begins, signs."""
        secret = self.hook.token
        if not secret.startswith(_SIGNING):
            return {"X-Gitlab-Token": secret} if secret else {}
        return signature(secret, self.key, int(time.time()), self.body)


def signature(secret: str, id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that vouch for a body."""
    key = base64.b64decode(secret.removeprefix(_SIGNING))
    mark = hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id, "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(mark).decode()}",
    }  # fmt: skip


class Messenger(Postman[Delivery]):
    """Enter it to deliver. What happens in the world is told to the hooks that want it."""

    def __init__(self, world: World, described: OpenApi, protest: Callable[[str], None]) -> None:
        super().__init__()
        self._world, self._schemas, self._protest = world, described.schemas, protest
        self._payloads = Payloads(world)
        world.listeners.append(self._heard)

    def again(self, delivery: Delivery) -> None:
        """The same once more, as the host does when it was not heard."""
        told = (delivery.hook, delivery.kind, delivery.event, delivery.instance, delivery.body)
        self.post(Delivery(*told, key=delivery.key))

    def _heard(self, event: Event) -> None:
        hooks = [one for one in event.project.hooks if _SETTINGS[event.kind] in one.wants]
        if hooks:
            body, number = self._body(event), str(uuid4())
            for hook in hooks:
                self.post(Delivery(hook, event.kind, number, self._world.url, body))

    def _body(self, event: Event) -> bytes:
        schema = {"$ref": f"#/components/schemas/{event.kind}"}
        told = self._schemas.filled(schema, self._payloads.of(event))
        for problem in self._schemas.complaints(schema, told):
            self._protest(f"the event {event.kind} is not as it is described: {problem}")
        return json.dumps(told).encode()
