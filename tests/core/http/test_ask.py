"""What is asked for comes back typed, whole and from the same origin, or not at all."""

import gzip
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import NoneType

import anyio
import pytest
from pydantic import BaseModel, SecretStr

from ao_core.errors import (
    NotFound,
    PluginError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from ao_core.http import Api, bearer
from ao_core.http.retry import Backoff
from ao_core.testing.clock import FakeClock
from receiver import Answer, Receiver, says

Entered = Callable[..., AbstractAsyncContextManager[Api]]
SECRET = "hunter2hunter2"


class Issue(BaseModel):
    number: int
    title: str


@dataclass(frozen=True)
class Named:
    name: str


# -- ask ---------------------------------------------------------------------------------------


async def test_an_answer_is_a_model_or_a_dataclass(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.extend([says({"number": 7, "title": "T", "more": 1}), says([{"name": "a"}])])
    async with entered() as api:
        assert await api.ask("GET", "/issues/7", into=Issue) == Issue(number=7, title="T")
        assert await api.ask("GET", "/labels", into=list[Named]) == [Named("a")]
    assert [one.path for one in receiver.sent] == ["/api/issues/7", "/api/labels"]


async def test_what_is_asked_is_sent_as_it_was_meant(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.append(says({}))
    params = {"state": "open", "labels": ["a b", "c"], "mine": True, "since": None}
    async with entered(headers={"X-Version": "1", "accept": "application/vnd"}) as api:
        body = {"title": "ü"}
        await api.ask("POST", "/issues?a=1", into=object, params=params, json=body)
    (sent,) = receiver.sent
    assert sent.path == "/api/issues?a=1&state=open&labels=a+b&labels=c&mine=true"
    assert sent.body == '{"title":"ü"}'.encode()
    headers = sent.headers
    assert (headers["content-type"], headers["x-version"]) == ("application/json", "1")
    assert headers["accept"] == "application/vnd"


async def test_json_is_what_is_wanted_unless_told_otherwise(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.extend([says({})] * 2)
    async with entered() as api:
        await api.ask("GET", into=object)
        await api.ask("GET", into=object, headers={"Accept": "text/x"})
    assert [one.headers["accept"] for one in receiver.sent] == ["application/json", "text/x"]


async def test_nothing_is_an_answer_where_nothing_is_expected(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.extend([Answer(204), Answer(204)])
    async with entered() as api:
        await api.ask("DELETE", "/labels/a", into=NoneType)
        with pytest.raises(Unavailable, match="unexpected answer"):
            await api.ask("GET", "/issues/7", into=Issue)


@pytest.mark.parametrize(
    "body", [b"<html>" + SECRET.encode(), b'{"number": "' + SECRET.encode() + b'"}', b"[" * 99_999]
)
async def test_an_answer_of_another_shape_is_not_quoted(
    body: bytes, entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(200, body=body))
    async with entered() as api:
        with pytest.raises(Unavailable) as caught:
            await api.ask("GET", "/issues/7", into=Issue)
    assert caught.value.message == "vendor: GET /issues/7: unexpected answer"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_an_answer_that_is_too_long_is_not_read_to_its_end(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.extend([says("x" * 98), says("x" * 99)])
    async with entered() as api:
        assert await api.ask("GET", into=str, most_bytes=100) == "x" * 98
        with pytest.raises(Rejected, match="larger than 100 bytes"):
            await api.ask("GET", into=str, most_bytes=100)


async def test_its_length_is_counted_unpacked(entered: Entered, receiver: Receiver) -> None:
    packed = gzip.compress(b'"' + b"x" * 9_999 + b'"')
    receiver.answers.append(Answer(200, {"Content-Encoding": "gzip"}, body=packed))
    async with entered() as api:
        with pytest.raises(Rejected, match="larger"):
            await api.ask("GET", into=str, most_bytes=1_000)


@pytest.mark.parametrize(
    "headers", [{"Content-Length": "100"}, {"Content-Encoding": "gzip", "Content-Length": "2"}]
)
async def test_an_answer_that_breaks_off_is_none(
    headers: dict[str, str], entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(200, headers, body=b"{}"))
    async with entered() as api:
        with pytest.raises(Unavailable, match="the connection failed") as caught:
            await api.ask("GET", into=object)
    assert caught.value.__cause__ is None


async def test_an_answer_has_as_long_as_the_call(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.append(Answer(hang=True))
    async with entered(timeout=60.0, deadline=0.1) as api:
        with pytest.raises(Unavailable, match=r"within 0\.1 s"):
            await api.ask("GET", into=object)


async def test_an_answer_may_be_asked_for_elsewhere_on_the_same_origin(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.extend([Answer(301, {"Location": "/new"}), says("there")])
    async with entered(auth=bearer(SecretStr(SECRET))) as api:
        assert await api.ask("GET", "/old", into=str) == "there"
    assert [one.path for one in receiver.sent] == ["/api/old", "/new"]
    assert {one.headers["authorization"] for one in receiver.sent} == {f"Bearer {SECRET}"}


# -- refusals ----------------------------------------------------------------------------------


async def test_a_refusal_has_its_status_and_keeps_the_servers_words_apart(
    entered: Entered, receiver: Receiver
) -> None:
    why = {"message": "Head branch was\x1b[31m modified.", "documentation_url": "https://x.test"}
    receiver.answers.append(says(why, 409))
    async with entered() as api:
        with pytest.raises(Rejected) as caught:
            await api.ask("PUT", "/pulls/1/merge", into=object)
    error = caught.value
    assert (error.status, error.said) == (409, "Head branch was modified.")
    assert error.message == "vendor: PUT /pulls/1/merge: 409 Conflict"
    assert "modified" not in str(error.wire())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "a", "errors": [{"field": "b", "code": "c"}, {"message": "d"}]}, "a b c d"),
        (
            {"message": {"base": ["not open"], "title": ["is blank"]}},
            "base not open title is blank",
        ),
        ({"error": "invalid_grant", "error_description": "expired"}, "invalid_grant expired"),
        ({"errors": ["a\nb", "c"]}, "a b c"),
        ({"message": "token ghp_0123456789abcdefABCDEF is bad"}, "token [redacted] is bad"),
        ({"message": "x" * 999}, "x" * 499 + "…"),
        ({"message": [[[[[["too deep"]]]]]]}, None),
        ({"message": 7}, None),
        (["no object"], None),
    ],
)
async def test_the_words_of_a_refusal_are_found_and_cut(
    body: object, said: str | None, entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(says(body, 422))
    async with entered() as api:
        with pytest.raises(Rejected) as caught:
            await api.ask("POST", into=object)
    assert caught.value.said == said


@pytest.mark.parametrize(
    "answer",
    [
        Answer(405, {"Content-Length": "9"}, body=b"cut"),
        Answer(405, body=b'{"message": "' + b"x" * 99_999 + b'"}'),
        Answer(405, body=b"[" * 9_999),
    ],
)
async def test_a_refusal_without_a_reason_is_one_all_the_same(
    answer: Answer, entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(answer)
    async with entered() as api:
        with pytest.raises(Rejected) as caught:
            await api.ask("PUT", into=object)
    assert (caught.value.status, caught.value.said) == (405, None)


async def test_a_reason_that_does_not_come_is_not_waited_for(
    entered: Entered, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ao_core.http.answers._FOR_AN_ERROR", 0.05)
    receiver.answers.append(Answer(405, body=b'{"message": "', stall=True))
    async with entered(timeout=30.0, deadline=30.0) as api:
        with anyio.fail_after(5), pytest.raises(Rejected) as caught:
            await api.ask("PUT", into=object)
    assert (caught.value.status, caught.value.said) == (405, None)


async def test_a_body_that_stops_coming_is_no_answer(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.append(Answer(200, body=b"[1", stall=True))
    async with entered(timeout=0.05) as api:
        with pytest.raises(Unavailable, match="no answer in time"):
            await api.ask("GET", into=object)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Rejected), (401, Unauthorized), (404, NotFound), (422, Rejected), (502, Unavailable)],
)
async def test_a_status_is_an_error_of_its_kind(
    status: int, error: type[PluginError], entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(says({"message": "why"}, status))
    async with entered() as api:
        with pytest.raises(PluginError) as caught:
            await api.ask("GET", into=object)
    assert (type(caught.value), caught.value.status) == (error, status)
    assert caught.value.said == "why"


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (403, {"Retry-After": "90"}, 90.0),
        (403, {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "reset": "+300"}, 300.0),
        (429, {"RateLimit-Limit": "60", "RateLimit-Remaining": "0", "reset": "+45"}, 45.0),
        (429, {"RateLimit-Limit": "60", "RateLimit-Remaining": "0", "RateLimit-Reset": "30"}, 30.0),
        (429, {}, None),
    ],
)
async def test_a_limit_is_one_by_whatever_status(
    status: int,
    headers: dict[str, str],
    wait: float | None,
    entered: Entered,
    receiver: Receiver,
    fake_clock: FakeClock,
) -> None:
    given = dict(headers)
    if ahead := given.pop("reset", ""):
        lead = "X-RateLimit" if "X-RateLimit-Limit" in given else "RateLimit"
        given[f"{lead}-Reset"] = str(int(fake_clock.now().timestamp()) + int(ahead))
    receiver.answers.append(Answer(status, given))
    async with entered() as api:
        with pytest.raises(RateLimited) as caught:
            await api.ask("GET", into=object)
    assert (caught.value.retry_after, caught.value.status) == (wait, status)


async def test_a_limit_that_only_words_tell_of_is_one_too(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(says({"message": "You have exceeded a secondary rate limit."}, 403))
    receiver.answers.append(says({"message": "Resource not accessible by integration"}, 403))
    async with entered() as api:
        with pytest.raises(RateLimited):
            await api.ask("GET", into=object)
        with pytest.raises(Unauthorized):
            await api.ask("GET", into=object)


async def test_an_empty_budget_is_not_asked_again_and_again(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    reset = str(int(fake_clock.now().timestamp()) + 3_000)
    empty = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
    receiver.answers.append(Answer(429, empty))
    async with entered(backoff=Backoff(4)) as api:
        with pytest.raises(RateLimited) as caught:
            await api.ask("GET", into=object)
    assert caught.value.retry_after == 3_000
    assert len(receiver.sent) == 1
