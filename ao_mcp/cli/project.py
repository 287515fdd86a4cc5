"""Makes a command of an operation: its request's fields become arguments and options."""

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ao_core.engine.caller import Role
from ao_core.wire import Message
from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.outcome import FAILED, FINE, spoken
from ao_mcp.cli.place import Place, pass_place
from ao_mcp.cli.render import failed, render
from ao_mcp.cli.screen import show
from ao_mcp.operations.contract import AnyOperation

JSON_OPTION = click.Option(
    ["--json", "machine"], is_flag=True, help="Print the reply as JSON and nothing else."
)
_SIMPLE: "Mapping[object, click.ParamType[Any]]" = {
    str: click.STRING, int: click.INT, float: click.FLOAT, bool: click.BOOL,
}  # fmt: skip
_LISTS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a field takes."""

    kind: "click.ParamType[Any]"
    many: bool = False


class _Table(click.ParamType[object]):
    """Several values under their names; what they have to be, the engine says."""

    name = "NAME=VALUE,…"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """`minutes=60,cost=5` as a table."""
        pairs = [one.partition("=") for one in str(value).split(",")]
        if not all(name.strip() and sign for name, sign, _ in pairs):
            self.fail(f"{value!r} is not of the form name=value,name=value", param, ctx)
        return {name.strip(): text.strip() for name, _, text in pairs}


class _Argument(click.Argument):
    """An argument that can be explained."""

    def __init__(self, name: str, field: FieldInfo) -> None:
        shape = _shape(field.annotation)
        many = -1 if shape.many else 1
        super().__init__([name], field.is_required(), type=shape.kind, nargs=many)
        self.told = _explained(field)


class _Command(click.Command):
    """A command whose help also explains its arguments."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The arguments, then the options."""
        arguments = [param for param in self.params if isinstance(param, _Argument)]
        if explained := [(one.make_metavar(ctx), one.told) for one in arguments if one.told]:
            with formatter.section("Arguments"):
                formatter.write_dl(explained)
        super().format_options(ctx, formatter)


def commands(operations: Iterable[AnyOperation]) -> dict[str, click.Command]:
    """The commands of all operations that people may use."""
    theirs = (one for one in operations if Role.PERSON in one.roles)
    return {command_name(one.name): command(one) for one in theirs}


def command_name(operation: str) -> str:
    """`list_issues` is `list-issues` on a command line."""
    return operation.replace("_", "-")


def command(operation: AnyOperation) -> click.Command:
    """The command of one operation."""
    fields: Mapping[str, FieldInfo] = operation.request.model_fields
    options = [name for name in fields if name not in operation.positional]
    return _Command(
        command_name(operation.name),
        params=[
            *(_Argument(name, fields[name]) for name in operation.positional),
            *(_option(name, fields[name]) for name in options),
            JSON_OPTION,
        ],
        callback=_callback(operation),
        help=spoken(operation.description),
        short_help=operation.title,
    )


def _callback(operation: AnyOperation) -> Callable[..., int]:
    takes_project = "project" in operation.request.model_fields
    doing = "" if operation.read_only else operation.title

    @pass_place
    def perform(place: Place, machine: bool, **given: object) -> int:
        default = {"project": place.project} if takes_project and place.project else {}
        asked = default | _said(click.get_current_context(), given)
        reply = place.ask(operation.name, asked, "" if machine else doing)
        return present(operation.name, reply, machine=machine)

    return perform


def present(operation: str, reply: Message, *, machine: bool) -> int:
    """Show a reply; the status that says whether what was wanted came about."""
    if machine:
        click.echo(as_json(reply))
    else:
        show(render(operation, reply))
    return FAILED if failed(operation, reply) else FINE


def _said(context: click.Context, given: Mapping[str, object]) -> dict[str, object]:
    """Only what was said: what was left out has its default in the engine."""
    source = click.core.ParameterSource.COMMANDLINE
    said = (name for name in given if context.get_parameter_source(name) is source)
    return {name: _listed(given[name]) for name in said}


def _listed(value: object) -> object:
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value


def _option(name: str, field: FieldInfo) -> click.Option:
    shape = _shape(field.annotation)
    flag = shape.kind is click.BOOL
    return click.Option(
        [name, _spelled(name, negatable=flag and field.default is not False)],
        type=shape.kind,
        is_flag=flag,
        multiple=shape.many,
        required=field.is_required(),
        help=_explained(field),
    )


def _spelled(name: str, *, negatable: bool) -> str:
    option = command_name(name)
    return f"--{option}/--no-{option}" if negatable else f"--{option}"


def _explained(field: FieldInfo) -> str:
    """What the field is for, and what it is when left out."""
    parts = [spoken(field.description or "")]
    if _shape(field.annotation).many:
        parts.append("Repeatable.")
    if default := _default(field.default):
        parts.append(f"[default: {default}]")
    return " ".join(filter(None, parts))


def _default(default: object) -> str:
    if default is None or default is PydanticUndefined or isinstance(default, bool):
        return ""
    if isinstance(default, _LISTS):
        return ", ".join(map(str, cast("Iterable[object]", default)))
    return str(default)


def _shape(annotation: object) -> _Shape:
    """What an annotation takes; raises TypeError where a command line cannot say it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in _SIMPLE:
        return _Shape(_SIMPLE[annotation])
    if origin is Annotated:
        return _shape(inner[0])
    if origin in (Union, types.UnionType):
        return _only([one for one in inner if one is not types.NoneType], annotation)
    if origin in _LISTS:
        return replace(_shape(inner[0]), many=True)
    if origin is Literal:
        return _Shape(click.Choice(inner))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _Shape(click.Choice([str(member.value) for member in annotation]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _Shape(click.STRING if hasattr(annotation, "spoken") else _Table())
    raise TypeError(f"A command line has no way to say {annotation!r}.")


def _only(choices: Sequence[object], annotation: object) -> _Shape:
    if len(choices) != 1:
        raise TypeError(f"A command line has no way to say {annotation!r}.")
    return _shape(choices[0])
