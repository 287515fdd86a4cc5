"""Webhooks: https://docs.github.com/webhooks/webhook-events-and-payloads"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from standins.github.facts import Telling
from standins.github.records import Repository
from standins.github.state import Event, Hook
from standins.github.world import World
from standins.openapi import OpenApi
from standins.postman import Postman


@dataclass
class Delivery:
    """One event on its way to one hook; `status` is what was answered, if anything was."""

    id: str
    hook: Hook
    event: str
    body: bytes
    status: int | None = None

    @property
    def url(self) -> str:
        return self.hook.url

    @property
    def headers(self) -> Mapping[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/1",
            "X-GitHub-Event": self.event,
            "X-GitHub-Delivery": self.id,
            "X-GitHub-Hook-ID": str(self.hook.id),
            "X-Hub-Signature-256": signature(self.hook.secret, self.body),
        }


def signature(secret: str, body: bytes) -> str:
    """What proves that whoever sent it knows the secret."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


class Messenger(Postman[Delivery]):
    """Enter it to deliver. What happens in the world is told to the hooks that want it."""

    def __init__(self, world: World, described: OpenApi, protest: Callable[[str], None]) -> None:
        super().__init__()
        self._world, self._described, self._protest = world, described, protest
        self._payloads = Payloads(world, Telling(world))
        world.listeners.append(self._heard)

    def again(self, delivery: Delivery) -> None:
        """The same once more, under the same id, as a person can ask of the host."""
        self.post(Delivery(delivery.id, delivery.hook, delivery.event, delivery.body))

    def _heard(self, event: Event) -> None:
        hooks = [hook for hook in self._world.hooks if hook.wants(event.name)]
        if event.name == "ping":
            hooks = [event.about["hook"]]
        if hooks:
            body = self._body(event)
            for hook in hooks:
                self.post(Delivery(str(uuid4()), hook, event.name, body))

    def _body(self, event: Event) -> bytes:
        named = "-".join([event.name, event.action] if event.action else [event.name])
        schema = self._described.event(named.replace("_", "-"))
        told = self._described.schemas.filled(schema, self._payloads.of(event))
        for problem in self._described.schemas.complaints(schema, told):
            self._protest(f"the event {named} is not as it is described: {problem}")
        return json.dumps(told).encode()


class Payloads:
    """What is told of each event."""

    def __init__(self, world: World, telling: Telling) -> None:
        self._world, self._telling = world, telling

    def of(self, event: Event) -> dict[str, Any]:
        at, told = event.repository, dict[str, Any]()
        for kind, thing in event.about.items():
            told |= self._facts(kind, thing, at)
        if event.name == "push":
            told["pusher"] = {"name": event.sender.login, "email": None}
        if event.action:
            told["action"] = event.action
        plain = {**self._telling.repository(at), "created_at": 0, "pushed_at": 0}
        told["repository"] = plain if event.name == "push" else self._telling.repository(at)
        return {**told, "sender": self._telling.user(event.sender)}

    def _facts(self, kind: str, thing: Any, at: Repository) -> dict[str, Any]:
        telling = self._telling
        match kind:
            case "pull_request":
                return {"pull_request": telling.counted_pull(thing), "number": thing.number}
            case "review":
                return {"review": {**telling.review(thing), "state": thing.state.lower()}}
            case "review_comment":
                return {"comment": telling.review_comment(thing)}
            case "thread":
                comments = [telling.review_comment(one) for one in thing.comments]
                return {"thread": {"node_id": thing.node_id, "comments": comments}}
            case "status":
                commit = telling.commit(at.bare.commit(thing.sha), at)
                return {
                    **telling.status(thing),
                    "sha": thing.sha,
                    "name": at.full_name,
                    "commit": commit,
                }
            case "push":
                return self._push(thing, at)
            case "hook":
                return {
                    "hook_id": thing.id,
                    "zen": "Keep it logically awesome.",
                    "hook": self._hook(thing),
                }
            case "label":
                return {"label": telling.label(thing, at)}
            case "before" | "after":
                return {kind: thing}
            case "assignee" | "requested_reviewer":
                return {kind: telling.user(thing)}
            case _:
                plain = {
                    "check_run": telling.check,
                    "check_suite": telling.suite,
                    "issue": telling.issue,
                }
                return {kind: plain[kind](thing) if kind in plain else telling.comment(thing)}

    def _push(self, push: Mapping[str, str], at: Repository) -> dict[str, Any]:
        before, after = push["before"], push["after"]
        created, deleted = not before.strip("0"), not after.strip("0")
        made = [] if created or deleted else at.bare.commits(before, after)
        head = None if deleted else self._telling.plain_commit(at.bare.commit(after))
        return {
            **push, "created": created, "deleted": deleted, "base_ref": None,
            "forced": not (created or deleted) and not at.bare.holds(after, before),
            "compare": self._telling.page(at, "compare", f"{before[:12]}...{after[:12]}"),
            "commits": [self._telling.plain_commit(one) for one in made], "head_commit": head,
        }  # fmt: skip

    def _hook(self, hook: Hook) -> dict[str, Any]:
        now = self._world.moment()
        config = {
            "content_type": "json",
            "url": hook.url,
            "insecure_ssl": "0",
            "secret": "********",
        }
        told = {
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": True,
            "config": config,
        }
        return {**told, "events": list(hook.events or ["*"]), "created_at": now, "updated_at": now}
