"""Lists that go on, and the ends of long texts that are kept elsewhere."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from pydantic import SecretStr

from ao_core.errors import NotFound, Rejected, Unauthorized, Unavailable
from ao_core.http import Api, header
from ao_core.http.origins import may_be_kept_at, origin
from receiver import Answer, Receiver, says

Entered = Callable[..., AbstractAsyncContextManager[Api]]
SECRET = "hunter2hunter2"


# -- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        '<{url}/api/issues?page=2>; rel="next", <{url}/api/issues?page=9>; rel="last"',
        '</api/issues?page=2>; rel="last Next"',
        '<?page=2>; rel="next"',
    ],
)
async def test_a_list_goes_on_where_it_says(
    link: str, entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(says([1, 2], link=link.format(url=receiver.url)))
    receiver.answers.append(says([3], link='<x>; rel="prev"'))
    async with entered(auth=header("PRIVATE-TOKEN", SecretStr(SECRET))) as api:
        found = [one async for one in api.pages("/issues", into=list[int], params={"a": "b"})]
    assert found == [1, 2, 3]
    assert [one.path for one in receiver.sent] == ["/api/issues?a=b", "/api/issues?page=2"]
    assert {one.headers["private-token"] for one in receiver.sent} == {SECRET}


@pytest.mark.parametrize("where", ["{other}/api/issues", "https://[", "//x.test/", "file:///x"])
async def test_a_list_that_goes_on_elsewhere_is_not_followed(
    where: str, entered: Entered, receiver: Receiver
) -> None:
    with Receiver() as other:
        link = f'<{where.format(other=other.url)}>; rel="next"'
        receiver.answers.append(says([1], link=link))
        found: list[int] = []
        async with entered() as api:
            with pytest.raises(Rejected, match="the next page"):
                found.extend([one async for one in api.pages("/issues", into=list[int])])
        assert other.sent == []


async def test_a_list_without_an_end_ends(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.extend([says([1], link='</api/issues>; rel="next"')] * 9)
    async with entered() as api:
        with pytest.raises(Rejected, match="more than 3 pages"):
            async for _ in api.pages("/issues", into=list[int], most_pages=3):
                pass
    assert len(receiver.sent) == 3


async def test_a_list_may_be_a_part_of_each_page(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.append(says({"items": [1, 2]}, link='<?page=2>; rel="next"'))
    receiver.answers.append(says({"items": [3]}))
    async with entered() as api:
        found = [one async for one in api.each_page("/search", into=dict[str, list[int]])]
    assert found == [{"items": [1, 2]}, {"items": [3]}]


# -- last --------------------------------------------------------------------------------------


@pytest.fixture
def store() -> Receiver:
    return Receiver()


async def test_the_end_of_a_text_is_read(entered: Entered, receiver: Receiver) -> None:
    lines = b"".join(b"%06d\n" % number for number in range(50_000))
    receiver.answers.extend([Answer(200, body=lines), Answer(200, body=b"short")])
    async with entered() as api:
        assert await api.last("/log", 14) == "049998\n049999\n"
        assert await api.last("/log", 14) == "short"
        receiver.answers.append(Answer(200, body=b"x"))
        assert await api.last("/log", 0) == ""
    assert receiver.sent[0].headers["accept"] == "*/*"


async def test_a_letter_that_is_cut_in_two_is_left_out(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(200, body="aü€b\xff".encode() + b"\xff"))
    async with entered() as api:
        assert await api.last("/log", 6) == "bÿ\ufffd"


async def test_a_text_without_an_end_ends(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.append(Answer(200, body=b"x" * 1_001))
    async with entered() as api:
        with pytest.raises(Rejected, match="larger than 1000 bytes"):
            await api.last("/log", 10, most_read=1_000)


async def test_a_text_that_is_kept_elsewhere_is_fetched_as_a_stranger_would(
    entered: Entered, receiver: Receiver, store: Receiver
) -> None:
    with store:
        where = f"{store.url}/blob?sig={SECRET}"
        receiver.answers.extend(
            [Answer(301, {"Location": "/moved"}), Answer(302, {"Location": where})]
        )
        store.answers.append(Answer(200, {"Set-Cookie": "a=b"}, body=b"the log"))
        auth = header("PRIVATE-TOKEN", SecretStr(SECRET))
        async with entered(auth=auth, headers={"X-Ours": "1"}) as api:
            assert await api.last("/log", 3) == "log"
    (sent,) = store.sent
    assert sent.path == f"/blob?sig={SECRET}"
    assert {"private-token", "authorization", "x-ours", "cookie"}.isdisjoint(sent.headers)
    assert {one.headers["private-token"] for one in receiver.sent} == {SECRET}


async def test_a_stranger_is_led_no_further(
    entered: Entered, receiver: Receiver, store: Receiver
) -> None:
    with store:
        receiver.answers.append(Answer(302, {"Location": f"{store.url}/blob"}))
        store.answers.append(Answer(302, {"Location": f"{store.url}/more"}))
        async with entered() as api:
            with pytest.raises(Rejected, match="again and again"):
                await api.last("/log", 3)
    assert len(store.sent) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(403, Unavailable), (404, NotFound), (500, Unavailable)]
)
async def test_what_the_store_refuses_is_no_matter_of_our_token(
    status: int, error: type[Exception], entered: Entered, receiver: Receiver, store: Receiver
) -> None:
    with store:
        receiver.answers.append(Answer(302, {"Location": f"{store.url}/{SECRET}"}))
        store.answers.append(Answer(status))
        async with entered() as api:
            with pytest.raises(error) as caught:
                await api.last("/log", 3)
    assert str(caught.value) == f"vendor: GET /log: {status} from where it is kept"


async def test_what_the_vendor_refuses_is(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.append(Answer(403))
    async with entered() as api:
        with pytest.raises(Unauthorized):
            await api.last("/log", 3)


@pytest.mark.parametrize(
    ("home", "elsewhere", "may"),
    [
        ("https://x.test", "https://store.test/a", True),
        ("https://x.test", "https://x.test:8443/a", True),
        ("https://x.test", "https://x.test/a", False),
        ("https://x.test", "http://store.test/a", False),
        ("https://x.test", "http://127.0.0.1/a", False),
        ("http://127.0.0.1:1", "http://127.0.0.1:2/a", True),
        ("http://127.0.0.1:1", "http://store.test/a", False),
        ("http://x.test", "http://127.0.0.1/a", False),
        ("https://x.test", "https://me:you@store.test/a", False),
        ("https://x.test", "ftp://store.test/a", False),
    ],
)
def test_where_a_text_may_be_kept(home: str, elsewhere: str, may: bool) -> None:
    assert may_be_kept_at(httpx.URL(elsewhere), origin(httpx.URL(home))) is may
