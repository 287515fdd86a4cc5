"""Puts the environment into a document: `${NAME}`, `${NAME:-default}`, and `$${` for a plain `${`.

What is written for people or agents to read (rules, messages) is left as it is. What looks like a
secret in the file itself is warned about, and remembered so that it can be redacted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from pydantic.alias_generators import to_snake

from ao_core.config.document import Document
from ao_core.config.problem import Problem, Where, problem
from ao_core.config.secret import is_reference, is_secret_name, reference
from ao_core.redact import looks_secret

_VARIABLE = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<or>:-(?P<default>[^}]*))?\}|\$\{"
)
PROSE = {"agent_rules", "orchestrator_rules", "message"}
_MISSING = object()


@dataclass(slots=True)
class Filled:
    """A document with the environment in it; `templates` keeps what was written there."""

    data: dict[str, object]
    problems: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Problem] = field(default_factory=list[Problem])
    secrets: set[str] = field(default_factory=set[str])
    templates: dict[Where, str] = field(default_factory=dict[Where, str])


def fill(document: Document, environment: Mapping[str, str]) -> Filled:
    """Replace every variable; what is wrong is listed, not raised."""
    filler = _Filler(document, environment, Filled({}))
    filler.filled.data = cast("dict[str, object]", filler.value(document.data, ()))
    return filler.filled


@dataclass(slots=True)
class _Filler:
    """Walks the values of one document."""

    document: Document
    environment: Mapping[str, str]
    filled: Filled

    def value(self, value: object, where: Where) -> object:
        if isinstance(value, dict):
            return self._mapping(cast("dict[str, object]", value), where)
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [self.value(item, (*where, index)) for index, item in enumerate(items)]
        return value if value is None or isinstance(value, bool) else self._scalar(value, where)

    def _mapping(self, value: dict[str, object], where: Where) -> dict[str, object]:
        made = {name: self.value(item, (*where, name)) for name, item in value.items()}
        return {name: item for name, item in made.items() if item is not _MISSING}

    def _scalar(self, value: object, where: Where) -> object:
        if not isinstance(value, str):
            self._note(str(value), str(value), where)
            return value
        if is_reference(value):
            return self._reference(value, where)
        if _snake(where) in PROSE or "$" not in value:
            self._note(value, value, where)
            return value
        self.filled.templates[where] = value
        if _passes_through(value, where) and not self._known(value):
            self._warn(where, "it is not set where this is called from, and is left out")
            return _MISSING
        text = _VARIABLE.sub(lambda match: self._variable(match, where), value)
        self._note(value, text, where)
        return text

    def _reference(self, value: str, where: Where) -> object:
        found = reference(value)
        if found is None:
            self._wrong(
                where, "write it like secret://provider/path or secret://provider/path#field"
            )
        return found

    def _variable(self, match: re.Match[str], where: Where) -> str:
        if match[0] == "$${":
            return "${"
        name = match["name"]
        if name is None:
            self._wrong(where, "after `${` comes a name and `}`; write `$${` for a plain `${`")
            return ""
        found = self.environment.get(name)
        if found is None and not match["or"]:
            self._wrong(where, f"the variable {name} is not set; set it, or write ${{{name}:-…}}")
        return found or match["default"] or ""

    def _note(self, template: str, text: str, where: Where) -> None:
        """Remember a secret; complain when it stands in the file."""
        secret = is_secret_name(_snake(where))
        literal = looks_secret(template) or (secret and not _is_variable(template))
        if (secret or literal) and text:
            self.filled.secrets.add(text)
        if literal and template:
            self._warn(where, "a secret is written here; write ${NAME} or secret://env/NAME")

    def _known(self, value: str) -> bool:
        match = _VARIABLE.fullmatch(value)
        return match is not None and match["name"] in self.environment

    def _wrong(self, where: Where, message: str) -> None:
        self.filled.problems.append(self._problem(where, message))

    def _warn(self, where: Where, message: str) -> None:
        self.filled.warnings.append(self._problem(where, message))

    def _problem(self, where: Where, message: str) -> Problem:
        return problem(self.document.path, self.document.line(where), where, message)


def _snake(where: Where) -> str:
    last = where[-1] if where else ""
    return to_snake(last) if isinstance(last, str) else ""


def _is_variable(template: str) -> bool:
    match = _VARIABLE.fullmatch(template)
    return match is not None and bool(match["name"]) and not match["default"]


def _passes_through(value: str, where: Where) -> bool:
    return len(where) > 1 and where[-2] == "env" and _is_variable(value) and ":-" not in value
