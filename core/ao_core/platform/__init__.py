"""Every difference between operating systems. Standard library only: the relay imports it.

What costs time to import is imported where it is used.
"""

from ao_core.platform.awake import inhibitors
from ao_core.platform.folders import (
    disk_remedy,
    is_full,
    is_network_file_system,
    make_private,
    runtime_dir,
    same_path,
    try_flock,
)
from ao_core.platform.kind import System, default_runtime, default_terminal, loopback, system
from ao_core.platform.processes import (
    Detached,
    boot_id,
    detach_flags,
    end_group,
    process_exists,
    process_started,
    session_of,
)
from ao_core.platform.shell import bash_path, default_env, quote, shell_command
from ao_core.platform.sockets import has_unix_sockets, peer_pid, peer_uid, pid_on_port

__all__ = [
    "Detached",
    "System",
    "bash_path",
    "boot_id",
    "default_env",
    "default_runtime",
    "default_terminal",
    "detach_flags",
    "disk_remedy",
    "end_group",
    "has_unix_sockets",
    "inhibitors",
    "is_full",
    "is_network_file_system",
    "loopback",
    "make_private",
    "peer_pid",
    "peer_uid",
    "pid_on_port",
    "process_exists",
    "process_started",
    "quote",
    "runtime_dir",
    "same_path",
    "session_of",
    "shell_command",
    "system",
    "try_flock",
]
