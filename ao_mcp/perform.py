"""Performs one operation for any face: may the caller, are the arguments right, what came of it.

Raises errors of ours only. What a caller is told never quotes a value it sent, nor the validator.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ao_core.errors import AoError, BadRequest, Refused
from ao_core.redact import visible
from ao_mcp.faults import told
from ao_mcp.operations.contract import AnyOperation, Call, Reply, Request

_PROBLEMS_SHOWN = 20
_NAME_SHOWN = 60
_SAID_SHOWN = 200


async def perform(operation: AnyOperation, call: Call, arguments: Mapping[str, object]) -> Reply:
    """Check, run, and turn whatever happens into a reply or an error of ours."""
    if call.caller.role not in operation.roles:
        allowed = " or ".join(sorted(operation.roles))
        raise Refused(f"`{operation.name}` is for a {allowed}.", hint="Ask one of them to do it.")
    request = check(operation, arguments)
    try:
        return await operation.run(call, request)
    except AoError:
        raise
    except Exception as error:
        raise told(error, f"`{operation.name}`") from error


def check(operation: AnyOperation, arguments: Mapping[str, object]) -> Request:
    """The typed request; raises one `BadRequest` that lists every wrong argument."""
    try:
        return operation.request.model_validate(arguments)
    except ValidationError as error:
        fields = list(operation.request.model_fields)
        details = error.errors(include_url=False, include_input=False)
        problems = dict.fromkeys(_problem(detail, fields) for detail in details)
        text = "; ".join(list(problems)[:_PROBLEMS_SHOWN])
        hint = f"Nothing was done. Call `{operation.name}` again with these mended."
        # the validator's own error quotes what was sent, so it is not kept as the cause
        raise BadRequest(f"{text}.", hint=hint) from None


def shown(name: object) -> str:
    """A name from outside, harmless and short."""
    return visible(str(name).replace("\n", " "), _NAME_SHOWN)


def _problem(detail: ErrorDetails, fields: list[str]) -> str:
    where = ".".join(shown(part) for part in detail["loc"]) or "The whole"
    if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
        near = get_close_matches(where, fields, n=1)
        return f"`{where}` is not an argument" + (f"; did you mean `{near[0]}`?" if near else "")
    return f"`{where}` {_complaint(detail)}"


def _complaint(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    for prefix, say in _COMPLAINTS.items():
        if detail["type"].startswith(prefix):
            return say(context)
    return "is not valid"


_COMPLAINTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "missing": lambda _: "is required",
    "extra_forbidden": lambda _: "is not known",
    "string_too_long": lambda c: f"is longer than {c['max_length']} characters",
    "string_too_short": lambda c: f"is shorter than {c['min_length']} characters",
    "string_pattern": lambda _: "has the wrong form",
    "string": lambda _: "must be text",
    "bool": lambda _: "must be true or false",
    "int": lambda _: "must be a whole number",
    "float": lambda _: "must be a number",
    "finite": lambda _: "must be a finite number",
    "greater_than_equal": lambda c: f"must be at least {c['ge']}",
    "greater_than": lambda c: f"must be more than {c['gt']}",
    "less_than_equal": lambda c: f"must be at most {c['le']}",
    "less_than": lambda c: f"must be less than {c['lt']}",
    "literal_error": lambda c: f"must be {c['expected']}",
    "enum": lambda c: f"must be {c['expected']}",
    "too_long": lambda c: f"has more than {c['max_length']} entries",
    "too_short": lambda c: f"has fewer than {c['min_length']} entries",
    **dict.fromkeys(["list", "tuple", "set", "frozen_set"], lambda _: "must be a list"),
    **dict.fromkeys(["dict", "model", "mapping"], lambda _: "must be an object"),
    "value_error": lambda c: visible(str(c["error"]), _SAID_SHOWN),
}
