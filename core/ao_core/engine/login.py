"""What a person's login shell has in its environment: the last layer of every worker's."""

import logging
from collections.abc import Mapping

from ao_core import platform
from ao_core.errors import AoError
from ao_core.process import run

_log = logging.getLogger(__name__)
_DEADLINE = 5.0
_OURS = ("XDG_RUNTIME_DIR", "TMPDIR")
_MARK = b"\0AO\0"


async def login_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Ask the shell once. A shell that fails or hangs leaves the engine's own environment."""
    given = {name: own[name] for name in _OURS if name in own}
    plain = {**platform.default_env(own), **given}
    shell = plain.get("SHELL", "")
    if not shell.endswith(("/bash", "/zsh", "/sh", "/dash", "/ksh")):
        return plain
    try:
        done = await run([shell, "-lc", "printf '\\0AO\\0'; env -0"], env=plain, deadline=_DEADLINE)
    except AoError as exc:
        _log.warning("the login shell's environment could not be read: %s", exc.message)
        return plain
    _, _, listed = done.stdout.partition(_MARK)
    pairs = (entry.partition(b"=") for entry in listed.split(b"\0") if b"=" in entry)
    found = {
        name.decode(errors="replace"): text.decode(errors="replace") for name, _, text in pairs
    }
    return {**plain, **found}
