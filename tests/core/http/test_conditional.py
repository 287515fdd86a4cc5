"""What has not changed is not sent again, and is the same as before."""

import gzip
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest

from ao_core.errors import Rejected
from ao_core.http import Api
from ao_core.http.conditional import ConditionalTransport
from receiver import Answer, Receiver, Sent, says

Entered = Callable[..., AbstractAsyncContextManager[Api]]
UNCHANGED = Answer(304)


def asked_if(sent: Sent) -> str | None:
    return sent.headers.get("if-none-match") or sent.headers.get("if-modified-since")


async def test_what_has_not_changed_is_what_was_answered_before(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.extend([says([1, 2], etag='W/"a"'), UNCHANGED, says([3], etag='"b"')])
    receiver.answers.append(UNCHANGED)
    async with entered() as api:
        found = [await api.ask("GET", "/issues", into=list[int]) for _ in range(4)]
        assert api.unchanged == 2
    assert found == [[1, 2], [1, 2], [3], [3]]
    assert [asked_if(one) for one in receiver.sent] == [None, 'W/"a"', 'W/"a"', '"b"']


async def test_a_time_does_where_there_is_no_tag(entered: Entered, receiver: Receiver) -> None:
    when = "Wed, 25 Oct 2023 19:17:59 GMT"
    receiver.answers.extend([says(1, last_modified=when), UNCHANGED])
    async with entered() as api:
        assert [await api.ask("GET", into=int) for _ in range(2)] == [1, 1]
    assert receiver.sent[1].headers["if-modified-since"] == when


async def test_a_tag_is_asked_for_before_a_time(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.extend([says(1, etag='"a"', last_modified="x"), UNCHANGED])
    async with entered() as api:
        assert [await api.ask("GET", into=int) for _ in range(2)] == [1, 1]
    assert "if-modified-since" not in receiver.sent[1].headers


async def test_its_next_page_is_remembered_too(entered: Entered, receiver: Receiver) -> None:
    more = '</api/issues?page=2>; rel="next"'
    pages = [says([1], etag='"a"', link=more), says([2], etag='"b"')]
    receiver.answers.extend([*pages, UNCHANGED, UNCHANGED])
    async with entered() as api:
        for _ in range(2):
            found = [one async for one in api.pages("/issues", into=list[int])]
            assert found == [1, 2]
        assert api.unchanged == 2


async def test_what_was_packed_is_unpacked_again(entered: Entered, receiver: Receiver) -> None:
    packed = gzip.compress(json.dumps("x" * 500).encode())
    headers = {"etag": '"a"', "content-type": "application/vnd.github+json; charset=utf-8"}
    length = {"content-encoding": "gzip", "content-length": str(len(packed))}
    receiver.answers.append(Answer(200, {**headers, **length}, body=packed))
    receiver.answers.append(Answer(304, {"content-encoding": "identity", "content-length": "0"}))
    async with entered() as api:
        assert [await api.ask("GET", into=str) for _ in range(2)] == ["x" * 500] * 2


async def test_other_questions_are_not_mixed_up(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.extend([says(number, etag=f'"{number}"') for number in range(6)])
    async with entered() as api:
        await api.ask("GET", "/a", into=int)
        await api.ask("GET", "/a?b", into=int)
        await api.ask("GET", "/a", into=int, headers={"Accept": "application/x"})
        await api.ask("POST", "/a", into=int)
        await api.ask("PUT", "/a", into=int)
        await api.ask("PUT", "/a", into=int)
    assert [asked_if(one) for one in receiver.sent] == [None] * 6


async def test_another_who_asks_the_same_is_told_it_anew(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.extend([says(1, etag='"a"'), says(2, etag='"a"')])
    async with entered() as mine, entered() as yours:
        assert (await mine.ask("GET", into=int), await yours.ask("GET", into=int)) == (1, 2)
    assert [asked_if(one) for one in receiver.sent] == [None, None]


@pytest.mark.parametrize(
    "answer",
    [
        says(1),
        says(1, 201, etag='"a"'),
        says(1, etag='"a"', cache_control="private, no-store"),
        says(1, etag='"a"', content_type="text/plain"),
        Answer(200, {"etag": '"a"', "content-type": "application/json"}, body=b"1"),
    ],
)
async def test_what_cannot_be_remembered_is_asked_for_again(
    answer: Answer, entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.extend([answer, answer])
    async with entered() as api:
        await api.ask("GET", into=object)
        await api.ask("GET", into=object)
    assert [asked_if(one) for one in receiver.sent] == [None, None]


async def test_what_was_not_read_to_its_end_is_not_remembered(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.extend([says("x" * 500_000, etag='"a"'), says("y", etag='"b"')])
    async with entered() as api:
        with pytest.raises(Rejected):
            await api.ask("GET", into=str, most_bytes=10)
        assert await api.ask("GET", into=str) == "y"
    assert [asked_if(one) for one in receiver.sent] == [None, None]


async def test_who_asks_by_themselves_is_not_answered_for(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.extend([says(1, etag='"a"'), UNCHANGED])
    async with entered() as api:
        await api.ask("GET", into=int)
        with pytest.raises(Rejected, match="304"):
            await api.ask("GET", into=int, headers={"If-None-Match": '"mine"'})


async def test_the_least_used_is_forgotten_first(
    entered: Entered, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 10_000

    def small(inner: httpx.AsyncBaseTransport) -> ConditionalTransport:
        return ConditionalTransport(inner, 3 * size)

    monkeypatch.setattr("ao_core.http.api.ConditionalTransport", small)
    long = "x" * (size - 2_000)
    receiver.answers.extend([says(long, etag=f'"{name}"') for name in "abc"])
    receiver.answers.extend([UNCHANGED, says(long, etag='"d"'), UNCHANGED, says(long)])
    receiver.answers.append(says("x" * 4 * size, etag='"huge"'))
    receiver.answers.append(UNCHANGED)
    async with entered() as api:
        for path in ("/a", "/b", "/c", "/a", "/d", "/a", "/b", "/huge", "/a"):
            await api.ask("GET", path, into=str)
        assert api.unchanged == 3
    assert [one.path for one in receiver.sent if asked_if(one)] == ["/api/a"] * 3
