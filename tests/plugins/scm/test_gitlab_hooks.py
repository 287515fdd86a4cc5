"""GitLab's webhooks: whose they are, what each event names, and how they are ordered."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from time import time

import pytest

from ao_core.config.secret import reference
from ao_core.errors import BadRequest, Unauthorized
from ao_core.plugin import Scope
from ao_core.slots.scm import Notice, Posted
from ao_plugins._gitlab.told import noticed, signed
from plugins.scm.gitlab_there import Simple
from receiver import Receiver

NOW = 1_790_000_000
TOKEN = "whsec_" + base64.b64encode(b"k" * 32).decode()
PROJECT = {"project": {"path_with_namespace": "acme/team/app"}}
MERGE = {
    "object_kind": "merge_request", **PROJECT,
    "object_attributes": {
        "iid": 7, "source_branch": "ao/app-1-x", "target_branch": "main",
        "last_commit": {"id": "a" * 40},
    },
}  # fmt: skip
PIPELINE = {
    "object_kind": "pipeline", **PROJECT,
    "object_attributes": {"id": 31, "iid": 3, "ref": "ao/app-1-x", "sha": "a" * 40},
    "merge_request": None,
}  # fmt: skip
NOTE = {
    "object_kind": "note", **PROJECT, "object_attributes": {"id": 1, "note": "Why?"},
    "merge_request": {"iid": 7, "source_branch": "ao/app-1-x"},
}  # fmt: skip
PUSH = {"object_kind": "push", **PROJECT, "ref": "refs/heads/main", "after": "b" * 40}


def posted(event: str, body: object, **headers: str) -> Posted:
    known = {"x-gitlab-event": event, "x-gitlab-event-uuid": "u-1"}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Posted({**known, **given}, json.dumps(body).encode(), float(NOW))


def vouched(body: bytes, at: int = NOW, id: str = "m-1", key: bytes = b"k" * 32) -> dict[str, str]:
    whole = f"{id}.{at}.".encode() + body
    mark = base64.b64encode(hmac.new(key, whole, hashlib.sha256).digest()).decode()
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{mark}"}


def test_a_secret_token_is_compared_as_it_is() -> None:
    for given, good in (("s3cret", True), ("s3cre", False), ("", False), ("é", False)):
        assert signed(posted("Push Hook", PUSH, x_gitlab_token=given), "s3cret") is good
    assert not signed(posted("Push Hook", PUSH), "s3cret")


def test_with_a_signing_token_what_is_posted_is_signed() -> None:
    body = b"{}"
    assert signed(Posted(vouched(body), body, float(NOW)), TOKEN)
    several = vouched(body)
    several["webhook-signature"] = f"v1,AAAA {several['webhook-signature']}"
    assert signed(Posted(several, body, float(NOW)), TOKEN)


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"x-gitlab-token": TOKEN}, vouched(b"{}", key=b"o" * 32), vouched(b"{ }"),
        vouched(b"{}", at=NOW - 301), vouched(b"{}", at=NOW + 301),
        vouched(b"{}") | {"webhook-id": "m-2"}, vouched(b"{}") | {"webhook-timestamp": "soon"},
        vouched(b"{}") | {"webhook-signature": "v1,"}, vouched(b"{}") | {"webhook-signature": "é"},
    ],
)  # fmt: skip
def test_without_a_good_signature_it_is_nobodys(headers: dict[str, str]) -> None:
    assert not signed(Posted(headers, b"{}", float(NOW)), TOKEN)


def test_a_signing_token_that_is_none_lets_nobody_in() -> None:
    body = b"{}"
    assert not signed(Posted(vouched(body, key=b""), body, float(NOW)), "whsec_not base64!")


def test_each_event_names_what_it_is_about() -> None:
    merge = noticed(posted("Merge Request Hook", MERGE))
    at = "acme/team/app"
    head = frozenset({"a" * 40})
    seven, branch = frozenset({7}), frozenset({"ao/app-1-x"})
    assert merge == Notice("u-1", "Merge Request Hook", at, seven, branch, head)
    pipeline = noticed(posted("Pipeline Hook", PIPELINE))
    assert (pipeline.pulls, pipeline.branches, pipeline.commits) == (frozenset(), branch, head)
    merged = {**PIPELINE, "merge_request": {"iid": 7, "source_branch": "ao/app-1-x"}}
    assert noticed(posted("Pipeline Hook", merged)).pulls == {7}
    assert noticed(posted("Note Hook", NOTE)).pulls == {7}
    assert noticed(posted("Note Hook", {**NOTE, "merge_request": None})).names_nothing
    push = noticed(posted("Push Hook", PUSH))
    assert (push.moved, push.commits) == ({"main"}, {"b" * 40})
    assert noticed(posted("Wiki Page Hook", PROJECT)).names_nothing


def test_a_delivery_is_known_by_what_stays_the_same_when_it_is_repeated() -> None:
    one = posted("Push Hook", PUSH, idempotency_key="i-1")
    assert noticed(one).delivery == "i-1"
    assert noticed(posted("Push Hook", PUSH, idempotency_key="i", webhook_id="w")).delivery == "w"


@pytest.mark.parametrize(
    ("event", "body"),
    [("Merge Request Hook", PIPELINE), ("Pipeline Hook", PROJECT), ("Note Hook", PROJECT),
     ("Push Hook", MERGE), ("Push Hook", {}), ("", PUSH)],
)  # fmt: skip
def test_what_is_not_what_its_event_says_is_no_delivery(event: str, body: object) -> None:
    with pytest.raises(BadRequest):
        noticed(posted(event, body))


class TestOrders(Simple):
    @pytest.fixture
    def receiver(self) -> Iterator[Receiver]:
        with Receiver() as receiver:
            yield receiver

    def heard(self, receiver: Receiver) -> list[Posted]:
        assert self.gitlab.deliveries
        return [Posted(sent.headers, sent.body, time()) for sent in receiver.sent]

    @pytest.mark.parametrize("secrets", [("first", "second"), ("first", TOKEN)])
    async def test_a_webhook_is_ordered_once_and_brought_up_to_date(
        self, scope: Scope, receiver: Receiver, secrets: tuple[str, str]
    ) -> None:
        async with self.made(scope) as scm:
            assert scm.repository == "acme/app"
            assert "was made" in await scm.hook(receiver.url, secrets[0])
            assert "up to date" in await scm.hook(receiver.url, secrets[1])
            (hook,) = self.project.hooks
            assert (hook.url, hook.wants) == (receiver.url, set(scm.events))
            operations = ["hooks/list", "hooks/create", "hooks/list", "hooks/update"]
            assert list(self.calls()) == list(dict.fromkeys(operations))
            self.opened()
            assert self.heard(receiver)
            for one in self.heard(receiver):
                assert scm.signed(one, secrets[1])
                assert not scm.signed(one, "another")

    async def test_what_happens_to_a_merge_request_names_it(
        self, scope: Scope, receiver: Receiver
    ) -> None:
        self.world.hook("acme/app", receiver.url, "secret")
        (head,) = self.opened().commits
        one, world = self.there(1), self.world
        world.pipeline(one, {"build": "failed"})
        world.discussion(one, "Why?")
        world.approve(one)
        world.merge(one)
        found = [noticed(posted) for posted in self.heard(receiver)]
        events = {found.event for found in found}
        assert events >= {"Push Hook", "Merge Request Hook", "Pipeline Hook", "Note Hook"}
        assert {one.repository for one in found} == {"acme/app"}
        assert len({one.delivery for one in found}) == len(found)
        for told in found:
            if told.event == "Push Hook" and "main" in told.moved:
                continue  # of the merge
            if told.event == "Job Hook":  # which is not ordered
                continue
            assert 1 in told.pulls or "ao/app-1" in told.branches or head in told.commits, told

    async def test_the_secret_may_be_configured(self, scope: Scope) -> None:
        async with self.made(scope) as scm:
            assert await scm.secret() is None
            assert scm.relayed("http://127.0.0.1:1/webhooks/gitlab") is None
        async with self.made(scope, webhook_secret="in words") as scm:
            assert await scm.secret() == "in words"
        named = replace(scope, environment={**scope.environment, "HOOK": "from outside"})
        async with self.made(named, webhook_secret=reference("secret://env/HOOK")) as scm:
            assert await scm.secret() == "from outside"
        async with self.made(scope, webhook_secret=reference("secret://env/HOOK")) as scm:
            with pytest.raises(Unauthorized):
                await scm.secret()

    async def test_who_may_not_order_is_told_so(self, scope: Scope) -> None:
        self.world.token("another", "reviewer")
        async with self.made(replace(scope, environment={"GITLAB_TOKEN": "another"})) as scm:
            with pytest.raises(Unauthorized):
                await scm.hook("https://ao.example.com/webhooks/gitlab", "secret")
        assert not self.project.hooks
