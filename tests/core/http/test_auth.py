"""Credentials are on what is sent, and nowhere else."""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import anyio
import httpx
import pytest
from pydantic import SecretStr

from ao_core.errors import Unauthorized, Unavailable
from ao_core.http import Api, Rotating, Token, bearer, fingerprint, header
from ao_core.testing.clock import FakeClock
from receiver import Answer, Receiver, says

Entered = Callable[..., AbstractAsyncContextManager[Api]]
SECRET = "hunter2hunter2"


class Source:
    """Hands out `t1`, `t2`, …; each lasts an hour, and `gate` holds them back."""

    def __init__(self, clock: FakeClock, *, lasts: bool = True) -> None:
        self.fetched = 0
        self.gate: anyio.Event | None = None
        self._clock, self._lasts = clock, lasts

    async def __call__(self) -> Token:
        self.fetched += 1
        number = self.fetched
        if self.gate is not None:
            await self.gate.wait()
        return Token(SecretStr(f"t{number}"), self._end())

    def _end(self) -> datetime | None:
        return self._clock.now() + timedelta(hours=1) if self._lasts else None


def tokens(receiver: Receiver) -> list[str]:
    return [one.headers["authorization"].removeprefix("Bearer ") for one in receiver.sent]


async def test_a_secret_is_sent_in_the_header_it_belongs_to(
    entered: Entered, receiver: Receiver
) -> None:
    async with entered(auth=bearer(SecretStr(SECRET))) as api:
        await api.call("GET")
    async with entered(auth=header("PRIVATE-TOKEN", SecretStr(SECRET))) as api:
        await api.call("GET")
    assert receiver.sent[0].headers["authorization"] == f"Bearer {SECRET}"
    assert receiver.sent[1].headers["private-token"] == SECRET
    assert "authorization" not in receiver.sent[1].headers


async def test_no_secret_is_shown_by_whatever_holds_it(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = SecretStr(SECRET)

    async def source() -> Token:
        return Token(secret)

    receiver.answers.extend([Answer(401)] * 4)
    for auth in (bearer(secret), header("X-Key", secret), Rotating(source, clock=fake_clock)):
        async with entered(auth=auth) as api:
            with pytest.raises(Unauthorized) as caught:
                await api.ask("GET", into=object)
            shown = repr((auth, vars(auth), api, vars(api), caught.value, caught.value.wire()))
        assert SECRET not in shown
    assert SECRET not in repr(Token(secret))
    assert SECRET not in caplog.text


async def test_a_secret_that_no_header_can_hold_is_not_quoted(entered: Entered) -> None:
    async with entered(auth=bearer(SecretStr(f"{SECRET}\n"))) as api:
        with pytest.raises(Unavailable) as caught:
            await api.ask("GET", into=object)
    assert caught.value.__cause__ is None
    assert SECRET not in str(caught.value)


def test_a_fingerprint_tells_tokens_apart_and_nothing_else() -> None:
    one, other = fingerprint(SecretStr(SECRET)), fingerprint(SecretStr(f"{SECRET}x"))
    assert one == fingerprint(SecretStr(SECRET))
    assert one != other
    assert SECRET not in one


async def test_a_token_is_fetched_when_it_is_wanted_and_kept(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    source = Source(fake_clock)
    async with entered(auth=Rotating(source, clock=fake_clock)) as api:
        assert source.fetched == 0
        for _ in range(3):
            await api.call("GET")
    assert tokens(receiver) == ["t1"] * 3


async def test_a_token_is_fetched_again_shortly_before_it_ends(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    async with entered(auth=Rotating(Source(fake_clock), clock=fake_clock)) as api:
        await api.call("GET")
        await fake_clock.advance(3_539)
        await api.call("GET")
        await fake_clock.advance(1)
        await api.call("GET")
    assert tokens(receiver) == ["t1", "t1", "t2"]


async def test_a_token_without_an_end_is_kept(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    auth = Rotating(Source(fake_clock, lasts=False), clock=fake_clock)
    async with entered(auth=auth) as api:
        await api.call("GET")
        await fake_clock.advance(1_000_000)
        await api.call("GET")
    assert tokens(receiver) == ["t1", "t1"]


async def test_a_request_that_was_refused_is_sent_once_more_with_another_token(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    endless = Answer(401, {"Content-Length": "999"}, body=b"x", stall=True)
    receiver.answers.extend([endless, says("there")])
    async with entered(auth=Rotating(Source(fake_clock), clock=fake_clock)) as api:
        assert await api.ask("POST", into=str, json={"a": 1}) == "there"
    assert tokens(receiver) == ["t1", "t2"]
    assert [one.body for one in receiver.sent] == [b'{"a":1}'] * 2


async def test_a_request_that_is_refused_again_is_an_error(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    receiver.answers.extend([Answer(401)] * 3)
    source = Source(fake_clock)
    async with entered(auth=Rotating(source, clock=fake_clock)) as api:
        with pytest.raises(Unauthorized):
            await api.ask("GET", into=object)
    assert (len(receiver.sent), source.fetched) == (2, 2)


async def test_many_who_want_it_at_once_have_it_fetched_once(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    source = Source(fake_clock)
    source.gate = anyio.Event()
    async with (
        entered(auth=Rotating(source, clock=fake_clock)) as api,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(5):
            tasks.start_soon(api.call, "GET")
        await anyio.wait_all_tasks_blocked()
        source.gate.set()
    assert (source.fetched, tokens(receiver)) == (1, ["t1"] * 5)


async def test_many_who_were_refused_at_once_have_it_fetched_once(fake_clock: FakeClock) -> None:
    source, seen = Source(fake_clock), list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"].removeprefix("Bearer "))
        return httpx.Response(401 if seen[-1] == "t1" else 204)

    auth = Rotating(source, clock=fake_clock)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), auth=auth) as client:
        source.gate = anyio.Event()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(client.get, "https://x.test")
            await anyio.wait_all_tasks_blocked()
            source.gate.set()
    assert (source.fetched, seen) == (2, ["t1"] * 3 + ["t2"] * 3)


async def test_one_who_gave_up_on_it_takes_it_from_nobody(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    source = Source(fake_clock)
    source.gate = anyio.Event()
    async with entered(auth=Rotating(source, clock=fake_clock)) as api:
        with anyio.move_on_after(0):
            await api.call("GET")
        source.gate.set()
        await api.call("GET")
    assert tokens(receiver)[-1] == f"t{source.fetched}"
