"""What docs/clients.md and server.json tell the world is what is so."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ao_mcp.clients.edit import Place
from ao_mcp.clients.known import CLIENTS
from ao_mcp.clients.launch import Launch
from clients import table
from clients.known import KNOWN

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
SERVER: dict[str, Any] = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## )", TEXT, re.S | re.M)
    assert found, title
    return found[1]


@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_has_its_command_and_what_it_writes(name: str) -> None:
    client = CLIENTS[name]
    told = section(client.title)
    assert f"```sh\nao install --client {name}\n```" in told
    (written,) = re.findall(r"^```(?:json|toml|yaml)\n(.*?)^```", told, re.S | re.M)
    launch = Launch("ao-mcp" if client.shell else "/usr/local/bin/ao-mcp")
    assert Place(client.kind, client.keys, "ao").entry(written) == client.build(launch)
    assert (client.project is not None) == ("--scope project" in told)
    assert client.project is None or f"`{client.project}`" in told


def test_the_table_of_the_real_clients_is_the_one_that_is_made() -> None:
    headings, *found = table.rows(TEXT)
    assert tuple(headings) == table.HEADINGS
    assert [cells[:2] for cells in found] == [[one.title, one.version] for one in KNOWN.values()]
    for cells in found:
        assert len(cells) == len(headings)
        assert all(re.match(r"pass$|fail: |not run: ", cell) for cell in cells[3:]), cells


def test_the_table_is_put_between_its_marks_and_nowhere_else() -> None:
    row = table.Row(next(iter(KNOWN.values())), dict.fromkeys(table.COLUMNS, "fail: a | b\nc"))
    again = table.put(TEXT, table.markdown([row]))
    assert [cells[-1] for cells in table.rows(again)] == [table.HEADINGS[-1], "fail: a / b c"]
    assert table.put(again, table.markdown([row])) == again
    assert again.split(table.BEGIN)[0] == TEXT.split(table.BEGIN)[0]
    assert again.split(table.END)[1] == TEXT.split(table.END)[1]


def test_the_registry_is_told_the_version_of_the_package() -> None:
    project = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert project
    (package,) = SERVER["packages"]
    assert SERVER["version"] == package["version"] == project[1]
    assert (package["identifier"], package["transport"]) == ("ao-mcp", {"type": "stdio"})


def test_the_registry_finds_its_name_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^<!-- mcp-name: (\S+) -->$", readme, re.M) == [SERVER["name"]]
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", SERVER["name"])
    assert 1 <= len(SERVER["description"]) <= 100
    assert SERVER["$schema"].endswith("/2025-12-11/server.schema.json")
