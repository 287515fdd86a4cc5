"""Finds the configuration, reads it, and lays it over the person's own and the defaults.

The order is: what was asked for, `AO_CONFIG_PATH`, the nearest `agent-orchestrator.yaml` upwards
from where the caller is, and the `config.yaml` of the home. Inside a linked worktree the search
goes on in the main checkout, so that what a worker writes in its own tree is never read.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic.alias_generators import to_camel

from ao_core.config import document
from ao_core.config.checkout import main_folder
from ao_core.config.document import Document
from ao_core.config.layers import Layer, Loaded, checked, overlay
from ao_core.config.models import ProjectSettings, Settings
from ao_core.config.problem import ConfigProblems, Problem
from ao_core.config.project import agent_of, gates_of, implied_id, prefix_of, project, zero
from ao_core.errors import ConfigError

__all__ = ["NAMES", "Loaded", "engine_settings", "find", "load", "project", "zero"]

NAMES = ("agent-orchestrator.yaml", "agent-orchestrator.yml")
HOME_NAME = "config.yaml"
ENGINES_OWN = ("store", "retention", "power", "confirm", "max_workers", "budget", "http")


def find(
    start: Path | None, explicit: Path | None, environment: Mapping[str, str], home: Path
) -> Path | None:
    """The configuration file for a caller, or None; raises when the one asked for is not there."""
    here = start or Path.cwd()
    if explicit is not None:
        return _asked(here / explicit, "the configuration asked for", home)
    if named := environment.get("AO_CONFIG_PATH"):
        return _asked(here / Path(named).expanduser(), "AO_CONFIG_PATH", home)
    if start is not None and not _is_of_a_worker(start, home):
        for folder in _upwards(main_folder(Path(os.path.abspath(start)))):
            for path in (folder / name for name in NAMES):
                if path.is_file():
                    return _owned(path)
    own = home / HOME_NAME
    return own if own.is_file() else None


def load(
    path: Path | None,
    *,
    environment: Mapping[str, str],
    root: Path | None = None,
    home: Path | None = None,
) -> Loaded:
    """Read a configuration; raises `ConfigProblems` with everything that is wrong with it.

    `root` is where a project without a path is: the file's own folder unless told otherwise.
    `home` adds the person's own `config.yaml` underneath. Reads files: call it from a thread.
    """
    own = home / HOME_NAME if home else None
    beside = own if own and own != path and own.is_file() else None
    paths = [one for one in (path, beside) if one is not None]
    layers = layers_of(paths, document.read, environment)
    return assembled(layers, path, root=root, home=home)


def assembled(
    layers: list[Layer], path: Path | None, *, root: Path | None = None, home: Path | None = None
) -> Loaded:
    """The files laid over each other; raises `ConfigProblems`."""
    own = home / HOME_NAME if home else None
    foreign = path is not None and path != own
    if foreign and path is not None:
        layers[0] = _placed(layers[0], root or path.parent)
    loaded = _merged(layers, path, foreign)
    return _checked(_with_engines_own(loaded, foreign, own) if own else loaded)


def layers_of(
    paths: Iterable[Path], read: Callable[[Path], Document], environment: Mapping[str, str]
) -> list[Layer]:
    """Each file checked on its own; raises `ConfigProblems` with what is wrong with any."""
    user = Path(environment.get("HOME") or Path.home())
    layers: list[Layer] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            layers.append(checked(read(path), environment, user))
        except ConfigProblems as exc:
            problems += exc.problems
    if problems:
        raise ConfigProblems(problems)
    return layers


def _merged(layers: list[Layer], path: Path | None, foreign: bool) -> Loaded:
    settings = own = Settings()
    for one in reversed(layers):
        settings = overlay(settings, one.settings)
        own = own if foreign and one is layers[0] else settings
    return Loaded(
        settings=settings,
        path=path,
        warnings=tuple(warning for one in layers for warning in one.warnings),
        secrets=frozenset[str]().union(*(one.secrets for one in layers)),
        layers=tuple(layers),
        source=layers[0].document if foreign else None,
        own=own,
    )


def _placed(one: Layer, root: Path) -> Layer:
    """A file in a repository that names no project, or one without a path, means this one."""
    projects = dict(one.settings.projects)
    if not projects and (root / ".git").exists():
        projects[implied_id(root)] = ProjectSettings()
    if len(projects) == 1:
        ((id, only),) = projects.items()
        if only.path is None:
            projects[id] = only.model_copy(update={"path": os.path.abspath(root)})
    settings = one.settings.model_copy(update={"projects": projects})
    return Layer(one.document, settings, one.warnings, one.secrets)


def _with_engines_own(loaded: Loaded, foreign: bool, own: Path) -> Loaded:
    """What concerns the engine and its home is the home's to say, not a repository's."""
    said = loaded.layers[0].settings.model_fields_set if foreign else frozenset[str]()
    names = [name for name in ENGINES_OWN if name in said]
    homes = [one.settings for one in loaded.layers if one.document.path == own]
    there = homes[0] if homes else Settings()
    settings = loaded.settings.model_copy(update={name: getattr(there, name) for name in names})
    where = "it has no effect here, only in the home's config.yaml"
    warnings = [loaded.problem((name,), where) for name in names]
    return replace(loaded, settings=settings, warnings=(*loaded.warnings, *warnings))


def engine_settings(home: Path, environment: Mapping[str, str]) -> Settings:
    """What the home's `config.yaml` says of the engine itself; raises `ConfigProblems`.

    The rest of it is left unread: it may need the environment of a client.
    """
    path = home / HOME_NAME
    if not path.is_file():
        return Settings()
    read = document.read(path)
    own = {*ENGINES_OWN, *map(to_camel, ENGINES_OWN)}
    data = {name: read.data[name] for name in read.data if name in own}
    return checked(replace(read, data=data), environment, home).settings


def _checked(loaded: Loaded) -> Loaded:
    problems = list(_inconsistent(loaded))
    if problems:
        raise ConfigProblems(problems)
    missing = [
        loaded.problem(("projects", id, "path"), "there is no such folder")
        for id, own in loaded.settings.projects.items()
        if not Path(own.path or "").is_dir()
    ]
    return replace(loaded, warnings=(*loaded.warnings, *missing))


def _inconsistent(loaded: Loaded) -> Iterator[Problem]:
    prefixes: dict[str, str] = {}
    for id, own in loaded.settings.projects.items():
        where = ("projects", id)
        if own.path is None:
            yield loaded.problem((*where, "path"), "it is missing")
            continue
        if (other := prefixes.setdefault(prefix_of(own), id)) != id:
            said = f"its sessions would be named as those of project {other}; set another one"
            yield loaded.problem((*where, "session_prefix"), said)
        gates = [gate.name for gate in gates_of(own.gates.checks)]
        if len(set(gates)) < len(gates):
            yield loaded.problem((*where, "gates"), "two checks have the same name")
        chosen = agent_of(loaded.settings, own, "worker")
        if chosen.name is None and chosen.settings:
            extra = next(iter(chosen.settings))
            said = f"{extra} is no setting of every agent, and no `agent` is named"
            yield loaded.problem((*where, "agent_config"), said)


def _upwards(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.parents


def _asked(path: Path, what: str, home: Path) -> Path:
    path = Path(os.path.abspath(path))
    if not path.is_file():
        raise ConfigError(f"There is no file {path}, which is {what}.", hint="Check the path.")
    if _is_of_a_worker(path, home):
        raise ConfigError(
            f"{path} is in a worker's tree, where configuration is never read from.",
            hint="Use the file in the main checkout.",
        )
    return path


def _is_of_a_worker(path: Path, home: Path) -> bool:
    try:
        inside = path.resolve().relative_to(home.resolve())
    except ValueError:
        return False
    return "worktrees" in inside.parts[1:2]


def _owned(path: Path) -> Path:
    """Refuse what another user put above the caller, such as in a shared temporary folder."""
    me = os.getuid() if hasattr(os, "getuid") else 0
    if me and path.stat().st_uid not in (0, me):
        raise ConfigError(
            f"{path} belongs to another user.", hint="To use it all the same, set AO_CONFIG_PATH."
        )
    return path
