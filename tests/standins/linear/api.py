"""The interface: who may ask, what it costs, and what is sent back."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from graphql import GraphQLError

from standins.graphql import Asked, Graph
from standins.linear.complexity import MOST, complexity
from standins.linear.faults import Faults, through
from standins.linear.fields import Ask
from standins.linear.limits import Limits
from standins.linear.world import Access, Refused, World
from standins.server import Reply, Request

_KNOWN = {"query", "variables", "operationName"}
_BEARER = (
    "It looks like you're trying to use an API key as a Bearer token. "
    "Remove the Bearer prefix from the Authorization header."
)
_LIMITED = "Rate limit exceeded. Only so many requests are allowed per 1 hour."


@dataclass
class Call:
    """One request that came in: the fields it asked for, who asked, and what it cost."""

    fields: tuple[str, ...]
    variables: Mapping[str, Any]
    who: str
    points: int
    status: int = 0


class Api:
    """GraphQL over one world. What nobody should have asked goes to `protest`."""

    def __init__(self, world: World, graph: Graph, protest: Callable[[str], None]) -> None:
        self.world, self.limits, self.faults = world, Limits(lambda: world.now()), Faults()
        self.calls: list[Call] = []
        self._graph, self._protest = graph, protest

    def answered(self, request: Request) -> Reply:
        """The answer to one request."""
        try:
            return self._answered(request)
        except Exception as error:
            self._protest(f"the stand-in failed: {error!r}")
            return _sent(400, {"errors": [{"message": "the stand-in failed"}]})

    def _answered(self, request: Request) -> Reply:
        try:
            access = self._access(request.headers.get("authorization", ""))
            body = self._read(request)
        except Refused as refused:
            return _sent(refused.status, {"errors": [*_told([_error(refused)])]})
        asked = self._graph.asked(
            body.get("query", ""), body.get("variables") or {}, body.get("operationName")
        )
        if isinstance(asked, Sequence):
            for problem in asked:
                self._protest(problem.message)
            wrong = Refused("GraphQL validation failed", code="GRAPHQL_VALIDATION_FAILED")
            return _sent(400, {"errors": [*_told([_error(wrong)])]})
        with self.world.lock:
            return self._met(asked, access)

    def _access(self, given: str) -> Access:
        """A key stands alone, the token of an app behind the word that says so."""
        scheme, _, token = given.rpartition(" ")
        if scheme and token.startswith("lin_api_"):
            raise Refused(_BEARER)
        access = self.world.tokens.get(token)
        bare = not token.startswith("lin_oauth_")
        if access is None or (not scheme) is not bare:
            said = "Authentication required, not authenticated"
            raise Refused(said, code="AUTHENTICATION_ERROR", status=401)
        return access

    def _read(self, request: Request) -> dict[str, Any]:
        where = f"{request.method} {request.target}"
        if where != "POST /graphql" or "json" not in request.headers.get("content-type", ""):
            self._protest(f"{where}: only JSON is taken, at POST /graphql")
            raise Refused("Cannot find it", status=404)
        body = cast("dict[str, Any]", json.loads(request.body))
        for name in body.keys() - _KNOWN:
            self._protest(f"nobody described {name}")
        return body

    def _met(self, asked: Asked, access: Access) -> Reply:
        points = complexity(self._graph.schema, asked)
        fields = tuple(_fields(asked))
        call = Call(fields, asked.variables, access.user.display_name, points)
        self.calls.append(call)
        kind = self.faults.take(fields[0])
        reply = through(kind, lambda: self._limited(points) or self._executed(asked, access))
        call.status = reply.status
        told = {"x-complexity": str(points), **self.limits.headers()}
        return Reply(reply.status, {**told, **reply.headers}, reply.body, ending=reply.ending)

    def _limited(self, points: int) -> Reply | None:
        if points > MOST:
            self._protest(f"a document costs {points}")
            wrong = Refused("Query too complex")
        elif not self.limits.spend(points):
            wrong = Refused(_LIMITED, code="RATELIMITED")
        else:
            return None
        return _sent(400, {"errors": [*_told([_error(wrong)])]})

    def _executed(self, asked: Asked, access: Access) -> Reply:
        done = self._graph.answered(
            asked, Ask(self.world, access), lambda what: self._protest(f"there is no {what}")
        )
        for error in done.errors or ():
            if not isinstance(error.original_error, Refused):
                self._protest(f"the stand-in failed: {error!r}")
        errors = {"errors": [*_told(done.errors)]} if done.errors else {}
        return _sent(200, {"data": done.data, **errors})


def _fields(asked: Asked) -> Iterator[str]:
    for one in asked.operation.selection_set.selections:
        yield cast(Any, one).name.value


def _told(errors: Sequence[GraphQLError]) -> Iterator[dict[str, Any]]:
    for error in errors:
        refused = error.original_error
        more = {"extensions": refused.extensions} if isinstance(refused, Refused) else {}
        yield {**error.formatted, **more}


def _error(refused: Refused) -> GraphQLError:
    return GraphQLError(refused.message, original_error=refused)


def _sent(status: int, value: Any) -> Reply:
    kind = {"content-type": "application/json; charset=utf-8"}
    return Reply(status, kind, json.dumps(value).encode())
