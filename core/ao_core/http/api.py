"""A vendor's HTTP interface: typed calls in, typed answers and errors out."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Container, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Self, TypeVar

import anyio
import anyio.to_thread
import httpx

from ao_core.clock import Clock, SystemClock
from ao_core.errors import NotFound, PluginError, RateLimited, Rejected, Unavailable
from ao_core.http.answers import MOST, Answer, ending, parsed, read, reason, text
from ao_core.http.budget import Budget
from ao_core.http.carried import CarriedTransport, Carrier
from ao_core.http.conditional import ConditionalTransport
from ao_core.http.marks import Urgency, marks
from ao_core.http.metered import MeteredTransport
from ao_core.http.origins import address, may_be_kept_at, origin
from ao_core.http.refusals import refusal, unreached
from ao_core.http.retry import Backoff, RetryTransport
from ao_core.http.trust import authorities

_CONNECT = 5.0
_HOPS = 3
_PAGES = 100
_MOST_OF_A_TEXT = 64 * 1024 * 1024
_AGENT = {"User-Agent": "ao-mcp"}

T = TypeVar("T")
Query = Mapping[str, str | int | float | bool | Sequence[str | int] | None]

for _name in ("httpx", "httpcore"):  # they write whole addresses
    logging.getLogger(_name).setLevel(logging.WARNING)


class Api:
    """One vendor. Enter it before use; it owns its connections.

    `timeout` bounds each silence of the other side, `deadline` a whole call with its retries.
    `headers` go with every request and hold no secret: that is what `auth` is for. `verify` is a
    file of authorities to trust besides the known ones. `carrier` takes requests to the vendor
    instead of a connection of its own.
    """

    def __init__(
        self,
        vendor: str,
        base_url: str,
        *,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        timeout: float = 10.0,
        deadline: float = 30.0,
        auth: httpx.Auth | None = None,
        headers: Mapping[str, str] | None = None,
        budget: Budget | None = None,
        verify: Path | None = None,
        carrier: Carrier | None = None,
    ) -> None:
        self._vendor, self._base = vendor, base_url
        self._origin = origin(address(vendor, base_url))
        self._clock, self._backoff = clock or SystemClock(), backoff or Backoff()
        self._timeout, self._deadline = timeout, deadline
        self._auth, self._headers, self._verify = auth, dict(headers or {}), verify
        self._carrier = carrier
        self.budget = budget
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._trusted = await anyio.to_thread.run_sync(authorities, self._verify)
        self._conditional = ConditionalTransport(self._transport(self.budget, self._carrier))
        self._client = await self._stack.enter_async_context(
            self._open(self._conditional, self._auth, self._headers)
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    @property
    def vendor(self) -> str:
        """The name that errors begin with."""
        return self._vendor

    @property
    def clock(self) -> Clock:
        """The time that waits and resets are told by."""
        return self._clock

    @property
    def unchanged(self) -> int:
        """How many answers had not changed and were not sent again."""
        return self._conditional.hits

    async def call(
        self,
        method: str,
        path: str = "",
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send one request and see it accepted; what the answer says is not read."""
        what = self._what(method, path)
        url = self._address(what, path)
        request = self._client.build_request(method, url, content=content, headers=headers)
        with self._in_time(what):
            async with self._answered(what, request, unread=True):
                return

    async def ask(
        self,
        method: str,
        path: str = "",
        *,
        into: type[T],
        params: Query | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        urgency: Urgency | None = None,
        repeatable: bool = False,
        most_bytes: int = MOST,
    ) -> T:
        """Send one request and have its JSON as `into`; `object` takes whatever there is.

        `repeatable` is for a change that comes to the same if it is made twice.
        """
        answer = await self.fetch(
            method,
            path,
            params=params,
            json=json,
            headers=headers,
            urgency=urgency,
            repeatable=repeatable,
            most_bytes=most_bytes,
        )
        return parsed(self._what(method, path), into, answer.body)

    async def pages(
        self,
        path: str = "",
        *,
        into: type[list[T]],
        params: Query | None = None,
        headers: Mapping[str, str] | None = None,
        urgency: Urgency | None = None,
        most_pages: int = _PAGES,
    ) -> AsyncIterator[T]:
        """Yield each item of a list and of every page after it, on this origin only."""
        whole = self.each_page(
            path, into=into, params=params, headers=headers, urgency=urgency, most_pages=most_pages
        )
        async for page in whole:
            for item in page:
                yield item

    async def each_page(
        self,
        path: str = "",
        *,
        into: type[T],
        params: Query | None = None,
        headers: Mapping[str, str] | None = None,
        urgency: Urgency | None = None,
        most_pages: int = _PAGES,
    ) -> AsyncIterator[T]:
        """Yield each page as a whole, where the list is only a part of it."""
        what = self._what("GET", path)
        url = self._address(what, path, params)
        for _ in range(most_pages):
            request = self._request("GET", url, headers=headers, urgency=urgency)
            answer = await self._fetched(what, request)
            yield parsed(what, into, answer.body)
            if answer.following is None:
                return
            url = address(f"{what}: the next page", answer.following, answer.url)
            self._stay(f"{what}: the next page", url)
        raise Rejected(f"{what}: it has more than {most_pages} pages")

    async def last(
        self,
        path: str,
        most_bytes: int,
        *,
        urgency: Urgency | None = None,
        most_read: int = _MOST_OF_A_TEXT,
    ) -> str:
        """The end of a text, such as the log of a job.

        Here alone one redirection to another origin is followed, by a stranger who knows nothing
        of ours: vendors keep such texts elsewhere, under an address that is a key by itself.
        """
        what = self._what("GET", path)
        url = self._address(what, path)
        request = self._request("GET", url, accept="*/*", urgency=urgency)
        with self._in_time(what):
            async with self._answered(what, request, elsewhere=True) as response:
                return text(await ending(what, response, most_bytes, most_read))
        raise AssertionError("it is in time, or raises")

    async def fetch(
        self,
        method: str,
        path: str = "",
        *,
        params: Query | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        urgency: Urgency | None = None,
        read_only: bool = False,
        repeatable: bool = False,
        accepted: Container[int] = (),
        most_bytes: int = MOST,
    ) -> Answer:
        """The whole answer to one request; one with a status in `accepted` is no error.

        `read_only` is for a request that changes nothing although its method might, `repeatable`
        for a change that comes to the same if it is made twice.
        """
        what = self._what(method, path)
        request = self._request(
            method,
            self._address(what, path, params),
            json=json,
            headers=headers,
            urgency=urgency,
            read_only=read_only,
            repeatable=repeatable,
        )
        return await self._fetched(what, request, accepted, most_bytes)

    def _request(
        self,
        method: str,
        url: httpx.URL,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        accept: str = "application/json",
        urgency: Urgency | None = None,
        read_only: bool = False,
        repeatable: bool = False,
    ) -> httpx.Request:
        sent = httpx.Headers({"Accept": accept})
        sent.update(self._headers)
        sent.update(headers)
        extensions = marks(urgency, read_only=read_only, repeatable=repeatable)
        return self._client.build_request(
            method, url, json=json, headers=sent, extensions=extensions
        )

    async def _fetched(
        self,
        what: str,
        request: httpx.Request,
        accepted: Container[int] = (),
        most_bytes: int = MOST,
    ) -> Answer:
        with self._in_time(what):
            async with self._answered(what, request, accepted) as response:
                return await read(what, response, most_bytes)
        raise AssertionError("it is in time, or raises")

    @asynccontextmanager
    async def _answered(
        self,
        what: str,
        request: httpx.Request,
        accepted: Container[int] = (),
        *,
        unread: bool = False,
        elsewhere: bool = False,
    ) -> AsyncGenerator[httpx.Response]:
        """The answer, yet to be read, from wherever on the same origin it leads."""
        for _ in range(1 + _HOPS):
            async with self._sent(what, request, self._client) as response:
                if response.is_success or response.status_code in accepted:
                    yield response
                    return
                if response.next_request is None:
                    raise self._refusal(what, response, b"" if unread else await reason(response))
                wanted = response.next_request
            if elsewhere and may_be_kept_at(wanted.url, self._origin):
                async with self._as_stranger(what, wanted.url) as response:
                    yield response
                return
            request = self._next(what, request, wanted)
        raise Rejected(f"{what}: it is redirected again and again")

    @asynccontextmanager
    async def _as_stranger(self, what: str, url: httpx.URL) -> AsyncGenerator[httpx.Response]:
        async with (
            self._open(self._transport(None), None, {}) as client,
            self._sent(what, client.build_request("GET", url), client) as response,
        ):
            if response.next_request is not None:
                raise Rejected(f"{what}: it is redirected again and again")
            if not response.is_success:
                status = response.status_code
                kind = NotFound if status in (404, 410) else Unavailable
                raise kind(f"{what}: {status} from where it is kept", status=status)
            yield response

    @asynccontextmanager
    async def _sent(
        self, what: str, request: httpx.Request, client: httpx.AsyncClient
    ) -> AsyncGenerator[httpx.Response]:
        try:
            response = await client.send(request, stream=True)
        except httpx.ProtocolError as exc:  # it quotes headers, so it goes no further
            raise unreached(what, exc) from None
        except httpx.RequestError as exc:
            raise unreached(what, exc) from exc
        try:
            yield response
        finally:
            with suppress(httpx.TransportError):  # how it hangs up is no matter
                await response.aclose()

    def _refusal(self, what: str, response: httpx.Response, body: bytes) -> PluginError:
        error = refusal(self._vendor, what, response, self._clock, body)
        if isinstance(error, RateLimited) and self.budget is not None:
            wait = self.budget.refused(response.headers)
            error.retry_after = wait if error.retry_after is None else error.retry_after
        return error

    def _next(self, what: str, sent: httpx.Request, wanted: httpx.Request) -> httpx.Request:
        """Elsewhere what we send is nobody's business; and a POST is not to become a GET."""
        if origin(wanted.url) == self._origin and wanted.method == sent.method:
            return wanted
        raise Rejected(
            f"{what}: it is redirected elsewhere, which is not followed",
            hint="Write the address it leads to into the settings.",
        )

    @contextmanager
    def _in_time(self, what: str) -> Generator[None]:
        with anyio.move_on_after(self._deadline) as scope:
            yield
        if scope.cancelled_caught:
            raise Unavailable(f"{what}: no answer within {self._deadline:g} s")

    def _what(self, method: str, path: str) -> str:
        return f"{self._vendor}: {method} {path}".rstrip()

    def _address(self, what: str, path: str, params: Query | None = None) -> httpx.URL:
        url = address(what, self._base + path)
        self._stay(f"{what}: this", url)
        asked = {name: value for name, value in (params or {}).items() if value is not None}
        return url.copy_merge_params(asked) if asked else url

    def _stay(self, what: str, url: httpx.URL) -> None:
        if origin(url) != self._origin:
            raise Rejected(f"{what} leads elsewhere")

    def _open(
        self,
        transport: httpx.AsyncBaseTransport,
        auth: httpx.Auth | None,
        headers: Mapping[str, str],
    ) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            auth=auth,
            headers={**_AGENT, **headers},
            timeout=httpx.Timeout(self._timeout, connect=min(_CONNECT, self._timeout)),
            transport=transport,
            trust_env=False,
        )

    def _transport(
        self, budget: Budget | None, carrier: Carrier | None = None
    ) -> httpx.AsyncBaseTransport:
        network: httpx.AsyncBaseTransport = (
            CarriedTransport(carrier) if carrier else httpx.AsyncHTTPTransport(verify=self._trusted)
        )
        metered = network if budget is None else MeteredTransport(network, budget)
        return RetryTransport(metered, self._backoff, self._clock)
