"""What an agent's own hooks run: one leaves word for the engine, one asks it for permission.

The first is a shell script, so that it costs next to nothing and works wherever a shell does, also
while no engine runs. It neither says nor decides anything.
"""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from ao_core.files import write_atomic
from ao_core.spool import RAW_LIMIT

NAME = "hook"

_SCRIPT = f"""\
#!/bin/sh
# Leaves what a hook of the agent was told for ao to read.
[ -d "$AO_SPOOL" ] || exit 0
file=$(mktemp "$AO_SPOOL/.told-XXXXXXXX") || exit 0
head -c {RAW_LIMIT} >"$file" && mv "$file" "$AO_SPOOL/$1.${{file##*-}}.raw"
exit 0
"""


def hook_in(folder: Path) -> Path:
    """The script, put into this folder if it is not there already."""
    script = folder / NAME
    try:
        if script.read_text() == _SCRIPT:
            return script
    except OSError:
        pass
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(script, _SCRIPT)
    return script


def leaves_word(script: Path, hook: str) -> str:
    """What a shell runs so that this hook's word is left."""
    return shlex.join(["sh", str(script), hook])


def asks(dialect: str) -> str:
    """What a shell runs so that the engine is asked for permission."""
    return shlex.join([sys.executable, "-I", "-m", "ao_plugins._permit", dialect])


def settings(folder: Path, name: str, contents: Mapping[str, object]) -> Path:
    """A file of settings that an agent is started with."""
    path = folder / name
    write_atomic(path, json.dumps(contents, indent=1) + "\n")
    os.chmod(path, 0o600)
    return path
