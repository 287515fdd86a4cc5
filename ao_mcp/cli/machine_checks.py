"""What `ao doctor` tells of the machine: what the home takes up, and whether it is kept awake."""

import os
import shutil
from collections import Counter
from typing import cast

from ao_core import platform
from ao_core.errors import AoError
from ao_core.gh_use import commands
from ao_mcp.cli.checks import NOTE, OK, Check
from ao_mcp.cli.place import CALL_DEADLINE, Place
from ao_mcp.usage import Usage, shown

_MOST = 5  # workers that are named


def disk(place: Place, used: Usage) -> Check:
    """What grows, and how far it has grown."""
    kinds = [f"{kind} {shown(size)}" for kind, size in used.kinds.items() if size]
    more = "" if used.whole else "more than "
    found = f"the home takes up {more}{shown(used.total)}"
    if kinds:
        found += f": {', '.join(kinds)}"
    if saved := _snapshots(place):
        found += f"; snapshots of work kept in git: {saved}"
    return Check("disk", OK, found)


def _snapshots(place: Place) -> int:
    """How many; the engine knows, if one runs."""
    try:
        connection = place.connect_running()
        if connection is None:
            return 0
        with connection:
            return int(connection.call("about", {}, CALL_DEADLINE).get("snapshots", 0))
    except AoError:
        return 0


def github(place: Place) -> list[Check]:
    """What live workers ask GitHub, out of the same hourly budget as the engine."""
    try:
        connection = place.connect_running()
        if connection is None:
            return []
        with connection:
            told = connection.call("about", {}, CALL_DEADLINE).get("asked_github", {})
    except AoError:  # which the check of the engine tells
        return []
    asked = Counter(cast("dict[str, int]", told))
    if not asked:
        return []
    most = ", ".join(f"{session} {count}" for session, count in asked.most_common(_MOST))
    return [Check("github", OK, f"workers' gh has run {commands(asked.total())}: {most}")]


async def sleep(place: Place) -> Check:
    """Whether the machine stays awake while agents work."""
    from ao_core.config.load import engine_settings

    try:
        wanted = engine_settings(place.home, place.environment).power.prevent_idle_sleep
    except AoError as error:
        return Check("sleep", NOTE, error.message, error.hint)
    if not wanted:
        return Check("sleep", OK, "may come while agents work, as config.yaml has it")
    lacking = await _lacking()
    if lacking is None:
        return Check("sleep", OK, "is held off while agents work")
    return Check("sleep", NOTE, f"may come while agents work: {lacking}")


async def _lacking() -> str | None:
    """Why there is no way here; asks the system's own tool, and holds nothing off."""
    from ao_core.process import run
    from ao_mcp.start import engine_environment

    commands = platform.inhibitors(platform.system(), os.getpid())
    if not commands:
        return "this system has no way that is known"
    program, environment = commands[0][0], engine_environment({})
    if shutil.which(program, path=environment["PATH"]) is None:
        return f"{program} is not installed"
    if program != "systemd-inhibit":
        return None
    try:
        (await run([program, "--list"], env=environment, deadline=5.0)).check("asking")
    except AoError as error:
        return error.message
    return None
