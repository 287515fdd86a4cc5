"""Who is let in over HTTP, and that nothing tells the token."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from ao_core.config.listening import Http
from ao_core.errors import ConfigError, Refused, StoreUnavailable
from ao_mcp.http.address import listen_at
from ao_mcp.http.tokens import new_token, own_token, require_safe, token_file
from faces.http_served import Served, hello, served


@asynccontextmanager
async def door(tmp_path: Path, **wanted: object) -> AsyncGenerator[Served]:
    settings = Http.model_validate({"enabled": True, **wanted})
    async with served(tmp_path / "home", settings) as one:
        yield one


@pytest.mark.parametrize(
    "said",
    ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x",
     "Bearer " + "x" * 9_000, "Bearer \xff\xfe"],
)  # fmt: skip
async def test_without_the_token_nothing_is_heard(tmp_path: Path, said: str) -> None:
    async with door(tmp_path) as one:
        header = said.replace("{token}", one.token)
        answer = await one.raw(one.head(0, Authorization=header, Connection="close"))
        assert b"HTTP/1.1 401" in answer
        assert b'www-authenticate: Bearer realm="ao-mcp"' in answer
        assert b"mcp-session-id" not in answer
        assert one.token.encode() not in answer


async def test_two_tokens_at_once_are_none(tmp_path: Path) -> None:
    async with door(tmp_path) as one:
        twice = one.head(0, Connection="close")[:-2]
        answer = await one.raw(twice + b"Authorization: Bearer x\r\n\r\n")
    assert b"HTTP/1.1 401" in answer


@pytest.mark.parametrize("path", ["/", "/mcp/app", "/nothing", "/.well-knownx"])
async def test_a_stranger_does_not_learn_what_there_is(tmp_path: Path, path: str) -> None:
    async with door(tmp_path) as one, httpx2.AsyncClient() as http:
        assert (await http.get(one.url.removesuffix("/mcp") + path)).status_code == 401


@pytest.mark.parametrize("name", ["token", "access_token", "Token", "to%6ben"])
async def test_a_token_in_the_address_is_refused_also_beside_a_good_one(
    tmp_path: Path, name: str
) -> None:
    async with door(tmp_path) as one:
        answer = await one.ask(path=f"?{name}={one.token}")
        assert answer.status_code == 400
        assert one.token not in answer.text
        assert (await one.ask(path=f"?x={one.token}", Authorization="")).status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example",
     "127.0.0.1:{port}.evil.example", ""],
)  # fmt: skip
async def test_a_host_that_is_not_ours_is_misdirected(tmp_path: Path, host: str) -> None:
    async with door(tmp_path) as one:
        answer = await one.ask(Host=host.replace("{port}", str(one.place.port)) or "x")
        assert answer.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
async def test_our_own_names_are_served(tmp_path: Path, host: str) -> None:
    async with door(tmp_path) as one:
        answer = await one.ask(Host=host.replace("{port}", str(one.place.port)))
        assert answer.status_code == 200


async def test_hosts_and_the_address_that_are_configured_are_served(tmp_path: Path) -> None:
    named = {"allowed_hosts": ["ao.local"], "url": "https://ao.example.com/mcp"}
    async with door(tmp_path, **named) as one:
        for host in ("ao.local", "ao.local:8443", "ao.example.com", "AO.example.com:443"):
            assert (await one.ask(Host=host)).status_code == 200
        assert (await one.ask(Host="ao.local.example")).status_code == 421


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost", "http://127.0.0.1:1"]
)
async def test_pages_of_others_may_not_ask(tmp_path: Path, origin: str) -> None:
    async with door(tmp_path) as one:
        answer = await one.ask(Origin=origin)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


async def test_our_own_pages_and_those_allowed_may_ask(tmp_path: Path) -> None:
    page = "https://app.example.com"
    async with door(tmp_path, allowed_origins=[page]) as one, httpx2.AsyncClient() as http:
        own = one.url.removesuffix("/mcp")
        assert (await one.ask(Origin=own)).status_code == 200
        heard = await one.ask(Origin=page)
        assert (heard.status_code, heard.headers["access-control-allow-origin"]) == (200, page)
        first = {"Origin": page, "Access-Control-Request-Method": "POST"}
        asked = await http.options(
            one.url, headers=first | {"Access-Control-Request-Headers": "authorization"}
        )
        assert asked.status_code == 200
        assert (await http.options(one.url, headers=first | {"Origin": "https://evil.example"})
                ).status_code == 403  # fmt: skip


# -- the token ---------------------------------------------------------------------------------


def test_the_token_is_made_once_and_only_its_user_reads_it(tmp_path: Path) -> None:
    token = own_token(tmp_path)
    assert own_token(tmp_path) == token
    assert len(token) >= 43
    assert token_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert new_token(tmp_path) != token


async def test_a_token_that_others_can_read_lets_nobody_in(tmp_path: Path) -> None:
    async with door(tmp_path) as one:
        assert (await one.ask()).status_code == 200
        headers = one.headers()
        token_file(one.home).chmod(0o644)
        async with httpx2.AsyncClient() as http:
            assert (await http.post(one.url, json=hello(), headers=headers)).status_code == 401
        with pytest.raises(ConfigError, match="by others"):
            require_safe(one.home)


async def test_another_token_ends_what_the_one_before_had_opened(tmp_path: Path) -> None:
    async with door(tmp_path) as one, httpx2.AsyncClient(timeout=10) as http:
        old = one.headers()
        session = (await http.post(one.url, json=hello(), headers=old)).headers["mcp-session-id"]
        wait = {
            "name": "wait",
            "arguments": {"seconds": 1.0, "steps": 1},
            "_meta": {"progressToken": 1},
        }
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": wait}
        used = old | {"mcp-session-id": session}
        async with http.stream("POST", one.url, json=call, headers=used) as stream:
            lines = stream.aiter_lines()
            async for line in lines:
                if "step 1" in line:
                    break
            assert new_token(one.home) != old["Authorization"]
            rest = [line async for line in lines]  # which ends, and says nothing more
        assert not any("waited" in line for line in rest)
        assert (await http.post(one.url, json=hello(), headers=used)).status_code == 401
        again = await http.post(one.url, json={**call, "method": "tools/list", "params": {}},
                                headers=one.headers(mcp_session_id=session))  # fmt: skip
        assert again.status_code == 200


async def test_a_home_whose_token_was_removed_lets_nobody_in(tmp_path: Path) -> None:
    async with door(tmp_path) as one, httpx2.AsyncClient() as http:
        headers = one.headers()
        token_file(one.home).unlink()
        assert (await http.post(one.url, json=hello(), headers=headers)).status_code == 401


async def test_no_log_and_no_answer_has_the_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "ao_mcp")
    with caplog.at_level(logging.INFO):
        logging.getLogger("ao_mcp").info("a line")
        async with door(tmp_path) as one:
            token = one.token
            async with one.client("auto") as client:
                await client.call_tool("fail", {"how": "secret"})
            for name in ("Host", "Origin", "mcp_session_id", "mcp_protocol_version", "X"):
                answer = await one.ask(path="/app", **{name: token})  # pyright: ignore[reportArgumentType]
                assert token not in answer.text or name == "mcp_protocol_version"  # which is told
            await one.ask(Authorization=f"bearer {token}x")
            await one.ask(path=f"?token={token}")
            await one.raw(f"GET /{token} NONSENSE\r\n\r\n".encode())
            session = (await one.ask()).headers["mcp-session-id"]
    theirs = [one for one in caplog.records if one.name.startswith(("ao", "mcp", "uvicorn"))]
    said = "\n".join(one.getMessage() for one in theirs)
    assert "a line" in said
    assert token not in said
    assert session not in said
    assert one.learnt  # so that a log cannot have it by accident either


# -- where it is listened ----------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_a_network_is_not_listened_to_by_mistake(tmp_path: Path, host: str) -> None:
    with pytest.raises(Refused, match="other machines") as caught:
        listen_at(tmp_path, Http(host=host))
    assert caught.value.hint
    assert "off_loopback" in caught.value.hint


async def test_a_network_that_is_wished_for_asks_for_the_token_all_the_same(tmp_path: Path) -> None:
    async with door(tmp_path, host="0.0.0.0", off_loopback=True) as one:  # noqa: S104
        assert (await one.ask()).status_code == 200
        assert (await one.ask(Authorization="")).status_code == 401
        assert (await one.ask(Host="some-name.example")).status_code == 421


def test_a_port_that_is_taken_is_said_with_a_remedy(tmp_path: Path) -> None:
    place = listen_at(tmp_path, Http())
    with place.listener, pytest.raises(StoreUnavailable, match="Nothing can listen") as caught:
        listen_at(tmp_path, Http(port=place.port))
    assert "port: 0" in str(caught.value.hint)


def test_a_host_that_does_not_exist_is_said_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no address"):
        listen_at(tmp_path, Http(host="no.such.host.invalid"))


@pytest.mark.parametrize(
    "wrong",
    [{"issuer": "http://idp.example.com"}, {"issuer": "ftp://x"}, {"url": "ao.example.com"},
     {"url": "https://me:pw@ao.example.com"}, {"allowed_origins": ["https://a.example/x"]},
     {"required_scopes": ['a"b']}, {"host": "a b"}, {"port": 70000}, {"tokens": "x"}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Http.model_validate(wrong)


async def test_what_is_not_http_ends_with_a_400_and_harms_nobody(tmp_path: Path) -> None:
    async with door(tmp_path) as one:
        assert b"400" in await one.raw(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        with anyio.fail_after(5):
            assert (await one.ask()).status_code == 200
