"""What the registry is told of the package holds to the registry's schema, as far as it is used.

The rules are those of 2025-12-11, for the fields that we have; one more field needs its rule here.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from ao_mcp import __version__

ROOT = Path(__file__).parents[2]
SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
SERVER: dict[str, Any] = json.loads((ROOT / "server.json").read_text())
(PACKAGE,) = SERVER["packages"]


def test_it_names_the_schema_whose_rules_are_here_and_no_field_without_one() -> None:
    assert SERVER["$schema"] == SCHEMA
    assert SERVER.keys() == {"$schema", "name", "title", "description", "version", "packages"}
    known = {"registryType", "identifier", "version", "runtimeHint", "transport"}
    assert PACKAGE.keys() == known | {"environmentVariables"}


def test_its_name_title_and_description_have_the_form_that_is_wanted() -> None:
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", SERVER["name"])
    assert 3 <= len(SERVER["name"]) <= 200
    for name in ("title", "description"):
        assert 1 <= len(SERVER[name]) <= 100


def test_it_names_this_version_of_this_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SERVER["version"] == PACKAGE["version"] == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", PACKAGE["version"]), "a range is refused"
    assert (PACKAGE["registryType"], PACKAGE["identifier"]) == ("pypi", project["name"])
    assert (PACKAGE["runtimeHint"], PACKAGE["transport"]) == ("uvx", {"type": "stdio"})
    assert PACKAGE["identifier"] in project["scripts"], "which `uvx` starts by that name"


def test_the_readme_says_whose_package_it_is() -> None:
    assert f"mcp-name: {SERVER['name']}" in (ROOT / "README.md").read_text()


def test_its_variables_are_such_as_clients_can_ask_for() -> None:
    for one in PACKAGE["environmentVariables"]:
        assert one.keys() == {"name", "description", "format"}
        assert re.fullmatch(r"AO_[A-Z_]+", one["name"])
        assert one["format"] in ("string", "number", "boolean", "filepath")
