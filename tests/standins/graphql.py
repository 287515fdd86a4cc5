"""A vendor's GraphQL schema: documents are checked, priced and answered from plain records."""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    build_ast_schema,
    execute_sync,  # pyright: ignore[reportUnknownVariableType]
    get_operation_ast,
    parse,
    validate,
)
from graphql.language import FragmentDefinitionNode

_WORDS = re.compile(r'^[ \t]*""".*?"""[ \t]*\n?', re.DOTALL | re.MULTILINE)
_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")
_MISSING = object()
Resolver = Callable[..., Any]


def schema_of(text: str) -> GraphQLSchema:
    """A schema; what it says in words is left out, which halves the time it takes to read."""
    document = parse(_WORDS.sub("", text), no_location=True)
    return build_ast_schema(document, assume_valid_sdl=True, assume_valid=True)


@dataclass
class Price:
    """How many requests, and how many nodes, the connections of a document stand for."""

    requests: int = 0
    nodes: int = 0
    problems: list[str] = field(default_factory=list[str])


@dataclass
class Asked:
    """A document that was found to be in order."""

    document: DocumentNode
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]
    price: Price


@dataclass(frozen=True)
class Edge:
    """An item of a connection."""

    node: Any
    cursor: str


@dataclass(frozen=True)
class PageInfo:
    """Where a page of a connection begins and ends."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Connection:
    """One page of a list, as Relay has it."""

    def __init__(self, items: Sequence[Any], arguments: Mapping[str, Any]) -> None:
        begin, end = (
            _at(arguments.get("after"), 0),
            _at(arguments.get("before"), len(items) + 1) - 1,
        )
        first, last = arguments.get("first"), arguments.get("last")
        end = end if first is None else min(end, begin + first)
        begin = begin if last is None else max(begin, end - last)
        self.items, self.total_count = items, len(items)
        self.nodes = items[begin:end]
        self.edges = [Edge(one, _cursor(begin + n)) for n, one in enumerate(self.nodes, 1)]
        ends = (self.edges[0].cursor, self.edges[-1].cursor) if self.edges else (None, None)
        self.page_info = PageInfo(end < len(items), begin > 0, *ends)


class Graph:
    """A schema and who answers its fields: a table by type and name, or a record's attribute.

    A page of a connection has `usual` items where nobody says how many; without that, somebody has
    to. It never has more than `most`.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        fields: Mapping[str, Mapping[str, Resolver]],
        *,
        usual: int | None = None,
        most: int = 100,
    ) -> None:
        self.schema, self._fields = schema, fields
        self._usual, self._most = usual, most

    def asked(
        self, query: str, variables: Mapping[str, Any], name: str | None
    ) -> Asked | Sequence[GraphQLError]:
        """The document, or what is wrong with it."""
        try:
            document = parse(query)
        except GraphQLError as error:
            return [error]
        if errors := validate(self.schema, document):
            return errors
        operation = get_operation_ast(document, name)
        if operation is None:
            return [GraphQLError("An operation name is required")]
        price = self._priced(document, operation, variables)
        if price.problems:
            return [GraphQLError(problem) for problem in price.problems]
        return Asked(document, operation, variables, price)

    def answered(
        self, asked: Asked, context: Any, unknown: Callable[[str], None]
    ) -> ExecutionResult:
        """The answer; a field that nobody answers is told of."""

        def resolved(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
            return self._resolved(source, info, arguments, unknown)

        return execute_sync(
            self.schema, asked.document, context_value=context, field_resolver=resolved,
            variable_values=dict(asked.variables), operation_name=_name(asked.operation),
            type_resolver=_kind,
        )  # fmt: skip

    def _resolved(
        self, source: Any, info: GraphQLResolveInfo[Any], arguments: dict[str, Any],
        unknown: Callable[[str], None],
    ) -> Any:  # fmt: skip
        kind, name = info.parent_type.name, info.field_name
        answering = self._fields.get(kind, {}).get(name)
        value = answering(source, info.context, **arguments) if answering else _own(source, name)
        if value is _MISSING:
            unknown(f"{kind}.{name}")
            raise GraphQLError(f"nobody answers {kind}.{name}")
        listed = _plain(info.return_type).endswith("Connection")  # pyright: ignore[reportUnknownMemberType]
        if not listed or value is None:
            return value
        if self._usual and arguments.get("first") is None and arguments.get("last") is None:
            arguments["first"] = self._usual
        return Connection(value, arguments)

    def _priced(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
    ) -> Price:
        fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        root = self.schema.get_root_type(operation.operation)
        price = Price()
        self._walk(
            operation.selection_set,
            root,
            1,
            price,
            fragments,
            _defaults(operation) | dict(variables),
        )
        return price

    def _walk(
        self, chosen: SelectionSetNode | None, kind: Any, times: int, price: Price,
        fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any],
    ) -> None:  # fmt: skip
        for one in chosen.selections if chosen else ():
            if isinstance(one, FragmentSpreadNode):
                one = fragments[one.name.value]
            if isinstance(one, InlineFragmentNode | FragmentDefinitionNode):
                of = one.type_condition
                inner = self.schema.get_type(of.name.value) if of else kind
                self._walk(one.selection_set, inner, times, price, fragments, variables)
            elif isinstance(one, FieldNode) and not one.name.value.startswith("__"):
                below = _plain(kind.fields[one.name.value].type)
                size = self._size(one, below, variables, price)
                price.requests += times if size else 0
                price.nodes += times * size
                self._walk(
                    one.selection_set,
                    self.schema.get_type(below),
                    times * (size or 1),
                    price,
                    fragments,
                    variables,
                )

    def _size(self, node: FieldNode, kind: str, variables: Mapping[str, Any], price: Price) -> int:
        """How many a connection may bring; none, where it is no connection."""
        if not kind.endswith("Connection"):
            return 0
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                size = _number(argument.value, variables)
                if size is not None and 1 <= size <= self._most:
                    return size
                price.problems.append(
                    f"`{argument.name.value}` on `{node.name.value}` must be within 1-{self._most}."
                )
                return 1
        if not _lists(node):
            return 0  # how many there are can be asked without a page of them
        if self._usual is None:
            price.problems.append(
                "You must provide a `first` or `last` value to properly paginate the "
                f"`{node.name.value}` connection."
            )
        return self._usual or 1


