"""Finds a plugin by slot and name, importing only that one.

A name is looked for in three places: the built-in index, then as a reference that was written out
(`package.module:Class`, `./file.py:Class`), then the entry points `ao.<slot>` of what is installed.
A built-in cannot be replaced by an entry point; to replace one, write the reference out. References
run code that a configuration names, so they need a person's trust. `AO_PLUGINS`, where it is set,
lists the only entry points and references that may be loaded; empty, it allows none.

Whatever is wrong with one plugin is an error of its own and touches no other.
"""

import inspect
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, cast

import anyio
from pydantic import ValidationError

from ao_core.config.check import faults, field_called
from ao_core.config.problem import ConfigProblems, nearest, problem
from ao_core.errors import AoError, BrokenPlugin, ConfigError, NotInstalled, NotTrusted
from ao_core.index import SLOTS, Entry, Index, Slot
from ao_core.plugin import Config, Detection, Manifest, Plugin, Scope
from ao_core.plugin_file import load_file
from ao_core.redact import scrub, visible

PluginType: TypeAlias = type[Plugin[Any]]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_OURS = {"ao_core", "ao_plugins", "ao_mcp", "ao_prompts"}
_SHOWN = 80
_DETECT_DEADLINE = 30.0
_SAID_LIMIT = 300
_AUTHOR = "Its own log or author can say more."


@dataclass(frozen=True, slots=True)
class Listing:
    """One plugin as lists show it. `available` is None while nobody has looked."""

    slot: Slot
    name: str
    source: str
    available: bool | None = None
    problem: str | None = None
    detail: str | None = None
    hint: str | None = None
    absent: bool = False


