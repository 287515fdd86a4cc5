"""What the system says of itself."""

import os
from pathlib import Path

_ASK_DEADLINE = 5.0


def read(path: str) -> str:
    """What the kernel says there; nothing if it says nothing."""
    try:
        return Path(path).read_text(errors="surrogateescape")
    except OSError:
        return ""


def ask(*argv: str) -> str:
    """What one of the system's own tools prints; nothing if it cannot."""
    import subprocess

    clean = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_ASK_DEADLINE, env=clean)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
