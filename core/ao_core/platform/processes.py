"""Processes: starting them apart, naming them, ending them."""

import os
import signal
import time
from typing import TypedDict

from ao_core.platform.kernel import ask, read
from ao_core.platform.kind import system

_WINDOWS_BOOTS = (
    r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"
)


class Detached(TypedDict, total=False):
    """Arguments of `subprocess.Popen` for a child that leads a group of its own."""

    start_new_session: bool
    creationflags: int


def detach_flags() -> Detached:
    """How to start a child that our terminal's signals do not reach."""
    if system() == "windows":
        return {"creationflags": 0x08000000 | 0x00000200}  # CREATE_NO_WINDOW | NEW_PROCESS_GROUP
    return {"start_new_session": True}


def end_group(leader: int, *, force: bool) -> None:
    """Ask a group of processes to end, or kill it; one that is gone already is fine."""
    if system() == "windows":
        ask("taskkill", "/T", *(["/F"] if force else []), "/PID", str(leader))
        return
    try:
        os.killpg(leader, signal.SIGKILL if force else signal.SIGTERM)
    except (ProcessLookupError, PermissionError):  # macOS refuses where only zombies are left
        return


def session_of(pid: int) -> int | None:
    """The leader of the session a process belongs to."""
    try:
        return os.getsid(pid) if system() != "windows" else None
    except OSError:
        return None


def boot_id() -> str:
    """Changes with every start of the machine."""
    if system() == "macos":
        return ask("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid").strip()
    if system() == "windows":
        return ask("reg", "query", _WINDOWS_BOOTS, "/v", "BootId").strip().rpartition(" ")[2]
    return read("/proc/sys/kernel/random/boot_id").strip()


def process_started(pid: int) -> float | None:
    """When a process began, as a number to compare and nothing else; None if it is not there.

    With its pid it names one process of this boot. On Linux it counts from the boot, so that
    setting the time of day does not make a running process look like another.
    """
    if system() == "macos":
        started = ask("/bin/ps", "-o", "lstart=", "-p", str(pid)).strip()
        return time.mktime(time.strptime(started, "%a %b %d %H:%M:%S %Y")) if started else None
    fields = _process_fields(pid)
    return int(fields[19]) / os.sysconf("SC_CLK_TCK") if fields else None


def process_exists(pid: int) -> bool:
    """Whether a process runs; a zombie does not, one we may not signal does."""
    if system() == "windows":
        return f'"{pid}"' in ask("tasklist", "/NH", "/FO", "CSV", "/FI", f"PID eq {pid}")
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return pid > 0 and _process_state(pid) not in ("Z", "X")


def _process_state(pid: int) -> str:
    if system() == "macos":
        return ask("/bin/ps", "-o", "stat=", "-p", str(pid)).strip()[:1]
    fields = _process_fields(pid)
    return fields[0] if fields else "?"


def _process_fields(pid: int) -> list[str]:
    # the name in parentheses may hold spaces and parentheses itself
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()
