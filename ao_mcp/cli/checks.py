"""What `ao doctor` looks at on the machine. Nothing here leaves anything behind."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ao_core import platform
from ao_core.errors import AoError
from ao_mcp.cli.place import Place

if TYPE_CHECKING:
    from ao_core.registry import Listing

OK, NOTE, WARN, FAIL = "ok", "note", "warn", "fail"

_PYTHON, _GIT = (3, 11), (2, 38)
_GET_GIT = "Install git 2.38 or later."
_NEEDED = ("runtime", "workspace", "tracker", "scm")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `remedy` says what to do about it."""

    name: str
    state: str
    found: str
    remedy: str | None = None


def failing(name: str, error: AoError) -> Check:
    """What stands in the way, as an error told it."""
    return Check(name, FAIL, error.message, error.hint)


def python() -> Check:
    """The interpreter we run on."""
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if sys.version_info[:2] < _PYTHON:
        return Check("python", FAIL, found, "Install ao-mcp with Python 3.11 or later.")
    return Check("python", OK, f"{found}, {sys.executable}")


async def git(place: Place) -> Check:
    """Git as the engine finds it, which has to predict merges."""
    from ao_core.process import run
    from ao_mcp.start import engine_environment

    environment = engine_environment(place.environment)
    program = shutil.which("git", path=environment["PATH"])
    if program is None:
        return Check("git", FAIL, f"not in {environment['PATH']}", _GET_GIT)
    try:
        said = (await run([program, "version"], env=environment)).text.strip()
    except AoError as error:
        return failing("git", error)
    found = re.search(r"(\d+)\.(\d+)", said)
    new_enough = found is not None and (int(found[1]), int(found[2])) >= _GIT
    return Check("git", OK, said) if new_enough else Check("git", FAIL, said, _GET_GIT)


def home(place: Place) -> list[Check]:
    """Where everything is kept, and where the sockets are."""
    runtime = platform.runtime_dir(place.home, place.environment)
    return [_folder("home", place.home, "AO_HOME"), _folder("runtime", runtime, "XDG_RUNTIME_DIR")]


def _folder(name: str, path: Path, variable: str) -> Check:
    if network := platform.is_network_file_system(path):
        found = f"{path} is on {network}, where locks cannot be trusted"
        return Check(name, FAIL, found, f"Set {variable} to a folder on a local disk.")
    there = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    try:
        # permissions do not tell of every file system that takes nothing
        tempfile.TemporaryDirectory(prefix=".ao-", dir=there).cleanup()
    except OSError as exc:
        found = f"{path} cannot be written: {there}: {exc.strerror}"
        return Check(name, FAIL, found, f"Set {variable} to a folder that is yours.")
    if there != path:
        return Check(name, OK, f"{path}, not made yet")
    try:
        platform.make_private(path)
    except AoError as error:
        return failing(name, error)
    return Check(name, OK, str(path))


async def plugins(place: Place) -> list[Check]:
    """What there is for each slot. Without one that works, nothing can be started."""
    from ao_core.index import SLOTS
    from ao_mcp.cli.plugins import survey

    every = await survey(place)
    checks: list[Check] = []
    for slot in SLOTS:
        found = [one for one in every if one.slot == slot]
        if slot == "agent":
            checks += agents(found)
            continue
        usable = [one.name for one in found if one.available]
        names = ", ".join(usable)
        lacking = "; ".join(f"{one.name}: {one.problem}" for one in found if not one.available)
        served = platform.default_runtime() in usable if slot == "runtime" else bool(usable)
        state = OK if served else FAIL if slot in _NEEDED else NOTE
        told = "; ".join(filter(None, [names, lacking and f"not usable: {lacking}"]))
        remedy = "Install what it needs, or choose another one." if lacking else None
        checks.append(Check(slot, state, told or "none", remedy))
    return checks


def agents(every: "Sequence[Listing]") -> list[Check]:
    """What workers may run as, and what is wrong with what is there, or could be added to it."""
    here = [one for one in every if one.available]
    own = [one for one in here if one.name != "command"]
    checks = [Check("agent", OK, ", ".join(one.name for one in here))]
    if not own:
        remedy = "Install one, or have agent `command` run any command line."
        checks = [Check("agent", WARN, "none of the known ones is on PATH", remedy)]
    told = [(one, NOTE, one.detail) for one in own if one.hint]
    told += [(one, WARN, one.problem) for one in every if not one.available and not one.absent]
    return checks + [
        Check(f"agent {one.name}", how, said or "", one.hint) for one, how, said in told
    ]


def isolation() -> Check:
    """What keeps workers apart, and what does not."""
    found = (
        "work trees and terminals keep honest agents apart, not hostile ones:"
        " each has your user's powers; only a container or another user stops it"
    )
    return Check("isolation", NOTE, found)
