"""The rules every built-in plugin obeys, whoever writes it."""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from keyword import iskeyword
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

import ao_plugins
from ao_core.config.secret import is_secret_name
from ao_core.index import SLOTS, Slot
from ao_core.plugin import Config, Manifest
from ao_core.registry import PluginType, Registry

FOLDER = Path(ao_plugins.__file__).parent
EVERY = [(slot, name) for slot in SLOTS for name in ao_plugins.INDEX[slot]]
LONGEST = 250
HEAVY = {"anyio", "asyncio", "httpx", "libtmux", "mcp", "psutil", "pydantic", "yaml"}

every_plugin = pytest.mark.parametrize(("slot", "name"), EVERY, ids=[f"{s}-{n}" for s, n in EVERY])


def module_of(name: str) -> str:
    return f"{name}_cli" if iskeyword(name) else name.replace("-", "_")


def plugin(slot: Slot, name: str) -> PluginType:
    return Registry(ao_plugins.INDEX, {}).resolve(slot, name)


def source(slot: Slot, name: str) -> Path:
    return FOLDER / slot / f"{module_of(name)}.py"


def test_the_index_and_the_files_agree() -> None:
    files = {
        (path.parent.name, path.stem)
        for slot in SLOTS
        for path in (FOLDER / slot).glob("*.py")
        if not path.name.startswith("_")
    }
    assert files == {(slot, module_of(name)) for slot, name in EVERY}


def test_every_slot_has_its_place_in_order() -> None:
    assert tuple(ao_plugins.INDEX) == SLOTS
    for slot in SLOTS:
        assert list(ao_plugins.INDEX[slot]) == sorted(ao_plugins.INDEX[slot])


def test_listing_all_plugins_imports_none_and_nothing_heavy() -> None:
    code = (
        "import sys, ao_plugins\n"
        "names = [name for slot in ao_plugins.INDEX.values() for name in slot]\n"
        "print(len(names), *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    number, *modules = done.stdout.split()
    assert int(number) == len(EVERY)
    assert {module.partition(".")[0] for module in modules} & HEAVY == set()
    assert [module for module in modules if module.startswith("ao_plugins.")] == []


@every_plugin
def test_it_is_where_the_index_says(slot: Slot, name: str) -> None:
    found = plugin(slot, name)
    module = f"ao_plugins.{slot}.{module_of(name)}"
    assert ao_plugins.INDEX[slot][name].target == f"{module}:{found.__name__}"
    assert found.__module__ == module


@every_plugin
def test_its_manifest_is_whole_and_true(slot: Slot, name: str) -> None:
    manifest = plugin(slot, name).manifest
    assert isinstance(manifest, Manifest)
    assert (manifest.slot, manifest.name) == (slot, name)
    assert 10 <= len(manifest.description) <= 100
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest.version)


@every_plugin
def test_its_settings_are_a_model_of_its_own(slot: Slot, name: str) -> None:
    found = plugin(slot, name)
    assert issubclass(found.config_type, Config)
    assert found.config_type is not Config
    beside = f"ao_plugins._{name.replace('-', '_')}"  # where the plugin's file would be too long
    assert found.config_type.__module__ in (found.__module__, beside)
    assert found.config_type.__name__.endswith("Config")
    rules = found.config_type.model_config
    assert (rules.get("extra"), rules.get("frozen")) == ("forbid", True)


@every_plugin
def test_its_page_is_named_at_the_top(slot: Slot, name: str) -> None:
    told = sys.modules[plugin(slot, name).__module__].__doc__ or ""
    assert told.partition("\n")[0].strip()
    assert re.search(r"https://\S+", told)


@every_plugin
def test_it_is_short(slot: Slot, name: str) -> None:
    assert len(source(slot, name).read_text().splitlines()) <= LONGEST


@every_plugin
def test_its_class_is_explained_in_one_line(slot: Slot, name: str) -> None:
    found = plugin(slot, name)
    for kind in (found, found.config_type):
        assert kind.__doc__
        assert len(inspect.cleandoc(kind.__doc__).splitlines()) == 1


@every_plugin
def test_it_is_whole(slot: Slot, name: str) -> None:
    assert not inspect.isabstract(plugin(slot, name))


@every_plugin
def test_its_secrets_cannot_be_printed(slot: Slot, name: str) -> None:
    model = plugin(slot, name).config_type
    secret = {key: info for key, info in model.model_fields.items() if is_secret_name(key)}
    assert [key for key, info in secret.items() if SecretStr not in kinds(info)] == []


def kinds(info: FieldInfo) -> set[object]:
    """Every type in an annotation."""

    def inside(annotation: Any) -> Iterator[object]:
        yield annotation
        for inner in get_args(annotation):
            yield from inside(inner)

    return set(inside(info.annotation))