def _lists(node: FieldNode) -> bool:
    """Whether some of a connection are asked for; what is in a fragment counts."""
    chosen = node.selection_set.selections if node.selection_set else ()
    names = {one.name.value for one in chosen if isinstance(one, FieldNode)}
    return len(names) < len(chosen) or not names.isdisjoint({"nodes", "edges", "pageInfo"})


def _number(node: Any, variables: Mapping[str, Any]) -> int | None:
    if isinstance(node, VariableNode):
        return variables.get(node.name.value)
    return int(node.value) if isinstance(node, IntValueNode) else None


def _defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    return {
        one.variable.name.value: int(one.default_value.value)
        for one in operation.variable_definitions or ()
        if isinstance(one.default_value, IntValueNode)
    }


def _own(source: Any, name: str) -> Any:
    """A record's attribute of that name, or an entry of what a mutation gives."""
    if isinstance(source, Mapping):
        return source.get(name, _MISSING)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return getattr(source, _CAPITAL.sub(r"_\1", name).lower(), _MISSING)


def _plain(kind: Any) -> str:
    """The name of a type, whether one or many of it, and whether it must be there."""
    return str(kind).strip("[]!")


def _kind(value: Any, *_: Any) -> str:
    return value.typename


def _name(operation: OperationDefinitionNode) -> str | None:
    return operation.name.value if operation.name else None


def _cursor(at: int) -> str:
    return b64encode(f"cursor:{at}".encode()).decode()


def _at(cursor: str | None, otherwise: int) -> int:
    return int(b64decode(cursor).decode().partition(":")[2]) if cursor else otherwise


def told(errors: Sequence[GraphQLError]) -> Iterator[dict[str, Any]]:
    """Errors as they are sent."""
    for error in errors:
        kind = getattr(error.original_error, "kind", None)
        yield {**({"type": kind} if kind else {}), **error.formatted}
