"""Plugins are found by name, checked when they are loaded, and kept apart when they are broken."""

import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest

from ao_core.errors import BrokenPlugin, ConfigError, NotInstalled, NotTrusted
from ao_core.index import SLOTS, Entry
from ao_core.registry import Registry, absent, configure, detect
from ao_plugins import INDEX

WHOLE = """
from typing import ClassVar, Literal
from pydantic import Field, SecretStr, field_validator
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.notifier import Note, Notifier

class MineConfig(Config):
    channel: str
    retry_count: int = 3
    token: SecretStr | None = None
    mode: Literal["fast", "slow"] = "fast"

    @field_validator("channel")
    @classmethod
    def _known(cls, value: str) -> str:
        if value.startswith("bad"):
            raise ValueError(f"no channel {value}")
        return value

class Mine(Notifier[MineConfig]):
    manifest = Manifest("mine", "notifier", "Tells.", "1.0")
    config_type = MineConfig

    @classmethod
    async def detect(cls, config, environment):
        return Detection("PROGRAM" in environment, "the program is missing", "Get it.")

    async def notify(self, note: Note) -> None:
        self.told = note

class Nameless(Mine):
    manifest = Manifest("", "notifier", "Tells.", "1.0")

class Versionless(Mine):
    manifest = Manifest("mine", "notifier", "Tells.", " ")

class Speechless(Mine):
    manifest = Manifest("mine", "notifier", "", "1.0")

class Slotless(Mine):
    manifest = Manifest("mine", "", "Tells.", "1.0")

class Elsewhere(Mine):
    manifest = Manifest("mine", "tracker", "Tells.", "1.0")

class Loud(Mine):
    manifest = Manifest("Mine!", "notifier", "Tells.", "1.0")

class Bare(Notifier[Config]):
    async def notify(self, note: Note) -> None:
        self.told = note

class Half(Notifier[Config]):
    manifest = Manifest("half", "notifier", "Tells.", "1.0")

class Loose(Mine):
    config_type = dict

class Clumsy(Mine):
    @classmethod
    async def detect(cls, config, environment):
        raise RuntimeError("no luck")

something = 3
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path of modules, as if a distribution were installed there."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    invalidate_caches()
    (tmp_path / "whole_kit.py").write_text(WHOLE)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.endswith(("_kit", "_file")) or name.startswith("_ao_file_"):
            del sys.modules[name]


def install(folder: Path, *points: str, slot: str = "notifier") -> None:
    """Declare entry points as an installed distribution does."""
    info = folder / "kit-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kit\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join([f"[ao.{slot}]", *points]) + "\n")


def registry(target: str = "whole_kit:Mine", extra: str | None = None, **env: str) -> Registry:
    return Registry({"notifier": {"mine": Entry(target, extra)}}, env)


def load(folder: Path, attribute: str) -> object:
    return registry().resolve("notifier", f"whole_kit.py:{attribute}", folder, trusted=True)


def test_listing_imports_nothing(plugins: Path) -> None:
    install(plugins, "other = nowhere_kit:Other", "mine = whole_kit:Nameless")
    assert registry().names("notifier") == ["mine", "other"]
    found = {(one.name, one.source): one for one in registry().describe("notifier")}
    assert set(found) == {
        ("mine", "built-in"), ("mine", "entry point"), ("other", "entry point"),
    }  # fmt: skip
    assert found["mine", "entry point"].problem == "a built-in plugin has this name"
    assert all(one.available is None for one in found.values())
    assert not {"whole_kit", "nowhere_kit"} & set(sys.modules)


def test_a_built_in_is_imported_and_cannot_be_shadowed(plugins: Path) -> None:
    install(plugins, "mine = whole_kit:Clumsy")
    assert registry().resolve("notifier", "mine").__name__ == "Mine"


def test_a_new_integration_needs_only_an_entry_point(plugins: Path) -> None:
    install(plugins, "mine = whole_kit:Mine")
    assert Registry({}, {}).resolve("notifier", "mine").__name__ == "Mine"


def test_an_entry_point_is_called_as_its_manifest_says(plugins: Path) -> None:
    install(plugins, "yours = whole_kit:Mine")
    with pytest.raises(BrokenPlugin, match="its manifest's name is 'mine'"):
        Registry({}, {}).resolve("notifier", "yours")


def test_references_run_only_once_trusted(plugins: Path) -> None:
    for reference in ("whole_kit:Mine", "./whole_kit.py:Mine"):
        with pytest.raises(NotTrusted):
            registry().resolve("notifier", reference, plugins)
        assert "whole_kit" not in sys.modules
    for reference in ("whole_kit:Mine", "./whole_kit.py:Mine", f"{plugins}/whole_kit.py:Mine"):
        found = registry().resolve("notifier", reference, plugins, trusted=True)
        assert found.manifest.name == "mine"


def test_a_file_is_loaded_apart_and_leaves_nothing_beside_it(
    plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path, before = list(sys.path), {one.name for one in plugins.iterdir()}
    first = load(plugins, "Mine")
    assert first is load(plugins, "Mine")
    assert first.__module__.startswith("_ao_file_")
    assert "whole_kit" not in sys.modules
    assert (sys.path, {one.name for one in plugins.iterdir()}) == (path, before)
    (plugins / "whole_kit.py").write_text(WHOLE + "\n")
    assert load(plugins, "Mine") is not first


def test_ao_plugins_restricts_what_comes_from_outside(plugins: Path) -> None:
    install(plugins, "other = whole_kit:Mine", "third = whole_kit:Mine")
    some = registry(AO_PLUGINS="third, whole_kit:Mine")
    assert some.names("notifier") == ["mine", "third"]
    assert some.resolve("notifier", "whole_kit:Mine", trusted=True).__name__ == "Mine"
    with pytest.raises(ConfigError, match="There is no notifier 'other'"):
        some.resolve("notifier", "other")
    none = registry(AO_PLUGINS="")
    assert none.names("notifier") == ["mine"]
    with pytest.raises(NotTrusted, match="AO_PLUGINS"):
        none.resolve("notifier", "whole_kit:Mine", trusted=True)


def test_an_unknown_name_lists_the_known_and_what_was_meant(plugins: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        registry().resolve("notifier", "mien")
    assert caught.value.hint == "Did you mean mine? Known: mine."


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("something", "not a subclass of Notifier"),
        ("nothing", "not a subclass of Notifier"),
        ("Config", "not a subclass of Notifier"),
        ("Bare", "it has no manifest"),
        ("Nameless", "its manifest has no name"),
        ("Slotless", "its manifest has no slot"),
        ("Speechless", "its manifest has no description"),
        ("Versionless", "its manifest has no version"),
        ("Loud", "name is not lower-case"),
        ("Elsewhere", "its manifest's slot is 'tracker'"),
        ("Half", "it lacks notify"),
        ("Loose", "config_type is not a subclass of Config"),
    ],
)
def test_a_plugin_that_is_not_whole_is_refused_by_what_it_lacks(
    attribute: str, said: str, plugins: Path
) -> None:
    with pytest.raises(BrokenPlugin, match=said):
        load(plugins, attribute)


@pytest.mark.parametrize(
    "source", ["1 / 0", "def", "import sys; sys.exit(3)", "from ao_core.plugin import Nonsense"]
)
def test_a_plugin_that_cannot_be_imported_harms_no_other(source: str, plugins: Path) -> None:
    (plugins / "broken_kit.py").write_text(source)
    both = Registry(
        {"notifier": {"broken": Entry("broken_kit:Mine"), "mine": Entry("whole_kit:Mine")}}, {}
    )
    with pytest.raises(BrokenPlugin) as caught:
        both.resolve("notifier", "broken")
    assert caught.value.__cause__ is not None
    assert both.resolve("notifier", "mine").__name__ == "Mine"


def test_a_missing_library_names_the_extra_that_brings_it(plugins: Path) -> None:
    (plugins / "needy_kit.py").write_text("import some_vendor_sdk.client\n")
    with pytest.raises(NotInstalled) as caught:
        registry("needy_kit:Mine", "vendor").resolve("notifier", "mine")
    assert "some_vendor_sdk" in caught.value.message
    assert caught.value.hint == "pip install 'ao-mcp[vendor]'"


@pytest.mark.parametrize("name", ["ao_core.nothing", "needy_kit.nothing"])
def test_a_missing_module_of_its_own_or_of_ours_is_not_disguised(name: str, plugins: Path) -> None:
    (plugins / "needy_kit.py").write_text(f"import {name}\n")
    with pytest.raises(BrokenPlugin, match="ModuleNotFoundError"):
        registry("needy_kit:Mine", "vendor").resolve("notifier", "mine")
    with pytest.raises(BrokenPlugin, match="gone_kit"):
        registry("gone_kit:Mine", "vendor").resolve("notifier", "mine")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.py"):
        registry().resolve("notifier", "nothing.py:Mine", tmp_path, trusted=True)


async def test_a_survey_tells_what_is_missing_and_never_fails(plugins: Path) -> None:
    install(plugins, "clumsy = whole_kit:Clumsy", "half = whole_kit:Half", "gone = gone_kit:Mine")
    here = {one.name: one for one in await registry().survey("notifier", {"PROGRAM": "1"})}
    gone = {one.name: one for one in await registry().survey("notifier", {})}
    assert (here["mine"].available, here["mine"].problem) == (True, None)
    assert (gone["mine"].available, gone["mine"].problem) == (False, "the program is missing")
    assert {name: one.available for name, one in here.items() if name != "mine"} == {
        "clumsy": False, "half": False, "gone": False,
    }  # fmt: skip
    assert "it lacks notify" in (here["half"].problem or "")


async def test_a_failing_look_is_the_plugins_fault(plugins: Path) -> None:
    clumsy = registry().resolve("notifier", "whole_kit:Clumsy", trusted=True)
    with pytest.raises(BrokenPlugin, match="no luck"):
        await detect(clumsy, {})


def test_settings_are_checked_at_once_in_both_spellings(plugins: Path) -> None:
    mine = registry().resolve("notifier", "mine")
    config = configure(mine, {"channel": "c", "retryCount": "5"})
    assert config.model_dump(exclude={"token"}) == {
        "channel": "c", "retry_count": 5, "mode": "fast",
    }  # fmt: skip
    assert absent(mine, config) == ("token",)


def test_every_problem_of_the_settings_is_told_and_no_value(plugins: Path) -> None:
    mine = registry().resolve("notifier", "mine")
    with pytest.raises(ConfigError) as caught:
        registry().configure(
            mine, {"retryCont": 1, "mode": "slwo", "token": ["hunter2"], "channel": "bad-hunter2"}
        )
    assert caught.value.message.splitlines() == [
        "notifier mine.channel: it is not a valid value",
        "notifier mine.token: it should be a valid string",
        "notifier mine.mode: it should be 'fast' or 'slow' (did you mean 'slow'?)",
        "notifier mine.retryCont: there is no such setting (did you mean 'retryCount'?)",
    ]
    with pytest.raises(ConfigError, match=r"notifier mine\.channel: it is missing"):
        configure(mine, {})


def test_every_slot_has_a_contract_and_a_place_in_the_index() -> None:
    assert set(INDEX) == set(SLOTS)
    for slot in SLOTS:
        with pytest.raises(ConfigError, match=f"There is no {slot}"):
            Registry(INDEX, {}).resolve(slot, "nothing-like-it")
        with pytest.raises(BrokenPlugin, match=f"not a subclass of {slot.capitalize()}"):
            Registry({}, {}).resolve(slot, "ao_core.plugin:Plugin", trusted=True)


def test_a_file_may_describe_its_types_as_text(tmp_path: Path) -> None:
    (tmp_path / "late_file.py").write_text("from __future__ import annotations\n" + WHOLE)
    found = registry().resolve("notifier", "late_file.py:Mine", tmp_path, trusted=True)
    assert configure(found, {"channel": "c"}).model_dump()["channel"] == "c"


@pytest.mark.parametrize("source", ["1 / 0", "class Mine(:", "\0", "raise SystemExit"])
def test_a_file_that_cannot_be_run_is_broken_until_it_is_mended(
    source: str, tmp_path: Path
) -> None:
    path = tmp_path / "mended_file.py"
    path.write_text(source)
    before = set(sys.modules)
    with pytest.raises(BrokenPlugin):
        registry().resolve("notifier", "mended_file.py:Mine", tmp_path, trusted=True)
    assert not {name for name in set(sys.modules) - before if name.startswith("_ao_file_")}
    path.write_text(WHOLE)
    found = registry().resolve("notifier", "mended_file.py:Mine", tmp_path, trusted=True)
    assert found.manifest.name == "mine"
