"""One vendor's OpenAPI description: what a request asks for, and whether it is in order."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from standins.schemas import Schemas

JSON = "application/json"
_METHODS = ("get", "post", "put", "patch", "delete")
_ERRORS = {"$ref": "#/components/schemas/basic-error"}


@dataclass(frozen=True)
class Operation:
    """What a method on a path does, as it is described."""

    id: str
    method: str
    template: str
    parameters: Sequence[Mapping[str, Any]]
    body: Mapping[str, Any] | None
    body_needed: bool
    answers: Mapping[int, Mapping[str, Any] | None]

    def named(self, place: str) -> dict[str, Mapping[str, Any]]:
        return {one["name"]: one for one in self.parameters if one["in"] == place}


class OpenApi:
    """The operations of a description. Only those somebody asks for are looked into."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._described = description
        self._components: Mapping[str, Any] = description["components"]
        self.schemas = Schemas(self._components)
        self._known: dict[str, Operation] = {}
        self._at = dict(self._places())
        self._steps: dict[str, list[tuple[list[str], str]]] = defaultdict(list)
        for name, (method, path) in self._at.items():
            self._steps[method.upper()].append((path.split("/"), name))

    def __contains__(self, name: str) -> bool:
        return name in self._at

    def operation(self, name: str) -> Operation:
        """The operation of this id."""
        if name not in self._known:
            self._known[name] = self._read(name, *self._at[name])
        return self._known[name]

    def asked(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation that a request is for, and what its path says."""
        asked = path.split("/")
        found = [
            (template, name)
            for template, name in self._steps.get(method, ())
            if _leads(template, asked)
        ]
        if not found:
            return None
        template, name = min(found, key=lambda one: sum(step[:1] == "{" for step in one[0]))
        asked[len(template) - 1 :] = ["/".join(asked[len(template) - 1 :])]
        said = {
            step[1:-1]: unquote(word)
            for step, word in zip(template, asked, strict=True)
            if step[:1] == "{"
        }
        return self.operation(name), said

    def problems(
        self, operation: Operation, path: Mapping[str, str],
        query: Sequence[tuple[str, str]], body: Any,
    ) -> Iterator[str]:  # fmt: skip
        """What of a request is not as it is described."""
        yield from self._values(operation.named("path"), path.items())
        yield from self._values(operation.named("query"), query)
        if body is None:
            if operation.body_needed:
                yield "a body is needed"
        elif operation.body is None:
            yield "no body is described"
        else:
            yield from self.schemas.complaints(operation.body, body, closed=True)

    def answer(self, operation: Operation, status: int, facts: Any) -> Any:
        """The facts in the shape that is described for this answer."""
        schema = self._answer(operation, status)
        return None if schema is None or facts is None else self.schemas.filled(schema, facts)

    def drift(self, operation: Operation, status: int, answer: Any) -> list[str]:
        """How an answer is not what the description lets expect."""
        if status < 300 and status not in operation.answers:
            return [f"{status} is not described"]
        schema = self._answer(operation, status)
        return [] if schema is None or answer is None else self.schemas.complaints(schema, answer)

    def event(self, name: str) -> Mapping[str, Any]:
        """The schema of what a webhook delivers."""
        content = self._described["x-webhooks"][name]["post"]["requestBody"]["content"]
        return content[JSON]["schema"]

    def _answer(self, operation: Operation, status: int) -> Mapping[str, Any] | None:
        if status in operation.answers:
            return operation.answers[status]
        return _ERRORS if status >= 400 and "basic-error" in self._components["schemas"] else None

    def _places(self) -> Iterator[tuple[str, tuple[str, str]]]:
        for path, item in self._described["paths"].items():
            for method in _METHODS:
                if method in item:
                    yield item[method]["operationId"], (method, path)

    def _read(self, name: str, method: str, path: str) -> Operation:
        told = self._described["paths"][path][method]
        body = told.get("requestBody", {})
        return Operation(
            id=name,
            method=method.upper(),
            template=path,
            parameters=[self._named(one, "parameters") for one in told.get("parameters", ())],
            body=body.get("content", {}).get(JSON, {}).get("schema"),
            body_needed=body.get("required", False),
            answers={
                int(code): self._said(one)
                for code, one in told["responses"].items()
                if code.isdigit()
            },
        )

    def _said(self, response: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return self._named(response, "responses").get("content", {}).get(JSON, {}).get("schema")

    def _named(self, one: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
        return self._components[kind][one["$ref"].rsplit("/", 1)[-1]] if "$ref" in one else one

    def _values(
        self, described: Mapping[str, Mapping[str, Any]], given: Collection[tuple[str, str]]
    ) -> Iterator[str]:
        for name, value in given:
            if name not in described:
                yield f"{name}: nobody described it"
                continue
            schema = self.schemas.resolved(described[name]["schema"])
            for problem in self.schemas.complaints(schema, read_as(schema, value)):
                yield f"{name}: {problem}"
        names = {name for name, _ in given}
        yield from (
            f"{name}: it is needed"
            for name, one in described.items()
            if one.get("required") and name not in names
        )


def read_as(schema: Mapping[str, Any], value: str) -> Any:
    """A word of an address as the value it stands for; as it is, where it stands for none."""
    match schema.get("type"):
        case "array":  # each of its values stands for itself
            return [read_as(schema["items"], value)]
        case "integer" | "number" if re.fullmatch(r"-?\d+", value):
            return int(value)
        case "boolean" if value in ("true", "false"):
            return value == "true"
        case _:
            return value


def _leads(template: Sequence[str], asked: Sequence[str]) -> bool:
    """A name in a path is one step, but that of a git ref may have several."""
    if template[-2:] in (["ref", "{ref}"], ["refs", "{ref}"]):
        asked = [*asked[: len(template) - 1], "/".join(asked[len(template) - 1 :])]
    if len(template) != len(asked):
        return False
    return all(
        step == word or (step[:1] == "{" and word)
        for step, word in zip(template, asked, strict=True)
    )
