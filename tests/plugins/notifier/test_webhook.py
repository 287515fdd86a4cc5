"""Notes by HTTP, to a real server on loopback: what arrives, how signed, what is tried again."""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.clock import SystemClock
from ao_core.config.load import load, project
from ao_core.config.secret import SecretRef
from ao_core.errors import (
    AoError,
    BadRequest,
    ConfigError,
    PluginError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from ao_core.plugin import Scope
from ao_core.registry import configure
from ao_core.slots.notifier import Action
from ao_core.testing.notifier import NOTE, ActionNotifierContract, FailingNotifierContract
from ao_plugins.notifier.webhook import Webhook, WebhookConfig, verify
from receiver import Answer, Receiver

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"
SECRET = "correct horse battery"
ENVIRONMENT = {"HOOK_SECRET": SECRET, "HOOK_TOKEN": "Bearer abcdefgh"}


class Impatient(SystemClock):
    """Never waits; `waits` is how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await anyio.lowlevel.checkpoint()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def clock() -> Impatient:
    return Impatient()


@pytest.fixture
def scope(tmp_path: Path, clock: Impatient) -> Scope:
    return Scope(state=tmp_path, project="app", environment=ENVIRONMENT, clock=clock)


Hook = Callable[..., Webhook]


@pytest.fixture
def hook(receiver: Receiver, scope: Scope) -> Hook:
    def hook(**settings: object) -> Webhook:
        given = {"url": f"{receiver.url}/hook", "secret": SecretRef("env", "HOOK_SECRET")}
        return Webhook(WebhookConfig.model_validate(given | settings), scope)

    return hook


class TestWebhook(FailingNotifierContract, ActionNotifierContract):
    @pytest.fixture(autouse=True)
    def listening(self) -> Iterator[None]:
        with Receiver() as self.receiver:
            yield

    def make(self, scope: Scope) -> Webhook:
        return self._at(self.receiver.url, scope)

    def make_unreachable(self, scope: Scope) -> Webhook:
        self.receiver.answers.extend([Answer(drop=True)] * 9)
        return self._at(self.receiver.url, replace(scope, clock=Impatient()))

    def received(self, scope: Scope) -> Sequence[str]:
        return [_text(json.loads(one.body)) for one in self.receiver.sent]

    def _at(self, url: str, scope: Scope) -> Webhook:
        return Webhook(WebhookConfig.model_validate({"url": url, "secret": SECRET}), scope)


def _text(told: dict[str, Any]) -> str:
    actions = "".join(f"{one['label']} {one['url']}" for one in told.get("actions", ()))
    return f"{told['title']} {told['body']} {actions}"


async def test_a_note_is_one_post_of_json(hook: Hook, receiver: Receiver) -> None:
    async with hook() as webhook:
        await webhook.notify(NOTE)
    (sent,) = receiver.sent
    assert (sent.method, sent.path) == ("POST", "/hook")
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["idempotency-key"] == NOTE.id
    assert json.loads(sent.body) == {
        "id": "note-1",
        "kind": "note.lead",
        "priority": "info",
        "title": "app-3: Fix the login",
        "body": "Its work is ready to look at.",
        "at": "2026-01-02T03:04:05+00:00",
        "project": "app",
        "session": "app-3",
        "url": "https://example.com/app/3",
    }


async def test_the_very_bytes_that_arrive_are_signed(hook: Hook, receiver: Receiver) -> None:
    async with hook() as webhook:
        await webhook.notify(replace(NOTE, body="ünï 🚀\n\x1b[31m"))
    (sent,) = receiver.sent
    assert re.fullmatch(r"sha256=[0-9a-f]{64}", sent.headers["x-ao-signature"])
    verify(sent.body, sent.headers, SECRET, time.time())
    with pytest.raises(Unauthorized, match="wrong"):
        verify(sent.body + b" ", sent.headers, SECRET, time.time())


def test_a_signature_is_what_anybody_can_compute() -> None:
    headers = {
        "X-AO-Timestamp": "1700000000",
        # printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
        "X-AO-Signature": "sha256=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03",
    }
    verify(b'{"a":1}', headers, "key", 1_700_000_000.0)


SIGNED = {
    "x-ao-timestamp": "1700000000",
    "X-AO-SIGNATURE": "sha256=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03",
}


@pytest.mark.parametrize("now", [1_700_000_300.0, 1_699_999_700.0])
def test_clocks_may_differ_a_little(now: float) -> None:
    verify(b'{"a":1}', SIGNED, "key", now)


@pytest.mark.parametrize("now", [1_700_000_301.0, 1_699_999_699.0, float("nan"), float("inf")])
def test_what_is_stale_or_from_the_future_is_refused(now: float) -> None:
    with pytest.raises(Unauthorized, match="too far"):
        verify(b'{"a":1}', SIGNED, "key", now)


def test_how_far_clocks_may_differ_can_be_said() -> None:
    verify(b'{"a":1}', SIGNED, "key", 1_700_009_000.0, tolerance=9_000)
    with pytest.raises(Unauthorized):
        verify(b'{"a":1}', SIGNED, "key", 1_700_000_002.0, tolerance=1)


@pytest.mark.parametrize(
    ("body", "key", "changes"),
    [
        (b'{"a":2}', "key", {}),
        (b'{"a":1}', "other", {}),
        (b'{"a":1}', "key", {"x-ao-timestamp": "1700000001"}),
        (b'{"a":1}', "key", {"x-ao-timestamp": "1e9"}),
        (b'{"a":1}', "key", {"x-ao-timestamp": "١٧٠٠٠٠٠٠٠٠"}),
        (b'{"a":1}', "key", {"x-ao-timestamp": None}),
        (b'{"a":1}', "key", {"X-AO-SIGNATURE": None}),
        (b'{"a":1}', "key", {"X-AO-SIGNATURE": ""}),
        (b'{"a":1}', "key", {"X-AO-SIGNATURE": "sha256=ü\ud800"}),
        (b'{"a":1}', "key", {"X-AO-SIGNATURE": SIGNED["X-AO-SIGNATURE"][len("sha256=") :]}),
    ],
)
def test_what_is_not_signed_just_so_is_refused(
    body: bytes, key: str, changes: dict[str, str | None]
) -> None:
    headers = {name: value for name, value in (SIGNED | changes).items() if value is not None}
    with pytest.raises(Unauthorized) as caught:
        verify(body, headers, key, 1_700_000_000.0)
    assert key not in caught.value.message.split()


def test_nothing_is_verified_without_a_secret() -> None:
    with pytest.raises(BadRequest):
        verify(b"", SIGNED, "", 1_700_000_000.0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"secret": None}, "it has no secret"),
        ({"secret": None, "secret_env": "NOT_SET"}, "the variable NOT_SET is not set"),
    ],
)
async def test_without_a_secret_notes_are_not_signed_and_that_is_said_once(
    settings: dict[str, object],
    said: str,
    hook: Hook,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with hook(**settings) as webhook:
        await webhook.notify(NOTE)
        await webhook.notify(NOTE)
    assert len(receiver.sent) == 2
    assert not any("x-ao-signature" in one.headers for one in receiver.sent)
    assert [said in record.getMessage() for record in caplog.records] == [True]


async def test_a_variable_can_be_named_that_holds_the_secret(
    hook: Hook, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    async with hook(secret=None, secret_env="HOOK_SECRET") as webhook:
        await webhook.notify(NOTE)
    verify(receiver.sent[0].body, receiver.sent[0].headers, SECRET, time.time())
    assert caplog.records == []


async def test_a_reference_that_leads_to_nothing_keeps_it_from_opening(hook: Hook) -> None:
    with pytest.raises(PluginError, match="NOT_SET") as caught:
        async with hook(secret=SecretRef("env", "NOT_SET")):
            pytest.fail("it opened")
    assert caught.value.hint


async def test_headers_of_ones_own_are_sent_and_may_be_secret(
    hook: Hook, receiver: Receiver
) -> None:
    headers = {"X-Team": "blue", "Authorization": SecretRef("env", "HOOK_TOKEN")}
    async with hook(headers=headers) as webhook:
        await webhook.notify(NOTE)
    (sent,) = receiver.sent
    assert (sent.headers["x-team"], sent.headers["authorization"]) == ("blue", "Bearer abcdefgh")


async def test_what_fails_for_now_is_sent_again_the_same(
    hook: Hook, receiver: Receiver, clock: Impatient
) -> None:
    receiver.answers.extend([Answer(500), Answer(429, {"Retry-After": "3"}), Answer(200)])
    async with hook() as webhook:
        await webhook.notify(NOTE)
    assert len(receiver.sent) == 3
    assert len({(one.body, one.headers["idempotency-key"]) for one in receiver.sent}) == 1
    assert clock.waits[1:] == [3.0]


async def test_how_often_it_is_tried_can_be_said(hook: Hook, receiver: Receiver) -> None:
    receiver.answers.extend([Answer(500)] * 9)
    async with hook(retries=0) as webhook:
        with pytest.raises(Unavailable):
            await webhook.notify(NOTE)
    assert len(receiver.sent) == 1


async def test_too_long_a_wait_is_told_to_whoever_can_wait(hook: Hook, receiver: Receiver) -> None:
    receiver.answers.append(Answer(429, {"Retry-After": "120"}))
    async with hook() as webhook:
        with pytest.raises(RateLimited) as caught:
            await webhook.notify(NOTE)
    assert caught.value.retry_after == 120.0


async def test_what_is_refused_for_good_is_sent_once(hook: Hook, receiver: Receiver) -> None:
    receiver.answers.append(Answer(400))
    async with hook() as webhook:
        with pytest.raises(Rejected, match="400"):
            await webhook.notify(NOTE)
    assert len(receiver.sent) == 1


async def test_a_receiver_that_hangs_is_given_up_in_time(hook: Hook, receiver: Receiver) -> None:
    receiver.answers.append(Answer(hang=True))
    async with hook(deadline=0.1, retries=0) as webhook:
        with anyio.fail_after(5), pytest.raises(Unavailable):
            await webhook.notify(NOTE)


async def test_a_redirection_elsewhere_gets_no_note(hook: Hook, receiver: Receiver) -> None:
    with Receiver() as elsewhere:
        receiver.answers.append(Answer(307, {"Location": f"{elsewhere.url}/hook"}))
        async with hook() as webhook:
            with pytest.raises(Rejected, match="elsewhere"):
                await webhook.notify(NOTE)
    assert elsewhere.sent == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, {"X-Echo": SECRET}, SECRET, SECRET.encode()),
        Answer(401, reason=SECRET),
        Answer(307, {"Location": f"https://{SECRET[:7]}.example/{SECRET[:7]}"}),
        Answer(500, body=SECRET.encode()),
        Answer(drop=True),
        Answer(hang=True),
    ],
)
async def test_no_error_and_no_log_holds_what_is_secret(
    answer: Answer, hook: Hook, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answers.append(answer)
    url = f"{receiver.url}/{SECRET[:7]}"
    headers = {"X-Token": SECRET}
    async with hook(url=url, headers=headers, retries=0, deadline=0.2) as webhook:
        with pytest.raises(PluginError) as caught:
            await webhook.notify(NOTE)
        assert SECRET not in repr(webhook.config)
        assert SECRET[:7] not in repr(webhook.config)
    told = f"{caught.value.wire()} {caught.value.__cause__!r} {caplog.text}"
    assert SECRET[:7] not in told


async def test_text_of_strangers_arrives_without_what_a_screen_obeys(
    hook: Hook, receiver: Receiver
) -> None:
    token = "ghp_" + "a1" * 18
    note = replace(
        NOTE,
        id="note 1\r\nX-Bad: ü",
        title=f"a\x1b]0;owned\x07\nb {token[:9]}\u200b{token[9:]}",
        body="c\x1b[2Jd\u202e",
        url="javascript:alert(1)",
    )
    async with hook() as webhook:
        await webhook.notify_with_actions(note, [Action("go\x1b[0m", "https://example.com/\x07")])
    (sent,) = receiver.sent
    told = json.loads(sent.body)
    assert (told["title"], told["body"], told["url"]) == ("a b [redacted]", "cd", None)
    assert told["actions"] == [{"label": "go", "url": "https://example.com/"}]
    assert sent.headers["idempotency-key"] == "note%201%0D%0AX-Bad:%20%C3%BC"
    assert "x-bad" not in sent.headers


async def test_a_note_of_any_length_is_sent_in_bounds(hook: Hook, receiver: Receiver) -> None:
    actions = [Action("x" * 5_000, "https://example.com/" + "y" * 9_000)] * 500
    async with hook() as webhook:
        await webhook.notify_with_actions(
            replace(NOTE, title="t" * 9_999, body="b" * 99_999), actions
        )
    assert len(receiver.sent[0].body) < 64_000


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "http://localhost:8080/hook",
        "http://127.0.0.7/hook",
        "http://[::1]:80/hook",
    ],
)
def test_an_address_is_https_or_here(url: str) -> None:
    config = WebhookConfig.model_validate({"url": url})
    assert url not in repr(config)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "http://192.168.0.1/hook",
        "http://127.0.0.1.example.com/",
        "http://localhost\\@example.com/",
        "https://exam ple.com/",
        "https://example.com\\x/",
        "https://example.com/a\nb",
        "https://user:pass@example.com/",
        "https:///hook",
        "https://example.com:99999/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "example.com",
        "",
        7,
    ],
)
def test_any_other_address_is_refused_without_being_quoted(url: object) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(Webhook, {"url": url})
    assert "url" in caught.value.message
    assert not url or str(url) not in caught.value.message


def test_only_when_told_so_it_speaks_without_encryption() -> None:
    WebhookConfig.model_validate({"url": "http://example.com/hook", "insecure": True})


async def test_an_address_that_was_looked_up_is_held_to_the_same(
    hook: Hook, receiver: Receiver, scope: Scope
) -> None:
    settings = {"url": SecretRef("env", "HOOK_URL")}
    for url, works in [(f"{receiver.url}/x", True), ("http://example.com/hunter2", False)]:
        there = replace(scope, environment={"HOOK_URL": url})
        webhook = Webhook(WebhookConfig.model_validate(settings), there)
        if works:
            async with webhook:
                await webhook.notify(NOTE)
            continue
        with pytest.raises(Rejected) as caught:
            await webhook.open()
        assert "hunter2" not in caught.value.message
    assert [one.path for one in receiver.sent] == ["/x"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X Y": "1"},
        {"X-Y": "1\r\nX-Z: 2"},
        {"X-Y": "ü"},
        {"X-AO-Signature": "sha256=0"},
        {"content-length": "1"},
        {"Host": "example.com"},
    ],
)
def test_headers_that_would_do_harm_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        configure(Webhook, {"url": "https://example.com", "headers": headers})


async def test_a_header_that_was_looked_up_is_held_to_the_same(hook: Hook, scope: Scope) -> None:
    webhook = hook(headers={"X-Y": SecretRef("env", "TWO_LINES")})
    webhook.scope = replace(scope, environment={**ENVIRONMENT, "TWO_LINES": "1\r\nX-Z: 2"})
    with pytest.raises(Rejected, match="header"):
        await webhook.open()


def test_a_secret_is_given_in_one_way() -> None:
    with pytest.raises(ConfigError):
        configure(Webhook, {"url": "https://example.com", "secret": "x", "secret_env": "Y"})


async def test_a_configuration_says_where_its_secret_is(
    tmp_path: Path, receiver: Receiver, scope: Scope
) -> None:
    path = tmp_path / "agent-orchestrator.yaml"
    path.write_text(
        "projects: {app: {path: .}}\n"
        "defaults: {notifiers: [hook]}\n"
        "notifiers:\n"
        "  hook:\n"
        "    plugin: webhook\n"
        f"    url: {receiver.url}/hook\n"
        "    secret: secret://env/HOOK_SECRET\n"
        "    headers: {Authorization: 'secret://env/HOOK_TOKEN'}\n"
    )
    loaded = load(path, environment={})
    (choice,) = project(loaded, "app").notifiers
    config = configure(Webhook, choice.settings)
    assert isinstance(config, WebhookConfig)
    async with Webhook(config, scope) as webhook:
        await webhook.notify(NOTE)
    verify(receiver.sent[0].body, receiver.sent[0].headers, SECRET, time.time())
    assert receiver.sent[0].headers["authorization"] == "Bearer abcdefgh"
    assert loaded.warnings == ()


def test_a_secret_in_the_file_itself_is_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "agent-orchestrator.yaml"
    path.write_text(
        "notifiers: {hook: {plugin: webhook, url: 'https://x.example', secret: s3cr3t}}"
    )
    assert [one.where for one in load(path, environment={}).warnings] == ["notifiers.hook.secret"]


async def test_the_documented_receiver_takes_what_is_signed_and_nothing_else(
    hook: Hook, receiver: Receiver
) -> None:
    async with hook() as webhook:
        await webhook.notify(NOTE)
        await webhook.notify(NOTE)
    (source,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.S | re.M)
    names: dict[str, Any] = {}
    exec(compile(source, str(DOCUMENT), "exec"), names)  # noqa: S102 - our own document
    first, again = receiver.sent
    assert names["take"](first.body, first.headers, SECRET)["title"] == NOTE.title
    assert names["take"](again.body, again.headers, SECRET) is None
    with pytest.raises(AoError):
        names["take"](first.body + b" ", first.headers, SECRET)
