"""Whether an agent's program is there, which version it is, and where it keeps its own things."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import anyio

from ao_core.errors import AoError
from ao_core.files import write_atomic
from ao_core.plugin import Detection
from ao_core.process import run

_VERSION = re.compile(r"\d+(?:\.\d+)+")
_DEADLINE = 10.0
PLACES = "places.json"


async def detected(
    program: str, environment: Mapping[str, str], hint: str, least: str = "", package: str = ""
) -> Detection:
    """Whether a program is on that PATH, and new enough; one of npm's `package` is not run."""
    path = environment.get("PATH", "")
    found = await anyio.to_thread.run_sync(lambda: shutil.which(program, path=path))
    if found is None:
        return Detection(False, f"{program} is not on PATH", hint, absent=True)
    if not least:
        return Detection(True, found)
    if package:
        version = await anyio.to_thread.run_sync(_packaged, found, package)
    else:
        version = await _version(found, environment)
    if version and _numbers(version) < _numbers(least):
        return Detection(False, f"{found} is version {version}; {least} is needed", hint)
    return Detection(True, f"{found}, version {version}" if version else found)


def with_adapter(found: Detection, program: str, path: str, hint: str) -> Detection:
    """Found, and told how to have what drives it by protocol, where that is not there."""
    if not found.found or shutil.which(program, path=path):
        return found
    return replace(found, hint=hint)


async def _version(program: str, environment: Mapping[str, str]) -> str:
    """What it says of itself; one that cannot be asked is not called too old."""
    kept = {name: environment[name] for name in ("PATH", "HOME") if name in environment}
    try:
        done = await run([program, "--version"], env=kept, deadline=_DEADLINE)
    except AoError:
        return ""
    found = _VERSION.search(done.text)
    return found[0] if found else ""


def _packaged(program: str, package: str) -> str:
    """The version that the package says it is of; nothing where it came in another way."""
    for folder in Path(program).resolve().parents:
        told = _object(folder / "package.json")
        if told.get("name") == package:
            return str(told.get("version", ""))
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in version.split(".")[:4])


def remember(folder: Path, places: Mapping[str, str]) -> None:
    """Keep where an agent has its own things: who looks at it later has not its environment."""
    write_atomic(folder / PLACES, json.dumps(places) + "\n")


def remembered(folder: Path) -> Mapping[str, str]:
    """Where they were; nothing where it was never started."""
    places = _object(folder / PLACES)
    return {name: value for name, value in places.items() if isinstance(value, str)}


def _object(file: Path) -> dict[str, object]:
    try:
        loaded: object = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", loaded) if isinstance(loaded, dict) else {}
