"""The folder OpenHands has its things in, one for each session: the user's own, by links, save for
the conversations; and a `tmux` that it does not find, for else its shell would outlive it there.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ao_core.drive.loose import mapping
from ao_core.files import write_atomic

_SETTINGS, _TOOLS, CONVERSATIONS = "agent_settings.json", "mcp.json", "conversations"
_KEPT = ("AO_TOKEN", "AO_SOCKET", "AO_SPOOL")  # what a server that it starts is not given else
_SHY = """\
#!/bin/sh
# Not there for OpenHands itself, which then has its shell as a child; for all others as ever.
parent() { tr '\\0' ' ' <"/proc/$PPID/cmdline" || ps -o command= -p "$PPID"; }
if [ "$*" = -V ] && parent 2>/dev/null | grep -q openhands; then exit 1; fi
exec {tmux} "$@"
"""


def home_of(environment: Mapping[str, str]) -> Path:
    """The user's own."""
    given = environment.get("OPENHANDS_PERSISTENCE_DIR")
    return Path(given) if given else Path(environment.get("HOME", "~")) / ".openhands"


def is_set_up(environment: Mapping[str, str], model: str | None) -> bool:
    """Whether it was told of a model; else it would ask, and put the answer where it is lost."""
    granted = environment.get("LLM_API_KEY") and (model or environment.get("LLM_MODEL"))
    return bool(granted) or (home_of(environment) / _SETTINGS).exists()


def furnished(folder: Path, environment: Mapping[str, str], face: tuple[str, ...]) -> None:
    """Make it, or make it anew: what the user has, and the worker's tools."""
    (folder / CONVERSATIONS).mkdir(parents=True, exist_ok=True, mode=0o700)
    user = home_of(environment)
    for path in user.iterdir() if user.is_dir() else ():
        link = folder / path.name
        if path.name not in (_TOOLS, CONVERSATIONS) and not _is_its_own(link):
            link.unlink(missing_ok=True)
            os.symlink(path.absolute(), link)
    if face:
        _offer(folder / _TOOLS, user / _TOOLS, environment, face)


def shy(folder: Path, environment: Mapping[str, str]) -> None:
    """Put that `tmux` there, where there is one at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = shutil.which("tmux", path=environment.get("PATH", ""))
    if found and not Path(found).is_relative_to(folder):
        write_atomic(folder / "tmux", _SHY.replace("{tmux}", found), 0o700)


def _is_its_own(path: Path) -> bool:
    return path.exists() and not path.is_symlink()


def _offer(file: Path, theirs: Path, environment: Mapping[str, str], face: tuple[str, ...]) -> None:
    known = {name: environment[name] for name in _KEPT if name in environment}
    ours = {"command": face[0], "args": list(face[1:]), "env": known}
    try:
        told = mapping(json.loads(theirs.read_bytes()))
    except (OSError, ValueError):
        told = {}
    servers = {**mapping(told.get("mcpServers")), "ao": ours}
    write_atomic(file, json.dumps({**told, "mcpServers": servers}) + "\n", 0o600)
