"""The stand-in as a server: accounts, and requests in their name."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlsplit

from standins import specs
from standins.openapi import OpenApi
from standins.server import Ending, Reply, Request, Server

KEY = "ak_standin"
NEEDED = "composio.json"
_ACCOUNTS, _PROXY = "getConnectedAccounts", "postToolsExecuteProxy"


@dataclass(frozen=True)
class Toolkit:
    """Where requests for it may go, how they are signed, and who answers them."""

    domain: str
    token: str
    answered: Callable[[Request], Reply]


@dataclass
class Account:
    """An account that somebody connected."""

    id: str
    toolkit: str
    user: str = "default"
    status: str = "ACTIVE"
    is_disabled: bool = False


class Failed(Exception):
    """The host will not do it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Calls:
    """What came in, by operation."""

    accounts: list[Request] = field(default_factory=list[Request])
    proxied: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])


class Composio:
    """Enter it to listen. `accounts` are arranged, `calls` came in, `failing` is answered next."""

    def __init__(self, toolkits: Mapping[str, Toolkit]) -> None:
        self.toolkits, self.accounts = toolkits, list[Account]()
        self.calls = Calls()
        self.failing: list[int] = []
        self.violations: list[str] = []
        self._described = described(specs.wanted(NEEDED))
        self._server = Server(self._answered)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.__exit__(*exc)

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.url

    def in_order(self) -> None:
        """Raise, if something was asked or answered that should not be."""
        assert not self.violations, "\n".join(self.violations)

    def _answered(self, request: Request) -> Reply:
        found = self._described.asked(request.method, request.path)
        if found is None or found[0].id not in (_ACCOUNTS, _PROXY):
            self.violations.append(f"{request.method} {request.path}: nobody described it")
            return _sent(404, _error(404, "Not found"))
        operation, path = found
        try:
            body = json.loads(request.body) if request.body else None
            self._let_in(request)
            for problem in self._described.problems(operation, path, request.query, body):
                self.violations.append(f"{operation.id}: {problem}")
                raise Failed(400, "Bad request")
            facts, ending = self._performed(operation.id, request, body)
            status = 200
        except Failed as failed:
            facts, ending, status = _error(failed.status, failed.message), "whole", failed.status
        answer = self._described.answer(operation, status, facts)
        for problem in self._described.drift(operation, status, answer):
            self.violations.append(f"the answer {status} of {operation.id}: {problem}")
        return _sent(status, answer, ending)

    def _let_in(self, request: Request) -> None:
        if "authorization" in request.headers:
            self.violations.append("a token was sent that is not for Composio")
        if request.headers.get("x-api-key") != KEY:
            raise Failed(401, "Invalid API key")
        if self.failing:
            raise Failed(self.failing.pop(0), "As arranged")

    def _performed(
        self, operation: str, request: Request, body: Any
    ) -> tuple[dict[str, Any], Ending]:
        if operation == _ACCOUNTS:
            self.calls.accounts.append(request)
            found = [_account(one) for one in self._connected(request)]
            count = len(found)
            return {
                "items": found, "next_cursor": None, "total_pages": 1, "current_page": 1,
                "total_items": count,
            }, "whole"  # fmt: skip
        self.calls.proxied.append(body)
        return self._proxied(body)

    def _connected(self, request: Request) -> Iterator[Account]:
        wanted: dict[str, set[str]] = {}
        for name, value in request.query:
            wanted.setdefault(name, set()).add(value)
        for one in self.accounts:
            if (
                one.toolkit in wanted.get("toolkit_slugs", {one.toolkit})
                and one.status in wanted.get("statuses", {one.status})
                and one.user in wanted.get("user_ids", {one.user})
            ):
                yield one

    def _proxied(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], Ending]:
        if not body.get("connected_account_id"):
            raise Failed(400, "MissingAuthContext")
        known = (one for one in self.accounts if one.id == body["connected_account_id"])
        account = next(known, None)
        if account is None:
            raise Failed(404, "Connected account not found")
        if account.status != "ACTIVE" or account.is_disabled:
            raise Failed(422, "The connected account is not active")
        toolkit = self.toolkits[account.toolkit]
        url = urlsplit(str(body["endpoint"]))
        host = url.hostname or ""
        if url.scheme != "https" or not f".{host}".endswith(f".{toolkit.domain}"):
            raise Failed(400, "OriginMismatch")
        reply = toolkit.answered(_request(url.path, body, toolkit.token))
        if reply.ending == "lost":
            raise Failed(502, "Error communicating with the upstream API")
        return _relayed(reply), reply.ending


def _request(path: str, body: Mapping[str, Any], token: str) -> Request:
    headers = {"authorization": token, "content-type": "application/json"}
    for one in body.get("parameters", ()):
        if one["type"] == "header":
            headers[one["name"].lower()] = one["value"]
    return Request(body["method"], path, headers, json.dumps(body.get("body")).encode())


def _relayed(reply: Reply) -> dict[str, Any]:
    kind = reply.headers.get("content-type", "")
    data = json.loads(reply.body) if "json" in kind else reply.body.decode()
    headers = {**reply.headers, "content-encoding": "gzip", "content-length": "7"}
    return {"data": data, "status": reply.status, "headers": headers}


def _account(one: Account) -> dict[str, Any]:
    return {
        "toolkit": {"slug": one.toolkit}, "id": one.id, "user_id": one.user, "status": one.status,
        "created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z",
        "is_disabled": one.is_disabled, "status_reason": None,
    }  # fmt: skip


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "code": status, "status": status}}


def _sent(status: int, value: Any, ending: Ending = "whole") -> Reply:
    kind = {"content-type": "application/json; charset=utf-8"}
    return Reply(status, kind, json.dumps(value).encode(), ending=ending)


@cache
def described(file: Path) -> OpenApi:
    """Read once a process."""
    return OpenApi(cast("Mapping[str, Any]", specs.document(file)))
