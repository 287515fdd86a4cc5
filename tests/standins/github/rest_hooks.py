"""Webhooks that are ordered: https://docs.github.com/rest/repos/webhooks"""

from dataclasses import replace
from typing import Any

from standins.github.rest import Answer, Asked, answers, of_id
from standins.github.state import Hook, Refused


@answers("repos/list-webhooks")
def listed(asked: Asked) -> Answer:
    return Answer(200, [_hook(asked, one) for one in asked.page_of(asked.world.hooks)])


@answers("repos/create-webhook")
def created(asked: Asked) -> Answer:
    config = _config(asked)
    if any(one.url == config["url"] for one in asked.world.hooks):
        raise Refused(422, "Validation Failed", {"said": "Hook already exists on this repository"})
    made = asked.world.hook(config["url"], config.get("secret", ""), *asked.given("events", []))
    return Answer(201, _hook(asked, made))


@answers("repos/update-webhook")
def changed(asked: Asked) -> Answer:
    known, config = of_id(asked.world.hooks, asked.path["hook_id"]), _config(asked)
    made = replace(
        known, url=config["url"], secret=config.get("secret", ""),
        events=asked.given("events", known.events),
    )  # fmt: skip
    asked.world.hooks[asked.world.hooks.index(known)] = made
    return Answer(200, _hook(asked, made))


def _config(asked: Asked) -> dict[str, str]:
    config: dict[str, str] = asked.given("config", {})
    if not config.get("url"):
        raise Refused(422, "Validation Failed", {"said": "config.url is missing"})
    return config


def _hook(asked: Asked, one: Hook) -> dict[str, Any]:
    own = asked.telling.api(asked.at, "hooks", one.id)
    now = asked.world.moment()
    return {
        "type": "Repository", "id": one.id, "name": "web", "active": True, "url": own,
        "events": list(one.events or ["*"]), "created_at": now, "updated_at": now,
        "test_url": f"{own}/test", "ping_url": f"{own}/pings",
        "deliveries_url": f"{own}/deliveries",
        "config": {
            "url": one.url, "content_type": "json", "insecure_ssl": "0", "secret": "********"
        },
        "last_response": {"code": None, "status": "unused", "message": None},
    }  # fmt: skip
