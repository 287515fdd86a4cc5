"""From files to settings: each file checked on its own, then laid over the one below."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from ao_core.config import interpolate
from ao_core.config.check import faults, field_called
from ao_core.config.document import Document
from ao_core.config.models import ProjectSettings, Reactions, Settings, senseless
from ao_core.config.parts import Context, PluginSettings
from ao_core.config.problem import ConfigProblems, Problem, Where, problem

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one file says."""

    document: Document
    settings: Settings
    warnings: tuple[Problem, ...] = ()
    secrets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything configured, as one; `layers` are the files it came from, the nearest first.

    `source` is the file whose code-bearing keys a person has to trust: None where there is none
    but the person's own, which by itself comes to `own`.
    """

    settings: Settings
    path: Path | None
    warnings: tuple[Problem, ...] = ()
    secrets: frozenset[str] = dataclasses.field(default=frozenset(), repr=False)
    layers: tuple[Layer, ...] = ()
    source: Document | None = None
    own: Settings = dataclasses.field(default_factory=Settings)

    def problem(self, where: Where, message: str) -> Problem:
        """Say something about a place, with the file and line where it is written."""
        for layer in self.layers:
            if (line := layer.document.exact(where)) is not None:
                return problem(layer.document.path, line, where, message)
        if not self.layers:
            return problem(None, None, where, message)
        nearest_file = self.layers[0].document
        return problem(nearest_file.path, nearest_file.line(where), where, message)


def checked(read: Document, environment: Mapping[str, str], user: Path) -> Layer:
    """Check what was read; raises `ConfigProblems`."""
    filled = interpolate.fill(read, environment)
    problems, settings = list(filled.problems), Settings()
    try:
        context = Context(read.path.parent, user)
        settings = Settings.model_validate(filled.data, context=context)
    except ValidationError as exc:
        problems += _problems(exc, read)
    problems += _meaningless(settings, read)
    if problems:
        raise ConfigProblems(sorted(set(problems), key=lambda one: one.line or 0))
    warnings = (*filled.warnings, *_unused(settings, read))
    return Layer(read, settings, warnings, frozenset(filled.secrets))


def overlay(lower: M, upper: M) -> M:
    """Lay one over the other, field by field; tables are merged, everything else replaced."""
    extra = upper.model_extra or {}
    changed = {
        name: _joined(getattr(lower, name, None), getattr(upper, name))
        for name in upper.model_fields_set | extra.keys()
    }
    return lower.model_copy(update=changed)


def _joined(lower: object, upper: object) -> object:
    if isinstance(lower, PluginSettings) and isinstance(upper, PluginSettings):
        return overlay(lower, upper) if lower.plugin == upper.plugin else upper
    if isinstance(lower, BaseModel) and type(lower) is type(upper):
        return overlay(lower, cast("BaseModel", upper))
    if isinstance(lower, dict) and isinstance(upper, dict):
        below = cast("dict[Any, object]", lower)
        above = cast("dict[Any, object]", upper)
        return below | {key: _joined(below.get(key), above[key]) for key in above}
    return upper


def _problems(error: ValidationError, read: Document) -> Iterator[Problem]:
    for fault in faults(error, Settings):
        message, meant = fault.message, fault.meant
        if len(fault.where) == 1 and meant is None and _is_of_a_project(str(fault.where[0])):
            message = "it belongs to a project: write it under `projects`, `<name>`"
        yield problem(read.path, read.line(fault.where), fault.where, message, meant)


def _is_of_a_project(name: str) -> bool:
    return field_called(ProjectSettings, name) is not None and field_called(Settings, name) is None


def _meaningless(settings: Settings, read: Document) -> Iterator[Problem]:
    """What is said of a reaction that can have no such thing."""
    places: list[tuple[Where, Reactions]] = [(("reactions",), settings.reactions)]
    places += [
        (("projects", id, "reactions"), one.reactions) for id, one in settings.projects.items()
    ]
    for where, reactions in places:
        for key, reaction in reactions.items():
            for name, why in senseless(key, reaction):
                place = (*where, key, name)
                yield problem(read.path, read.line(place), place, why)


def _unused(settings: Settings, read: Document) -> Iterator[Problem]:
    found: list[Where] = [(name,) for name in settings.unused if name in settings.model_fields_set]
    for id, one in settings.projects.items():
        found += [("projects", id, name) for name in one.unused if name in one.model_fields_set]
    for where in found:
        yield problem(read.path, read.line(where), where, "it has no effect in this version")
