"""The one way plugins speak HTTP, against a real server on loopback."""

import logging
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import pytest

from ao_core.clock import SystemClock
from ao_core.errors import (
    NotFound,
    PluginError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from ao_core.http import Api
from ao_core.http.retry import Backoff
from receiver import Answer, Receiver, says

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = {"Idempotency-Key": "note-1"}
SECRET = "hunter2hunter2"


class Impatient(SystemClock):
    """Never waits; `waits` is how long it should have. It is always the same moment."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def now(self) -> datetime:
        return NOW

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await anyio.lowlevel.checkpoint()


@pytest.fixture
def clock() -> Impatient:
    return Impatient()


Opened = Callable[..., Any]


@pytest.fixture
def opened(receiver: Receiver, clock: Impatient) -> Opened:
    @asynccontextmanager
    async def opened(path: str = "/hook", **settings: Any) -> AsyncGenerator[Api]:
        async with Api("vendor", receiver.url + path, clock=clock, **settings) as api:
            yield api

    return opened


async def test_what_is_sent_arrives_byte_for_byte(opened: Opened, receiver: Receiver) -> None:
    async with opened("/hook?a=1") as api:
        await api.call("POST", content=b'{"a": "\xc3\xbc"}', headers={"X-Mine": "yes"})
    (sent,) = receiver.sent
    assert (sent.method, sent.path, sent.body) == ("POST", "/hook?a=1", b'{"a": "\xc3\xbc"}')
    assert sent.headers["x-mine"] == "yes"


async def test_a_path_is_put_behind_the_address(opened: Opened, receiver: Receiver) -> None:
    async with opened("/api") as api:
        await api.call("GET", "/issues/1")
    assert [(one.method, one.path) for one in receiver.sent] == [("GET", "/api/issues/1")]


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
async def test_what_passes_is_tried_again_until_it_has(
    status: int, opened: Opened, receiver: Receiver, clock: Impatient
) -> None:
    receiver.answers.extend([Answer(status), Answer(status), Answer(200)])
    async with opened() as api:
        await api.call("POST", content=b"x", headers=KEY)
    assert [one.body for one in receiver.sent] == [b"x"] * 3
    assert {one.headers["idempotency-key"] for one in receiver.sent} == {"note-1"}
    assert len(clock.waits) == 2


async def test_what_could_take_effect_twice_is_sent_once(
    opened: Opened, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(503))
    async with opened() as api:
        with pytest.raises(Unavailable):
            await api.call("POST", content=b"x")
    assert len(receiver.sent) == 1


async def test_a_connection_that_broke_after_sending_is_not_repeated_either(
    opened: Opened, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(drop=True))
    async with opened() as api:
        with pytest.raises(Unavailable, match="connection"):
            await api.call("POST", content=b"x")
        assert len(receiver.sent) == 1
        receiver.answers.append(Answer(drop=True))
        await api.call("POST", content=b"x", headers=KEY)
    assert len(receiver.sent) == 3


async def test_what_comes_to_the_same_twice_is_repeated(opened: Opened, receiver: Receiver) -> None:
    receiver.answers.extend([Answer(drop=True), Answer(503), says({})])
    async with opened() as api:
        await api.ask("POST", json={"state": "open"}, into=object, repeatable=True)
    assert len(receiver.sent) == 3
    assert all("idempotency-key" not in one.headers for one in receiver.sent)


async def test_what_was_refused_for_now_may_be_sent_again(
    opened: Opened, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(429))
    async with opened() as api:
        await api.call("POST", content=b"x")
    assert len(receiver.sent) == 2


async def test_what_never_left_is_tried_again(clock: Impatient) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with Api("vendor", url, clock=clock, backoff=Backoff(3)) as api:
            with pytest.raises(Unavailable, match="no connection") as caught:
                await api.call("POST", content=b"x")
    assert len(clock.waits) == 2
    assert caught.value.hint


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=9), usegmt=True), 9.0),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0.0),
    ],
)
async def test_the_server_says_how_long_to_wait(
    asked: str, waited: float, opened: Opened, receiver: Receiver, clock: Impatient
) -> None:
    receiver.answers.append(Answer(429, {"Retry-After": asked}))
    async with opened() as api:
        await api.call("POST", content=b"x", headers=KEY)
    assert clock.waits == [waited]


@pytest.mark.parametrize("asked", ["soon", "-5", "nan", "1e3", ""])
async def test_what_is_no_time_to_wait_is_not_heeded(
    asked: str, opened: Opened, receiver: Receiver, clock: Impatient
) -> None:
    receiver.answers.append(Answer(429, {"Retry-After": asked}))
    async with opened(backoff=Backoff(2, first=0.25)) as api:
        await api.call("POST", content=b"x", headers=KEY)
    (wait,) = clock.waits
    assert 0 <= wait <= 0.25


@pytest.mark.parametrize(("asked", "told"), [("600", 600.0), ("999999999", 86_400.0)])
async def test_too_long_a_wait_is_left_to_the_caller(
    asked: str, told: float, opened: Opened, receiver: Receiver, clock: Impatient
) -> None:
    receiver.answers.append(Answer(429, {"Retry-After": asked}))
    async with opened(deadline=1e6) as api:
        with pytest.raises(RateLimited) as caught:
            await api.call("POST", content=b"x", headers=KEY)
    assert (caught.value.retry_after, caught.value.retryable) == (told, True)
    assert clock.waits == []


async def test_no_wait_goes_beyond_the_deadline(
    opened: Opened, receiver: Receiver, clock: Impatient
) -> None:
    receiver.answers.append(Answer(503, {"Retry-After": "8"}))
    async with opened(deadline=5.0) as api:
        with pytest.raises(Unavailable, match="503"):
            await api.call("POST", content=b"x", headers=KEY)
    assert clock.waits == []


async def test_it_gives_up_after_so_many_attempts(opened: Opened, receiver: Receiver) -> None:
    receiver.answers.extend([Answer(500)] * 9)
    async with opened(backoff=Backoff(3)) as api:
        with pytest.raises(Unavailable, match="500"):
            await api.call("GET")
    assert len(receiver.sent) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Rejected),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, NotFound),
        (409, Rejected),
        (410, NotFound),
        (422, Rejected),
        (501, Unavailable),
        (599, Unavailable),
    ],
)
async def test_a_status_is_an_error_of_its_kind_and_not_repeated(
    status: int, error: type[PluginError], opened: Opened, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(status))
    async with opened() as api:
        with pytest.raises(PluginError) as caught:
            await api.call("POST", content=b"x", headers=KEY)
    assert type(caught.value) is error
    assert str(status) in caught.value.message
    assert len(receiver.sent) == 1


async def test_a_server_that_says_nothing_is_not_waited_for(
    opened: Opened, receiver: Receiver
) -> None:
    receiver.answers.extend([Answer(hang=True)] * 2)
    async with opened(timeout=0.1, backoff=Backoff(2)) as api:
        with pytest.raises(Unavailable, match="no answer in time"):
            await api.call("POST", content=b"x", headers=KEY)
    assert len(receiver.sent) == 2


async def test_a_whole_call_ends_with_its_deadline(opened: Opened, receiver: Receiver) -> None:
    receiver.answers.append(Answer(hang=True))
    async with opened(timeout=60.0, deadline=0.1) as api:
        with pytest.raises(Unavailable, match=r"within 0\.1 s"):
            await api.call("POST", content=b"x", headers=KEY)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_elsewhere_gets_nothing(
    status: int, opened: Opened, receiver: Receiver
) -> None:
    with Receiver() as elsewhere:
        receiver.answers.append(Answer(status, {"Location": f"{elsewhere.url}/{SECRET}"}))
        async with opened() as api:
            with pytest.raises(Rejected, match="elsewhere") as caught:
                await api.call("POST", content=b"x", headers=KEY)
    assert elsewhere.sent == []
    assert SECRET not in str(caught.value.wire())


async def test_a_redirection_on_the_same_origin_is_followed_with_the_body(
    opened: Opened, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(307, {"Location": "/new"}))
    async with opened() as api:
        await api.call("POST", content=b"x", headers=KEY)
    assert [(one.path, one.body) for one in receiver.sent] == [("/hook", b"x"), ("/new", b"x")]


async def test_no_redirection_makes_a_reading_of_a_writing(
    opened: Opened, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(303, {"Location": "/new"}))
    async with opened() as api:
        with pytest.raises(Rejected):
            await api.call("POST", content=b"x", headers=KEY)
    assert len(receiver.sent) == 1


@pytest.mark.parametrize("location", ["/hook", None, "http://[", "file:///etc/passwd"])
async def test_a_redirection_that_leads_nowhere_ends(
    location: str | None, opened: Opened, receiver: Receiver
) -> None:
    answer = Answer(307, {"Location": location} if location else {})
    receiver.answers.extend([answer] * 20)
    async with opened(backoff=Backoff(1)) as api:
        with pytest.raises(PluginError):
            await api.call("POST", content=b"x", headers=KEY)
    assert len(receiver.sent) <= 4


async def test_no_path_leads_to_another_origin(opened: Opened, receiver: Receiver) -> None:
    async with opened("") as api:
        with pytest.raises(Rejected, match="elsewhere"):
            await api.call("POST", "@localhost/x", content=b"x")
    assert receiver.sent == []


async def test_an_answer_is_not_read_however_long(opened: Opened, receiver: Receiver) -> None:
    receiver.answers.append(Answer(200, {"Content-Length": "999999999999"}, body=b"x" * 9_999))
    async with opened() as api:
        await api.call("POST", content=b"x")
    assert len(receiver.sent) == 1


async def test_an_error_says_what_was_done_and_nothing_that_is_secret(
    opened: Opened, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(400, {"X-Echo": SECRET}, SECRET, SECRET.encode()))
    async with opened(f"/{SECRET}?token={SECRET}") as api:
        with pytest.raises(Rejected) as caught:
            await api.call("POST", content=SECRET.encode(), headers={"X-Token": SECRET})
    assert caught.value.message == "vendor: POST: 400 Bad Request"


async def test_not_even_the_cause_of_an_error_quotes_a_header(opened: Opened) -> None:
    async with opened() as api:
        with pytest.raises(Unavailable) as caught:
            await api.call("POST", headers={"X-Token": f"{SECRET}\n"})
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert SECRET not in str(caught.value.wire())


async def test_no_log_has_the_address(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(f"/{SECRET}") as api:
        await api.call("POST", content=b"x")
    assert SECRET not in caplog.text


def test_an_address_that_is_none_is_refused_without_quoting_it() -> None:
    with pytest.raises(Rejected) as caught:
        Api("vendor", f"http://example.com:abc/{SECRET}")
    assert caught.value.message == "vendor: the address is not valid"


def test_waits_grow_and_stay_below_the_cap() -> None:
    backoff = Backoff(9, first=1.0, cap=3.0)
    drawn = [[backoff.delay(attempt) for _ in range(200)] for attempt in range(1, 6)]
    assert all(
        0 <= one <= limit for row, limit in zip(drawn, [1, 2, 3, 3, 3], strict=True) for one in row
    )
    assert max(drawn[1]) > 1.0
