"""The house rules, as tests: sizes, names, forbidden calls, paths, links and light imports."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("ao_mcp", "core", "plugins", "prompts")
LINES = {"ao_mcp": 400, "core": 400, "prompts": 400, "plugins": 250, "tests": 600}
VAGUE = {"utils", "util", "helpers", "helper", "misc", "common", "manager", "base"}

SHELLS = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
}
CHILDREN = {
    "anyio.open_process",
    "anyio.run_process",
    "asyncio.create_subprocess_exec",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.run",
}
PLATFORM_CHECKS = {"os.name", "os.uname", "platform.system", "platform.uname", "sys.platform"}
MACHINE_PATH = re.compile(r"(?<![\w.~$}<>*-])/(?:work|root|home/\w+|Users/\w+)/")

RELAY_MAY_LOAD = {
    "ao_core.errors": "core/ao_core/errors.py",
    "ao_core.ids": "core/ao_core/ids.py",
    "ao_core.index": "core/ao_core/index.py",
    "ao_core.platform": "core/ao_core/platform/__init__.py",
    "ao_core.host": "core/ao_core/host.py",
    "ao_mcp.__main__": "ao_mcp/__main__.py",
}


def python_files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` for an attribute chain, nothing for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return None


def imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, so that an alias hides nothing."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
    return names


def mentions(path: Path) -> Iterator[tuple[str, int]]:
    """Every dotted name the file uses, by its full name, with its line."""
    tree = syntax(path)
    known = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and (name := dotted(node)):
            head, dot, rest = name.partition(".")
            yield known.get(head, head) + dot + rest, node.lineno


def uses(forbidden: set[str], *rooms: str, allowed: tuple[str, ...] = ()) -> list[str]:
    return sorted(
        {
            f"{where(path)}:{line} {name}"
            for path in python_files(*rooms)
            if not where(path).startswith(allowed or ("\0",))
            for name, line in mentions(path)
            if name in forbidden
        }
    )


def tree_files() -> list[Path]:
    """Everything that is, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


@pytest.mark.parametrize(("room", "limit"), LINES.items())
def test_no_file_outgrows_its_room(room: str, limit: int) -> None:
    sizes = {path: path.read_bytes().count(b"\n") for path in python_files(room)}
    assert [f"{where(path)}: {size}" for path, size in sizes.items() if size > limit] == []


def test_every_file_name_says_what_is_in_it() -> None:
    files = python_files(*PRODUCT, "tests")
    assert [where(path) for path in files if path.stem.strip("_") in VAGUE] == []


def test_the_product_never_starts_a_shell() -> None:
    shells = [
        f"{where(path)}:{node.value.lineno}"
        for path in python_files(*PRODUCT)
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.keyword) and node.arg == "shell"
        if not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert shells + uses(SHELLS, *PRODUCT) == []


def test_the_product_never_sleeps_on_a_thread() -> None:
    assert uses({"time.sleep"}, *PRODUCT) == []


def test_plugins_start_children_through_the_core_only() -> None:
    # these are programs of their own; what they start is not started by the engine
    worker = "plugins/ao_plugins/agent/_worker/deeds.py"
    by_turns = "plugins/ao_plugins/_by_turns/child.py"
    assert uses(CHILDREN, "plugins", allowed=(worker, by_turns)) == []


def test_only_the_platform_module_asks_what_the_platform_is() -> None:
    found = uses(PLATFORM_CHECKS, *PRODUCT, allowed=("core/ao_core/platform/",))
    assert found == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import os\nos.system('x')", "os.system"),
        ("import time as t\nt.sleep(1)", "time.sleep"),
        ("from time import sleep\nsleep(1)", "time.sleep"),
        ("from sys import platform as p\np == 'x'", "sys.platform"),
    ],
)
def test_the_rules_see_through_aliases(source: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(source)
    assert name in {found for found, _ in mentions(path)}


def test_a_module_of_ours_is_not_mistaken_for_its_namesake(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text("from ao_core import platform\nplatform.system()")
    assert "platform.system" not in {found for found, _ in mentions(path)}


def test_the_tree_names_no_path_of_anybodys_machine() -> None:
    found = [
        f"{where(path)}: {match.group()}"
        for path in tree_files()
        for match in MACHINE_PATH.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "name", [n for n, path in RELAY_MAY_LOAD.items() if (ROOT / path).exists()]
)
def test_what_the_relay_imports_is_standard_library(name: str) -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        f"import {name}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    quiet = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    result = subprocess.run(
        [sys.executable, "-I", "-c", code], env=quiet, capture_output=True, text=True, check=True
    )
    allowed = sys.stdlib_module_names | {"ao_core", "ao_mcp"}
    assert name in result.stdout.split()
    assert [m for m in result.stdout.split() if m.partition(".")[0] not in allowed] == []


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def prose(path: Path) -> str:
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+\s+(.+?)\s*$", prose(path), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{where(path)}: {link}"


def test_every_link_in_the_documents_resolves() -> None:
    assert [link for path in documents() for link in broken_links(path)] == []


def test_the_example_says_the_same_to_every_client() -> None:
    example = json.loads((ROOT / "mcp.json.example").read_text(encoding="utf-8"))
    assert example.keys() == {"mcpServers", "servers"}
    others = example["mcpServers"]["ao"]
    assert others.pop("tools") == ["*"]
    assert example == {"mcpServers": {"ao": others}, "servers": {"ao": others}}
    assert others == {"type": "stdio", "command": "ao-mcp", "args": []}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def normal(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def requirements() -> set[str]:
    extras = project().get("optional-dependencies", {}).values()
    return {normal(r) for group in (project()["dependencies"], *extras) for r in group}


def test_every_dependency_is_pinned_by_name_and_version() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[\w.+!]+", pin)] == []
    assert requirements() - {normal(pin) for pin in pins} == set()


def test_every_dependency_has_its_reason_in_the_documents() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    explained = {normal(name) for name in re.findall(r"^\| `([^`]+)` \|", text, flags=re.M)}
    assert requirements() ^ explained == set()
