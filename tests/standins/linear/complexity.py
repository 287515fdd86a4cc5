"""What a document costs: https://linear.app/developers/rate-limiting#api-request-complexity"""

import math
from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    SelectionSetNode,
    VariableNode,
)
from graphql.language import FragmentDefinitionNode

from standins.graphql import Asked

MOST = 10_000  # of one document
_PROPERTY, _OBJECT, _USUAL = 0.1, 1.0, 50


def complexity(schema: GraphQLSchema, asked: Asked) -> int:
    """A tenth for each property, one for each object, as often as a connection may bring them."""
    counting = _Counting(schema, asked.document, asked.variables)
    root = schema.get_root_type(asked.operation.operation)
    return math.ceil(round(counting.of(asked.operation.selection_set, root), 3))


class _Counting:
    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]
    ) -> None:
        self._schema, self._variables = schema, variables
        self._fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }

    def of(self, chosen: SelectionSetNode | None, kind: Any) -> float:
        return sum(self._one(each, kind) for each in (chosen.selections if chosen else ()))

    def _one(self, each: Any, kind: Any) -> float:
        if isinstance(each, FragmentSpreadNode):
            return self.of(self._fragments[each.name.value].selection_set, kind)
        if isinstance(each, InlineFragmentNode) or each.name.value.startswith("__"):
            return _PROPERTY
        if any(self._is_left_out(one) for one in each.directives or ()):
            return 0
        name = str(kind.fields[each.name.value].type).strip("[]!")
        inner = self.of(each.selection_set, self._schema.get_type(name))
        if name.endswith("Connection"):
            return inner * self._size(each)
        return inner + _OBJECT if each.selection_set else _PROPERTY

    def _is_left_out(self, directive: Any) -> bool:
        value = directive.arguments[0].value
        return directive.name.value == "include" and not self._variables.get(value.name.value)

    def _size(self, node: FieldNode) -> int:
        for one in node.arguments or ():
            if one.name.value in ("first", "last"):
                if isinstance(one.value, VariableNode):
                    return self._variables.get(one.value.name.value) or _USUAL
                return int(one.value.value) if isinstance(one.value, IntValueNode) else _USUAL
        return _USUAL
