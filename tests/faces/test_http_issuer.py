"""Tokens of an OAuth issuer: a real one's keys and metadata, on loopback, made in the test."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import jwt
import pytest
from anyio.abc import SocketAttribute, SocketStream
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from ao_core.config.listening import Http
from ao_core.errors import Rejected, Unavailable
from ao_core.http.document import fetch_json
from ao_mcp.http.issuer import Keys
from faces.http_served import Served, asks, served
from faces.test_http import WHO, caller

AUDIENCE = "https://ao.example.com/mcp"
RSA = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = Ed25519PrivateKey.generate()


def public(key: str, name: str, **more: str) -> dict[str, Any]:
    made: Any = {
        "rsa": lambda: RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True),
        "other": lambda: RSAAlgorithm.to_jwk(OTHER.public_key(), as_dict=True),
        "ec": lambda: ECAlgorithm.to_jwk(EC.public_key(), as_dict=True),
        "ed": lambda: OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True),
    }[key]()
    return {**made, "kid": name, "use": "sig", **more}


@dataclass(slots=True)
class Issuer:
    """Serves what an issuer serves, over the plainest HTTP there is."""

    port: int = 0
    keys: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    says: dict[str, Any] = field(default_factory=dict[str, Any])
    asked: list[str] = field(default_factory=list[str])
    is_away: bool = False
    answers: dict[str, bytes] = field(default_factory=dict[str, bytes])

    @property
    def name(self) -> str:
        return f"http://127.0.0.1:{self.port}/idp"

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            said = b""
            while b"\r\n\r\n" not in said:
                said += await stream.receive()
            path = said.split()[1].decode()
            self.asked.append(path)
            if not self.is_away:
                await stream.send(self.answers.get(path) or self._answer(path))

    def _answer(self, path: str) -> bytes:
        about = {"issuer": self.name, "jwks_uri": f"{self.name}/keys", **self.says}
        found = {"/idp/.well-known/openid-configuration": about, "/idp/keys": {"keys": self.keys}}
        if path not in found:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        return answer(json.dumps(found[path]).encode())

    def token(self, key: Any = RSA, alg: str = "RS256", kid: str = "one", **claims: Any) -> str:
        now = int(time.time())
        known = {
            "iss": self.name, "aud": AUDIENCE, "sub": "somebody", "iat": now, "exp": now + 600,
            "scope": "ao:lead more", "client_id": "their-app", **claims,
        }  # fmt: skip
        said = {name: value for name, value in known.items() if value is not None}
        body = json.dumps(said).encode()  # unchecked: what is signed may be nonsense
        return jwt.PyJWS().encode(body, key, alg, {"kid": kid})


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, len(body)) + body


@asynccontextmanager
async def issuing() -> AsyncGenerator[Issuer]:
    issuer = Issuer(keys=[public("rsa", "one"), public("ec", "two"), public("ed", "three")])
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    issuer.port = listener.extra(SocketAttribute.local_port)  # noqa: S610
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, issuer.serve)
        yield issuer
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def vouched(tmp_path: Path, **more: object) -> AsyncGenerator[tuple[Served, Issuer]]:
    async with issuing() as issuer:
        known = {"enabled": True, "issuer": issuer.name, "url": AUDIENCE}
        wanted = Http.model_validate({**known, "required_scopes": ["ao:lead"], **more})
        async with served(tmp_path / "home", wanted, operations=WHO) as one:
            yield one, issuer


async def status(one: Served, token: str, **headers: Any) -> int:
    return (await one.ask(Authorization=f"Bearer {token}", **headers)).status_code


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_whom_the_issuer_vouches_for_is_let_in_by_name(tmp_path: Path, era: str) -> None:
    async with vouched(tmp_path) as (one, issuer):
        async with one.client(era, token=issuer.token()) as client:
            assert (await caller(client))[1] == "mcp of somebody"
        async with one.client(era, token=issuer.token(sub="another")) as client:
            assert (await caller(client))[1] == "mcp of another"


@pytest.mark.parametrize(
    ("key", "alg", "kid"),
    [(RSA, "RS256", "one"), (EC, "ES256", "two"), (ED, "EdDSA", "three")],
    ids=["rsa", "ec", "ed"],
)
async def test_each_kind_of_key_will_do(tmp_path: Path, key: Any, alg: str, kid: str) -> None:
    async with vouched(tmp_path) as (one, issuer):
        assert await status(one, issuer.token(key, alg, kid)) == 200


@pytest.mark.parametrize(
    "claims",
    [{"exp": 1}, {"exp": None}, {"aud": "https://other.example.com/mcp"}, {"aud": None},
     {"iss": "https://other.example.com"}, {"iss": None}, {"sub": None},
     {"nbf": 99_999_999_999}, {"exp": "soon"}],
    ids=str,
)  # fmt: skip
async def test_a_token_that_is_not_for_us_and_now_is_not_good(
    tmp_path: Path, claims: dict[str, Any]
) -> None:
    async with vouched(tmp_path) as (one, issuer):
        made = issuer.token(**claims)
        refused = await one.ask(Authorization=f"Bearer {made}")
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        assert made not in refused.text


async def test_only_a_signature_of_the_issuers_own_keys_counts(tmp_path: Path) -> None:
    async with vouched(tmp_path) as (one, issuer):
        head, body, _ = issuer.token().split(".")
        nothing = issuer.token(None, "none")
        pem = json.dumps(public("rsa", "one")).encode()
        for made in (
            issuer.token(OTHER),  # somebody else's
            nothing, nothing.rstrip("."),
            issuer.token(pem * 2, "HS256"),  # the public key taken for a shared secret
            issuer.token(EC, "ES256", "one"),  # another kind of key than the one it names
            f"{head}.{body}.", f"{head}.{body}", "a.b.c", "..", "ey" + "J" * 500,
            issuer.token(kid="unknown"),
        ):  # fmt: skip
            assert await status(one, made) == 401


async def test_a_shared_secret_among_the_keys_is_nobodys_key(tmp_path: Path) -> None:
    async with vouched(tmp_path) as (one, issuer):
        secret = b"k" * 32
        issuer.keys.append(
            {"kty": "oct", "kid": "four", "k": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s"}
        )
        assert await status(one, issuer.token(secret, "HS256", "four")) == 401


@pytest.mark.parametrize(
    ("claims", "expected"),
    [({"scope": "more"}, 403), ({"scope": None}, 403), ({"scope": "ao:leader"}, 403),
     ({"scope": None, "scp": ["ao:lead"]}, 200), ({"scope": ["ao:lead"]}, 200)],
    ids=str,
)  # fmt: skip
async def test_every_scope_that_is_required_is_needed(
    tmp_path: Path, claims: dict[str, Any], expected: int
) -> None:
    async with vouched(tmp_path) as (one, issuer):
        heard = await one.ask(Authorization=f"Bearer {issuer.token(**claims)}")
        assert heard.status_code == expected
        if expected == 403:
            challenge = heard.headers["www-authenticate"]
            assert 'error="insufficient_scope"' in challenge
            assert 'scope="ao:lead"' in challenge


async def test_a_stranger_is_told_where_tokens_come_from(tmp_path: Path) -> None:
    async with vouched(tmp_path) as (one, issuer), httpx2.AsyncClient() as http:
        refused = await one.ask(Authorization="")
        assert refused.status_code == 401
        where = "https://ao.example.com/.well-known/oauth-protected-resource/mcp"
        assert f'resource_metadata="{where}"' in refused.headers["www-authenticate"]
        base = one.url.removesuffix("/mcp") + "/.well-known/oauth-protected-resource"
        for path in ("", "/mcp", "/mcp/app"):
            told = (await http.get(base + path)).json()
            assert told["resource"] == AUDIENCE
            assert told["authorization_servers"] == [issuer.name]
            assert told["scopes_supported"] == ["ao:lead"]
        assert (await http.get(base, headers={"Host": "evil.example"})).status_code == 421


async def test_the_homes_own_token_is_good_on_this_machine_only(tmp_path: Path) -> None:
    async with vouched(tmp_path) as (one, _):
        assert await status(one, one.token) == 200
        for handed_on in (
            {"Host": "ao.example.com"}, {"X-Forwarded-For": "1.2.3.4"}, {"Forwarded": "for=1.2.3.4"}
        ):  # fmt: skip
            assert await status(one, one.token, **handed_on) == 401


async def test_a_session_is_only_for_whom_it_was_opened(tmp_path: Path) -> None:
    async with vouched(tmp_path) as (one, issuer):
        opened = await one.ask(Authorization=f"Bearer {issuer.token()}")
        session = opened.headers["mcp-session-id"]

        async def by(token: str) -> int:
            said = {"Authorization": f"Bearer {token}", "mcp_session_id": session}
            return (await one.ask(asks("tools/list"), **said)).status_code

        assert await by(issuer.token(exp=int(time.time()) + 60)) == 200
        assert await by(issuer.token(sub="another")) == 404
        assert await by(one.token) == 404


# -- its keys ----------------------------------------------------------------------------------


async def test_keys_are_fetched_once_however_many_ask(tmp_path: Path) -> None:
    async with vouched(tmp_path) as (one, issuer):
        token = issuer.token()
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(status, one, token)
        assert issuer.asked.count("/idp/keys") == 1
        for number in range(5):
            assert await status(one, issuer.token(kid=f"unknown-{number}")) == 401
        assert issuer.asked.count("/idp/keys") == 1  # not again within half a minute


async def test_an_issuer_that_is_away_is_no_fault_of_the_token(tmp_path: Path) -> None:
    async with vouched(tmp_path) as (one, issuer):
        issuer.is_away = True
        heard = await one.ask(Authorization=f"Bearer {issuer.token()}")
        assert heard.status_code == 503
        assert heard.json()["retryable"]
        assert await status(one, one.token) == 200


class Time:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_keys_change_with_the_issuer_and_outlast_its_short_absence() -> None:
    async with issuing() as issuer:
        clock = Time()
        keys = Keys(issuer.name, clock)
        assert await keys.of({"kid": "one"})
        issuer.keys = [public("other", "new")]
        assert await keys.of({"kid": "new"}) is None
        clock.now += 31
        assert await keys.of({"kid": "new"})
        assert await keys.of({"kid": "one"}) is None
        issuer.is_away = True
        clock.now += 1_000
        assert await keys.of({"kid": "new"})
        clock.now += 3_000
        with pytest.raises(Unavailable):
            await keys.of({"kid": "new"})
        issuer.is_away = False
        clock.now += 31
        assert await keys.of({"kid": "new"})
        assert await keys.of({})  # the only one there is


@pytest.mark.parametrize(
    "says",
    [{"issuer": "http://127.0.0.1/other"}, {"jwks_uri": "http://example.com/keys"},
     {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": None}, {"jwks_uri": 7}],
    ids=str,
)  # fmt: skip
async def test_metadata_of_somebody_else_or_of_unsafe_keys_is_not_believed(
    says: dict[str, Any],
) -> None:
    async with issuing() as issuer:
        issuer.says = says
        with pytest.raises(Rejected):
            await Keys(issuer.name).of({"kid": "one"})


@pytest.mark.parametrize(
    "said",
    [answer(b"[]"), answer(b"nonsense"), answer(b"[" * 100_000), answer(b"{}", b"500 Oops"),
     answer(b'{"a": "%s"}' % (b"x" * 600_000)),
     b"HTTP/1.1 302 Found\r\nLocation: /idp/keys\r\n\r\n", b"nonsense\r\n"],
    ids=["list", "words", "deep", "failed", "large", "elsewhere", "no http"],
)  # fmt: skip
async def test_a_document_is_small_json_or_an_error(said: bytes) -> None:
    async with issuing() as issuer:
        issuer.answers["/x"] = said
        with pytest.raises((Rejected, Unavailable), match="the document"):
            await fetch_json(f"http://127.0.0.1:{issuer.port}/x", "the document", 2.0)


async def test_a_document_that_does_not_come_is_given_up() -> None:
    async with issuing() as issuer:
        issuer.answers["/x"] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
        with pytest.raises(Unavailable):
            await fetch_json(f"http://127.0.0.1:{issuer.port}/x", "the document", 0.5)
