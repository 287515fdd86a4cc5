"""Many questions as one GraphQL document: each has an alias and variables of its own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

_VARIABLE = re.compile(
    r"""
      ("{3}.*?(?<!\\)"{3} | "(?:\\.|[^"\\\n])*" | \#[^\n]*)   # text and comments stay as they are
    | \$(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A value, with its type as the schema has it, such as `Int!`."""

    type: str
    value: object


@dataclass(frozen=True, slots=True)
class Part:
    """One field with its arguments and what is wanted of it, without an alias."""

    selection: str
    variables: Mapping[str, Variable] = field(default_factory=dict[str, Variable])


@dataclass(frozen=True, slots=True)
class Document:
    """A query for some of the parts; `names` tells whose each alias is."""

    text: str
    variables: Mapping[str, object]
    names: Mapping[str, str]


def documents(
    parts: Mapping[str, Part], most: int, *, besides: str = "", fragments: str = ""
) -> Iterator[Document]:
    """As many documents as it takes; each has `besides` in it, and `fragments` after it."""
    left = iter(parts.items())
    while some := list(islice(left, most)):
        aliased = {f"a{number}": one for number, one in enumerate(some)}
        yield _document(aliased, besides, fragments)


def _document(aliased: Mapping[str, tuple[str, Part]], besides: str, fragments: str) -> Document:
    declared: dict[str, Variable] = {}
    lines: list[str] = []
    for alias, (name, part) in aliased.items():
        declared |= {f"{alias}_{own}": one for own, one in part.variables.items()}
        lines.append(f"{alias}: {_renamed(name, part, alias)}")
    heads = ", ".join(f"${name}: {one.type}" for name, one in declared.items())
    body = "\n".join([*lines, besides]).rstrip()
    text = f"query{f'({heads})' if heads else ''} {{\n{body}\n}}\n{fragments}".rstrip()
    values = {name: one.value for name, one in declared.items()}
    return Document(text, values, {alias: name for alias, (name, _) in aliased.items()})


def _renamed(name: str, part: Part, alias: str) -> str:
    def own(match: re.Match[str]) -> str:
        variable = match["name"]
        if variable is None:
            return match[0]
        if variable not in part.variables:
            raise ValueError(f"{name}: ${variable} is none of its variables")
        return f"${alias}_{variable}"

    return _VARIABLE.sub(own, part.selection)