class Registry:
    """Resolves names to plugin classes."""

    def __init__(self, index: Index, environment: Mapping[str, str] | None = None) -> None:
        self._index = index
        allowed = (os.environ if environment is None else environment).get("AO_PLUGINS")
        self._allowed = None if allowed is None else {one.strip() for one in allowed.split(",")}

    def names(self, slot: Slot) -> list[str]:
        """Every name that may be written for `slot`. Imports none of them."""
        found = {point.name for point in self._points(slot) if self._may_load(point.name)}
        return sorted(found | self._built_in(slot).keys())

    def describe(self, slot: Slot) -> tuple[Listing, ...]:
        """What there is for `slot`, and what of it cannot be used. Imports none of it."""
        listed = [Listing(slot, name, "built-in") for name in self._built_in(slot)]
        listed += [
            Listing(slot, point.name, "entry point", None, self._objection(slot, point.name))
            for point in self._points(slot)
        ]
        return tuple(sorted(listed, key=lambda one: (one.name, one.source)))

    async def survey(self, slot: Slot, environment: Mapping[str, str]) -> tuple[Listing, ...]:
        """Load and look at each: whether it is whole, and whether what it needs is there."""
        found = list(self.describe(slot))
        async with anyio.create_task_group() as tasks:
            for number, one in enumerate(found):
                tasks.start_soon(self._look_at, found, number, one, environment)
        return tuple(found)

    async def _look_at(
        self, found: list[Listing], number: int, one: Listing, environment: Mapping[str, str]
    ) -> None:
        found[number] = await self._looked_at(one, environment)

    async def everything(
        self, own: Mapping[str, str], caller: Mapping[str, str]
    ) -> tuple[Listing, ...]:
        """Agents are looked for as the caller has them, all else as the engine itself has it."""
        seen = {slot: {**own, **caller} if slot == "agent" else own for slot in SLOTS}
        return tuple([one for slot in SLOTS for one in await self.survey(slot, seen[slot])])

    def resolve(
        self, slot: Slot, ref: str, root: Path | None = None, trusted: bool = False
    ) -> PluginType:
        """Import and return one plugin class. Relative files are read from `root`."""
        if slot not in SLOTS:
            raise ConfigError(f"There is no slot {ascii(slot)[:_SHOWN]}.", hint=_known(SLOTS))
        entry = self._built_in(slot).get(ref)
        if entry is not None:
            return _named(slot, ref, _import(slot, ref, entry))
        if ":" in ref:
            return self._referred(slot, ref, root or Path(), trusted)
        for point in self._points(slot):
            if point.name == ref and self._may_load(ref):
                return _named(slot, ref, _import(slot, ref, Entry(point.value)))
        raise self._unknown(slot, ref)

    def configure(self, plugin: PluginType, settings: Mapping[str, object]) -> Config:
        """Check a plugin's settings; raises `ConfigError` with every problem and no value."""
        return configure(plugin, settings)

    def _referred(self, slot: Slot, ref: str, root: Path, trusted: bool) -> PluginType:
        if not self._may_load(ref):
            raise NotTrusted(
                f"AO_PLUGINS does not allow {visible(ref, _SHOWN)}.", hint="Add it to AO_PLUGINS."
            )
        if not trusted:
            raise NotTrusted(
                f"The {slot} {visible(ref, _SHOWN)} is code that nobody has trusted.",
                hint="A person has to read it and run `ao trust <project>`.",
            )
        file, _, attribute = ref.rpartition(":")
        if file.endswith(".py"):
            with_path = (root / Path(file).expanduser()).absolute()
            return _whole(slot, ref, _guarded(slot, ref, lambda: load_file(with_path, attribute)))
        return _whole(slot, ref, _import(slot, ref, Entry(ref)))

    async def _looked_at(self, one: Listing, environment: Mapping[str, str]) -> Listing:
        if one.problem:
            return one
        try:
            found = await detect(self.resolve(one.slot, one.name), environment)
        except AoError as exc:
            return Listing(one.slot, one.name, one.source, False, exc.message)
        said = visible(scrub(found.detail), _SAID_LIMIT) or None
        one = replace(one, available=found.found, hint=found.hint, absent=found.absent)
        return replace(one, detail=said) if found.found else replace(one, problem=said)

    def _built_in(self, slot: Slot) -> Mapping[str, Entry]:
        return self._index.get(slot, {})

    def _points(self, slot: Slot) -> Iterator[EntryPoint]:
        yield from entry_points(group=f"ao.{slot}")

    def _may_load(self, name: str) -> bool:
        return self._allowed is None or name in self._allowed

    def _objection(self, slot: Slot, name: str) -> str | None:
        if name in self._built_in(slot):
            return "a built-in plugin has this name"
        return None if self._may_load(name) else "AO_PLUGINS does not list it"

    def _unknown(self, slot: Slot, ref: str) -> ConfigError:
        names = self.names(slot)
        meant = nearest(ref, names)
        hint = f"Did you mean {meant}? {_known(names)}" if meant else _known(names)
        return ConfigError(f"There is no {slot} {ascii(ref)[:_SHOWN]}.", hint=hint)


async def detect(
    plugin: PluginType, environment: Mapping[str, str], config: Config | None = None
) -> Detection:
    """Whether what a plugin needs is there, with its settings as they are unless configured."""
    given = plugin.config_type.model_construct() if config is None else config
    try:
        with anyio.fail_after(_DETECT_DEADLINE):
            return await plugin.detect(given, environment)
    except AoError:
        raise
    except Exception as exc:
        raise BrokenPlugin(f"{plugin.__name__}: looking for it failed ({_kind(exc)})") from exc


async def opened(
    stack: AsyncExitStack, plugin: PluginType, config: Config, scope: Scope
) -> Plugin[Any]:
    """A plugin, open for as long as the stack lasts; what breaks in it is `BrokenPlugin`."""
    try:
        return await stack.enter_async_context(plugin(config, scope))
    except AoError:
        raise
    except Exception as exc:
        raise broken(plugin, "opening it", exc) from exc


def broken(plugin: Plugin[Any] | PluginType, doing: str, exc: Exception) -> BrokenPlugin:
    """What a plugin's own exception is told as."""
    manifest = plugin.manifest
    said = f"The {manifest.slot} {manifest.name} is broken: {doing} failed ({_kind(exc)})"
    return BrokenPlugin(said, hint=_AUTHOR)


def configure(plugin: PluginType, settings: Mapping[str, object]) -> Config:
    """Check a plugin's settings; raises `ConfigError` with every problem and no value."""
    model = plugin.config_type
    given = {field_called(model, name) or name: value for name, value in settings.items()}
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        found = faults(exc, model)
    manifest = plugin.manifest
    said = [
        problem(
            None, None, (f"{manifest.slot} {manifest.name}", *one.where), one.message, one.meant
        )
        for one in found
    ]
    raise ConfigProblems(said) from None


