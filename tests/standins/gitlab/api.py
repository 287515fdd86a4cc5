"""The interface of the host: who may ask, what it costs, and what is sent back."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from standins.answers import json_reply, unless_same
from standins.faults import Fault, Faults, through
from standins.gitlab.facts import Telling
from standins.gitlab.limits import Limit
from standins.gitlab.rest import ROUTES, Answer, Asked
from standins.gitlab.state import Access, Refused
from standins.gitlab.world import World
from standins.openapi import OpenApi, Operation
from standins.server import Reply, Request

PREFIX = "/api/v4"
_PLAIN = {"content-type": "text/plain; charset=utf-8"}
_JSON_KINDS = ("application/json", "application/json; charset=utf-8")


@dataclass
class Call:
    """One request that came in: to which operation, and what was answered."""

    operation: str
    method: str
    path: str
    username: str
    status: int = 0
    fault: str | None = None


class Api:
    """The REST interface over one world. What nobody should have asked goes to `protest`."""

    def __init__(self, world: World, described: OpenApi, protest: Callable[[str], None]) -> None:
        self.world, self.faults = world, Faults()
        self.limit = Limit(lambda: world.now())
        self.calls: list[Call] = []
        self._described, self._protest = described, protest
        self._telling = Telling(world)

    def answered(self, request: Request) -> Reply:
        """The answer to one request."""
        if (access := self._access(request.headers)) is None:
            return json_reply(401, {"message": "401 Unauthorized"})
        path = request.target.partition("?")[0].removeprefix(PREFIX)
        known = self._described.asked(request.method, path)
        if not request.path.startswith(PREFIX) or known is None or known[0].id not in ROUTES:
            word = f"the stand-in has no {known[0].id}" if known else "nobody described it"
            self._protest(f"{request.method} {request.path}: {word}")
            return json_reply(404, {"error": "404 Not Found"})
        operation, values = known
        call = Call(operation.id, request.method, path, access.user.username)
        asked = Asked(
            self.world, self._telling, access, url=f"{self.world.url}{PREFIX}{path}", path=values,
            query=dict(request.query), several=_several(request.query),
        )  # fmt: skip
        name = f"{operation.method} {operation.template}"
        return self._met(call, name, lambda: self._asked(operation, asked, request))

    def _access(self, headers: Mapping[str, str]) -> Access | None:
        kind, _, token = headers.get("authorization", "").partition(" ")
        bearer = token if kind.lower() == "bearer" else ""
        return self.world.tokens.get(headers.get("private-token", bearer))

    def _met(self, call: Call, name: str, perform: Callable[[], Reply]) -> Reply:
        """As it is answered, if nothing goes wrong; else as it goes wrong."""
        with self.world.lock:
            fault = self.faults.take(name, call.operation)
            if fault and fault.kind == "primary limit":
                self.limit.exhaust()
            reply = through(fault, perform, refusal)
            call.status, call.fault = reply.status, fault.kind if fault else None
            self.calls.append(call)
            self.world.between_requests()
        return replace(reply, headers={**self.limit.headers(), **reply.headers})

    def _asked(self, operation: Operation, asked: Asked, request: Request) -> Reply:
        if not self.limit.spend():
            return too_many(429, {"retry-after": str(self.limit.wait)})
        reply = self._performed(operation, asked, request)
        if request.method == "GET" and reply.status == 200:
            return unless_same(reply, request.headers)
        return reply

    def _performed(self, operation: Operation, asked: Asked, request: Request) -> Reply:
        try:
            self._in_order(operation, asked, request)
            answer = ROUTES[operation.id](asked)
        except Refused as refused:
            return json_reply(refused.status, {refused.key: refused.message})
        return self._checked(operation, self._shaped(operation, answer, asked.headers))

    def _in_order(self, operation: Operation, asked: Asked, request: Request) -> None:
        asked.body = self._read(operation, request) if request.method != "GET" else None
        problems = list(self._described.problems(operation, asked.path, request.query, asked.body))
        for problem in problems:
            self._protest(f"{operation.id}: {problem}")
        if problems:
            raise Refused(400, ", ".join(problems), "error")
        if request.method != "GET" and not asked.access.may_write:
            raise Refused(403, "insufficient_scope", "error")

    def _read(self, operation: Operation, request: Request) -> dict[str, Any] | None:
        if not request.body:
            return None
        if (kind := request.headers.get("content-type", "").lower()) not in _JSON_KINDS:
            self._protest(f"{operation.id}: the stand-in takes JSON alone, not {kind!r}")
            raise Refused(415, "The provided content-type is not supported.", "error")
        try:
            read = json.loads(request.body)
        except ValueError:
            raise Refused(400, "Bad request - invalid JSON", "error") from None
        if not isinstance(read, dict):
            raise Refused(400, "Bad request - body should be an object", "error")
        return cast(dict[str, Any], read)

    def _shaped(self, operation: Operation, answer: Answer, headers: Mapping[str, str]) -> Reply:
        if answer.text is not None:
            return Reply(answer.status, {**headers, **_PLAIN}, answer.text.encode())
        facts = self._described.answer(operation, answer.status, answer.facts)
        if facts is None:
            return Reply(answer.status, headers)
        return json_reply(answer.status, facts, headers)

    def _checked(self, operation: Operation, reply: Reply) -> Reply:
        body = json.loads(reply.body) if "json" in reply.headers.get("content-type", "") else None
        for problem in self._described.drift(operation, reply.status, body):
            said = f"the answer {reply.status} of {operation.id} is not as it is described"
            self._protest(f"{said}: {problem}")
        return reply


def refusal(fault: Fault) -> Reply:
    """How a request is refused because a test arranged it."""
    if fault.kind == "server error":
        return json_reply(fault.status or 502, {"message": f"{fault.status or 502} Error"})
    return too_many(fault.status or 429, fault.wait)


def too_many(status: int, wait: Mapping[str, str]) -> Reply:
    """What whoever asks too much is told, which is not JSON."""
    return Reply(status, {**_PLAIN, **wait}, b"Retry later\n")


def _several(query: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    told: dict[str, list[str]] = defaultdict(list)
    for name, value in query:
        told[name].append(value)
    return told
