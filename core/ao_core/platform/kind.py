"""Which operating system this is, and what is usual there."""

import os
import sys
from typing import Literal, TypeAlias

System: TypeAlias = Literal["linux", "macos", "windows", "wsl"]


def _detect() -> System:
    if sys.platform == "win32":
        return "windows"
    if sys.platform == "darwin":
        return "macos"
    return "wsl" if "microsoft" in os.uname().release.lower() else "linux"


_SYSTEM: System = _detect()


def system() -> System:
    """What this machine runs."""
    return _SYSTEM


def default_runtime() -> str:
    """The runtime to use where none was chosen."""
    return "process" if _SYSTEM == "windows" else "tmux"


def default_terminal() -> str:
    """The terminal to use where none was chosen."""
    return "iterm2" if _SYSTEM == "macos" else "web"


def loopback() -> str:
    """The address of this machine; by number, as `localhost` may wait for IPv6 first."""
    return "127.0.0.1"