def absent(plugin: PluginType, config: Config) -> tuple[str, ...]:
    """Optional settings that were left out: what the plugin could do more of with them."""
    fields = plugin.config_type.model_fields
    return tuple(
        name
        for name, info in fields.items()
        if name not in config.model_fields_set and not info.is_required() and info.default is None
    )


def _import(slot: Slot, name: str, entry: Entry) -> object:
    module, _, attribute = entry.target.partition(":")
    try:
        return _guarded(slot, name, lambda: getattr(import_module(module), attribute, None))
    except BrokenPlugin as exc:
        cause = exc.__cause__
        if isinstance(cause, ModuleNotFoundError) and not _is_own(cause.name, module):
            hint = f"pip install 'ao-mcp[{entry.extra}]'" if entry.extra else None
            raise NotInstalled(
                f"The {slot} {visible(name, _SHOWN)} needs {cause.name}, which is not installed.",
                hint=hint or f"Install what provides the Python module {cause.name}.",
            ) from cause
        raise


def _guarded(slot: Slot, name: str, load: Any) -> object:  # noqa: ANN401 - any plugin's own code
    try:
        return load()
    except AoError:
        raise
    except (Exception, SystemExit) as exc:
        said = f"The {slot} {visible(name, _SHOWN)} cannot be loaded: {_kind(exc)}"
        raise BrokenPlugin(said, hint=_AUTHOR) from exc


def _is_own(missing: str | None, module: str) -> bool:
    """Whether what is missing is the plugin's own code, or ours, rather than what it needs."""
    top = (missing or "").partition(".")[0]
    return not top or top in _OURS or top == module.partition(".")[0]


def _kind(exc: BaseException) -> str:
    where = f", line {exc.lineno}" if isinstance(exc, SyntaxError) else ""
    return f"{type(exc).__name__}{where}: {visible(scrub(str(exc)), _SAID_LIMIT)}"


def _named(slot: Slot, name: str, found: object) -> PluginType:
    plugin = _whole(slot, name, found)
    if plugin.manifest.name != name:
        raise _broken(slot, name, f"its manifest's name is {plugin.manifest.name!r}")
    return plugin


def _whole(slot: Slot, name: str, found: object) -> PluginType:
    """Refuse what is not a complete plugin for the slot, saying what is missing."""
    if not _is_plugin(found, _contract(slot)):
        raise _broken(slot, name, f"it is not a subclass of {_contract(slot).__name__}")
    fault = _manifest_fault(slot, getattr(found, "manifest", None))
    if fault:
        raise _broken(slot, name, fault)
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise _broken(slot, name, f"it lacks {missing}")
    config_type = cast("object", found.config_type)
    if not (isinstance(config_type, type) and issubclass(config_type, Config)):
        raise _broken(slot, name, "its config_type is not a subclass of Config")
    return found


def _manifest_fault(slot: Slot, manifest: object) -> str | None:
    if not isinstance(manifest, Manifest):
        return "it has no manifest"
    for name in ("name", "slot", "description", "version"):
        value: object = getattr(manifest, name)
        if not isinstance(value, str) or not value.strip():
            return f"its manifest has no {name}"
    if not _NAME.fullmatch(manifest.name):
        return "its manifest's name is not lower-case letters, digits, `-` and `_`"
    return None if manifest.slot == slot else f"its manifest's slot is {manifest.slot!r}"


def _is_plugin(found: object, contract: type[Plugin[Any]]) -> TypeGuard[PluginType]:
    return isinstance(found, type) and issubclass(found, contract)


def _contract(slot: Slot) -> PluginType:
    return getattr(import_module(f"ao_core.slots.{slot}"), slot.capitalize())


def _broken(slot: Slot, name: str, what: str) -> BrokenPlugin:
    return BrokenPlugin(f"The {slot} {visible(name, _SHOWN)} cannot be used: {what}.")


def _known(names: Any) -> str:  # noqa: ANN401 - any collection of names
    return f"Known: {', '.join(names) or 'none'}."
