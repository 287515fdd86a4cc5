"""Tokens that an OAuth issuer vouches for: signed by its keys, for us, in time, with every scope.

Its keys are fetched once in a while, by one request at a time whoever asks, with a deadline; a
token with a key nobody knows leads to another look at most every half minute.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import anyio
import jwt
from starlette.types import Scope

from ao_core.config.listening import is_loopback
from ao_core.errors import AoError, Refused, Rejected
from ao_core.http.document import fetch_json
from ao_core.redact import visible
from ao_mcp.http.guard import Turned, Visitor, unreachable

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip

_FRESH, _STALE = 300.0, 3_600.0  # how long keys are good; and while their issuer is away
_PAUSE = 30.0
_LEEWAY = 30
_NAME = 100


class Keys:
    """The issuer's keys, as they were last seen."""

    def __init__(self, issuer: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer, self._clock = issuer, clock
        self._known: dict[str, jwt.PyJWK] = {}
        self._seen = self._asked = float("-inf")
        self._lock = anyio.Lock()

    async def of(self, header: Mapping[str, Any]) -> jwt.PyJWK | None:
        """The key a token says it was signed with."""
        found = self._find(header)
        if found is None or self._clock() - self._seen > _FRESH:
            await self._look(header)
        return self._find(header)

    def _find(self, header: Mapping[str, Any]) -> jwt.PyJWK | None:
        name = header.get("kid")
        if name is None and len(self._known) == 1:
            return next(iter(self._known.values()))
        return self._known.get(name) if isinstance(name, str) else None

    async def _look(self, header: Mapping[str, Any]) -> None:
        async with self._lock:
            fresh = self._clock() - self._seen <= _FRESH
            if (fresh and self._find(header)) or self._clock() - self._asked < _PAUSE:
                return self._still_known()
            self._asked = self._clock()
            try:
                self._known = await self._fetched()
                self._seen = self._clock()
            except AoError as error:
                self._still_known(error)

    def _still_known(self, error: AoError | None = None) -> None:
        """Keys outlast a short absence of their issuer; without any, nothing can be said."""
        if self._clock() - self._seen > _STALE:
            self._known = {}
            raise error or Rejected("the issuer's keys: they could not be fetched")

    async def _fetched(self) -> dict[str, jwt.PyJWK]:
        where = await self._where()
        keys = (await fetch_json(where, "the issuer's keys")).get("keys")
        every = cast("list[object]", keys) if isinstance(keys, list) else []
        return dict(one for one in map(_key, every) if one is not None)

    async def _where(self) -> str:
        """The address of its keys, by what it says of itself."""
        problem: AoError | None = None
        for address in _about(self._issuer):
            try:
                said = await fetch_json(address, "the issuer's metadata")
            except AoError as error:
                problem = error
                continue
            return self._checked(said)
        raise problem or Rejected("the issuer's metadata: there is none")

    def _checked(self, said: Mapping[str, Any]) -> str:
        if said.get("issuer") != self._issuer:
            raise Rejected("the issuer's metadata: it is of another issuer")
        where = said.get("jwks_uri")
        parts = urlsplit(where) if isinstance(where, str) else urlsplit("")
        ours = is_loopback(urlsplit(self._issuer).hostname or "")
        near = ours and parts.scheme == "http" and is_loopback(parts.hostname or "")
        if parts.scheme != "https" and not near:
            raise Rejected("the issuer's metadata: it names no safe address of its keys")
        return str(where)


class IssuedKey:
    """Knows whom an issuer vouches for, to this audience."""

    def __init__(
        self, issuer: str, audience: str, scopes: Sequence[str], challenge: str, keys: Keys
    ) -> None:
        self._issuer, self._audience, self._scopes = issuer, audience, scopes
        self._challenge, self._keys = challenge, keys

    async def visitor(self, token: str, scope: Scope) -> Visitor | None:
        """Who it is by the token's own words, once these are known to be the issuer's."""
        claims = await self._claims(token)
        if claims is None:
            return None
        self._require_scopes(claims)
        ends = float(claims["exp"]) + _LEEWAY
        name = str(claims.get("client_id") or claims.get("azp") or "")
        return Visitor(
            name=visible(name, _NAME),
            holds=lambda: time.time() < ends,
            issuer=self._issuer,
            subject=visible(str(claims["sub"]), _NAME),
        )

    async def _claims(self, token: str) -> dict[str, Any] | None:
        try:
            key = await self._keys.of(jwt.get_unverified_header(token))
        except jwt.PyJWTError:
            return None
        except AoError as error:
            raise unreachable(error) from error
        return self._verified(token, key) if key else None

    def _verified(self, token: str, key: jwt.PyJWK) -> dict[str, Any] | None:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError):  # it is not signed by them, or not for us
            return None

    def _require_scopes(self, claims: Mapping[str, Any]) -> None:
        missing = [one for one in self._scopes if one not in _scopes(claims)]
        if missing:
            wanted = " ".join(self._scopes)
            challenge = f'{self._challenge}, error="insufficient_scope", scope="{wanted}"'
            refused = Refused("The token lacks a scope.", hint=f"Ask the issuer for: {wanted}")
            raise Turned(403, refused, challenge)


def _scopes(claims: Mapping[str, Any]) -> set[str]:
    said = claims.get("scope", claims.get("scp", ""))
    if isinstance(said, str):
        return set(said.split())
    return {str(one) for one in cast("list[object]", said)} if isinstance(said, list) else set()


def _key(said: object) -> tuple[str, jwt.PyJWK] | None:
    """One public key for signatures; others, and those nobody here can use, are passed over."""
    if not isinstance(said, dict):
        return None
    told = cast("dict[str, Any]", said)
    if told.get("use") not in ("sig", None) or told.get("kty") == "oct":
        return None
    try:
        key = jwt.PyJWK.from_dict(told)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return key.key_id or "", key


def _about(issuer: str) -> tuple[str, ...]:
    """Where an issuer says what it is: as OAuth has it, then as OpenID Connect has it."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    names = (
        f"/.well-known/oauth-authorization-server{path}",
        f"{path}/.well-known/openid-configuration",
    )
    return tuple(urlunsplit((parts.scheme, parts.netloc, name, "", "")) for name in names)
