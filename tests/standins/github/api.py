"""The two interfaces of the host: who may ask, what it costs, and what is sent back."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from standins.answers import json_reply, unless_same
from standins.faults import Fault, Faults, through
from standins.github.facts import Telling
from standins.github.graph_fields import Ask
from standins.github.limits import Limits, Resource
from standins.github.rest import ROUTES, Answer, Asked
from standins.github.rest_apps import proved
from standins.github.state import Access, Refused
from standins.github.world import World
from standins.graphql import Asked as Document
from standins.graphql import Graph, Price, told
from standins.openapi import OpenApi, Operation
from standins.server import Reply, Request
from standins.smart_http import password

VERSION = "2022-11-28"  # of which the description is
DOCS = "https://docs.github.com/rest"
_ENTERPRISE = re.compile(r"^/api(/v3(?=/)|(?=/graphql$))")
_KNOWN = {"query", "variables", "operationName"}
_AGENT = (
    b"Request forbidden by administrative rules. Please make sure your request has a User-Agent "
    b"header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required)."
)
_MOST_NODES = 500_000
_SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)
_LIMITS = f"{DOCS}/overview/rate-limits-for-the-rest-api"


@dataclass
class Call:
    """One request that came in: to which operation, what was answered and what it cost."""

    operation: str
    method: str
    path: str
    resource: Resource
    login: str
    status: int = 0
    cost: int = 0
    fault: str | None = None


class Api:
    """REST and GraphQL over one world. What nobody should have asked goes to `protest`."""

    def __init__(
        self,
        world: World,
        described: OpenApi,
        graph: Callable[[], Graph],
        protest: Callable[[str], None],
    ) -> None:
        self.world, self.limits, self.faults = world, Limits(lambda: world.now()), Faults()
        self.calls: list[Call] = []
        self.logs = ""
        self._described, self._graph, self._protest = described, graph, protest
        self._telling = Telling(world)

    def answered(self, request: Request) -> Reply:
        """The answer to one request."""
        if not request.headers.get("user-agent"):
            return Reply(403, {"content-type": "text/plain"}, _AGENT)
        if (access := self._access(request.headers)) is None:
            said = (
                "Bad credentials"
                if "authorization" in request.headers
                else "Requires authentication"
            )
            return error(Refused(401, said))
        path = _ENTERPRISE.sub("", request.path)
        if path == "/graphql":
            call = Call("graphql", request.method, path, "graphql", access.user.login)
            return self._met(call, "POST /graphql", lambda: self._queried(request, access, call))
        return self._routed(request, access, path)

    def _access(self, headers: Mapping[str, str]) -> Access | None:
        kind, _, token = headers.get("authorization", "").partition(" ")
        given = token if kind.lower() in ("bearer", "token") else password(headers)
        return self.world.tokens.get(given) or proved(self.world, given)

    def _routed(self, request: Request, access: Access, path: str) -> Reply:
        found = self._described.asked(request.method, path)
        if found is None or found[0].id not in ROUTES:
            known = f"the stand-in has no {found[0].id}" if found else "nobody described it"
            self._protest(f"{request.method} {path}: {known}")
            return error(Refused(404, "Not Found"))
        operation, values = found
        resource: Resource = "search" if operation.id.startswith("search/") else "core"
        call = Call(operation.id, request.method, path, resource, access.user.login)
        asked = Asked(
            self.world, self._telling, access, self.limits, url=f"{self.world.url}{request.path}",
            path=values, query=dict(request.query), accept=request.headers.get("accept", ""),
        )  # fmt: skip
        names = f"{operation.method} {operation.template}"
        return self._met(call, names, lambda: self._asked(operation, asked, request, call))

    def _met(self, call: Call, name: str, perform: Callable[[], Reply]) -> Reply:
        """As it is answered, if nothing goes wrong; else as it goes wrong."""
        with self.world.lock:
            fault = self.faults.take(name, call.operation)
            if fault and fault.kind == "primary limit":
                self.limits[call.resource].exhaust()
            reply = through(fault, perform, refusal)
            call.status, call.fault = reply.status, fault.kind if fault else None
            self.calls.append(call)
            self.world.between_requests()
        return replace(reply, headers={**self.limits[call.resource].headers(), **reply.headers})

    # -- REST ------------------------------------------------------------------------------------

    def _asked(self, operation: Operation, asked: Asked, request: Request, call: Call) -> Reply:
        limit, free = self.limits[call.resource], operation.id == "rate-limit/get"
        if not free and not limit.remaining:
            return error(_used_up(asked.access))
        reply = self._performed(operation, asked, request)
        if request.method == "GET" and reply.status == 200:
            reply = unless_same(reply, request.headers, _varies(request.headers))
        call.cost = 0 if free or reply.status == 304 else 1
        limit.spend(call.cost)
        return reply

    def _performed(self, operation: Operation, asked: Asked, request: Request) -> Reply:
        try:
            self._in_order(operation, asked, request)
            answer = ROUTES[operation.id](asked)
        except Refused as refused:
            return self._checked(operation, error(refused))
        headers = {**asked.headers, **answer.headers}
        if headers.get("location", "").startswith("/logs/"):
            headers["location"] = self.logs + headers["location"]
        return self._checked(operation, self._shaped(operation, answer, headers))

    def _in_order(self, operation: Operation, asked: Asked, request: Request) -> None:
        version = request.headers.get("x-github-api-version", VERSION)
        if version != VERSION:
            self._protest(f"{operation.id}: there is no version {version}")
            raise Refused(400, f'"{version}" is not a supported version.')
        asked.body = _read(request.body) if request.method != "GET" else None
        body = asked.body
        problems = list(self._described.problems(operation, asked.path, request.query, body))
        for problem in problems:
            self._protest(f"{operation.id}: {problem}")
        if problems:
            raise Refused(422, "Invalid request.\n\n" + "\n".join(problems))
        if request.method != "GET" and not asked.access.may_write:
            raise Refused(403, "Resource not accessible by personal access token")

    def _shaped(self, operation: Operation, answer: Answer, headers: Mapping[str, str]) -> Reply:
        if answer.text is not None:
            return Reply(answer.status, headers, answer.text.encode())
        facts = self._described.answer(operation, answer.status, answer.facts)
        return (
            json_reply(answer.status, facts, headers)
            if facts is not None
            else Reply(answer.status, headers)
        )

    def _checked(self, operation: Operation, reply: Reply) -> Reply:
        body = json.loads(reply.body) if "json" in reply.headers.get("content-type", "") else None
        for problem in self._described.drift(operation, reply.status, body):
            self._protest(
                f"the answer {reply.status} of {operation.id} is not as it is described: {problem}"
            )
        return reply

    # -- GraphQL ---------------------------------------------------------------------------------

    def _queried(self, request: Request, access: Access, call: Call) -> Reply:
        try:
            body: dict[str, Any] = _read(request.body) or {}
        except Refused as refused:
            return error(refused)
        for name in body.keys() - _KNOWN:
            self._protest(f"graphql: nobody described {name}")
        variables: dict[str, Any] = body.get("variables") or {}
        asked = self._graph().asked(body.get("query", ""), variables, body.get("operationName"))
        if not isinstance(asked, Sequence):
            return self._too_much(asked, access, call) or self._executed(asked, access, call)
        for problem in asked:
            self._protest(f"graphql: {problem.message}")
        return json_reply(200, {"errors": list(told(asked))})

    def _too_much(self, asked: Document, access: Access, call: Call) -> Reply | None:
        if asked.price.nodes > _MOST_NODES:
            said = f"This query requests up to {asked.price.nodes} possible nodes"
            return _failed("MAX_NODE_LIMIT_EXCEEDED", f"{said} which exceeds the maximum limit.")
        if not self.limits.graphql.spend(points(asked.price)):
            said = f"API rate limit already exceeded for user ID {access.user.id}."
            return _failed("RATE_LIMIT", said, code="graphql_rate_limit")
        call.cost = points(asked.price)
        return None

    def _executed(self, asked: Document, access: Access, call: Call) -> Reply:
        limit = self.limits.graphql
        ask = Ask(self.world, self._telling, access, limit, asked.price, call.cost)
        done = self._graph().answered(
            asked, ask, lambda what: self._protest(f"graphql: the stand-in has no {what}")
        )
        errors = {"errors": list(told(done.errors))} if done.errors else {}
        return json_reply(200, {"data": done.data, **errors})


def points(price: Price) -> int:
    """https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api"""
    return max(1, round(price.requests / 100))


def error(refused: Refused) -> Reply:
    """What is sent for a request that is refused."""
    said: dict[str, Any] = {"message": refused.message, "documentation_url": DOCS}
    if refused.errors:
        said["errors"] = [one.get("said", dict(one)) for one in refused.errors]
    return json_reply(refused.status, {**said, "status": str(refused.status)})


def _used_up(access: Access) -> Refused:
    return Refused(403, f"API rate limit exceeded for user ID {access.user.id}.")


def _failed(kind: str, message: str, **more: str) -> Reply:
    return json_reply(200, {"errors": [{"type": kind, **more, "message": message}]})


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(body) if body else None
    except ValueError:
        raise Refused(400, "Problems parsing JSON") from None
    if not isinstance(read, dict | None):
        raise Refused(400, "Body should be a JSON object")
    return cast(dict[str, Any] | None, read)


def _varies(headers: Mapping[str, str]) -> str:
    return headers.get("accept", "") + headers.get("authorization", "")


def refusal(fault: Fault) -> Reply:
    """How a request is refused because a test arranged it."""
    if fault.kind == "server error":
        return json_reply(fault.status or 502, _told("Server Error", fault.status or 502))
    status = fault.status or 403
    return json_reply(status, _told(_SECONDARY, status), fault.wait)


def _told(message: str, status: int) -> Mapping[str, str]:
    return {"message": message, "documentation_url": _LIMITS, "status": str(status)}
