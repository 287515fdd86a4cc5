"""Folders, files and what they lie on."""

import errno
import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from ao_core.errors import AoError, ConfigError, StoreUnavailable
from ao_core.ids import folder_hash
from ao_core.platform.kernel import ask, read
from ao_core.platform.kind import system

_RUNTIME_DIR_LIMIT = 74  # bytes; leaves 25 for a socket's name, where macOS allows 104 in all
_NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "sshfs", "ceph", "glusterfs", "lustre", "afs"}
    | {"afpfs", "webdav", "davfs", "fuse.sshfs", "fuse.rclone", "fuse.ceph", "fuse.glusterfs"}
    | {"fuse.davfs", "fuse.s3fs"}
)

_NO_ROOM, _NO_INODES = 64 * 1024, 16
_DISK_REMEDIES = {
    errno.ENOSPC: "Free some space, or some inodes, on that disk; nothing was lost.",
    errno.EDQUOT: "Your quota on that disk is used up: free some space; nothing was lost.",
    errno.EROFS: "It is mounted read-only: choose another place (AO_HOME), or mount it writable.",
    errno.EIO: "The disk failed; check its health.",
}


def disk_remedy(exc: OSError) -> str | None:
    """What helps where the disk itself refuses; None where it is something else."""
    return _DISK_REMEDIES.get(exc.errno or 0)


def is_full(path: Path) -> bool:
    """Whether the disk of a file or folder has next to no room, or inodes, left."""
    try:
        found = os.statvfs(path)
    except (AttributeError, OSError):  # Windows, or it is not there
        return False
    limited = found.f_files > 0  # some file systems have no fixed number
    return found.f_bavail * found.f_frsize < _NO_ROOM or (limited and found.f_favail < _NO_INODES)


def same_path(a: Path, b: Path) -> bool:
    """Whether both name one file; by letter case only where the file system minds it."""
    try:
        return os.path.samefile(a, b)
    except OSError:  # one of them does not exist
        left, right = os.path.realpath(a), os.path.realpath(b)
    return left == right or (left.lower() == right.lower() and _ignores_case(Path(left)))


def runtime_dir(home: Path, env: Mapping[str, str]) -> Path:
    """Where a home's sockets belong; short enough for every system. Not created here."""
    name = folder_hash(os.path.realpath(home))
    shared = env.get("XDG_RUNTIME_DIR", "")
    user = os.getuid() if hasattr(os, "getuid") else env.get("USERNAME", "user")
    choices = [Path(temporary(env)) / f"ao-{user}-{name}", Path("/tmp") / f"ao-{user}-{name}"]  # noqa: S108
    if _is_ours(shared):
        choices.insert(0, Path(shared) / f"ao-{name}")
    fitting = (path for path in choices if len(os.fsencode(path)) <= _RUNTIME_DIR_LIMIT)
    return next(fitting, choices[-1])


def make_private(path: Path) -> Path:
    """Make a folder that only this user can enter, or check that it is one."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if system() != "windows":
            _close_to_others(path)
    except OSError as exc:
        raise _no_folder(path, exc) from exc
    return path


def _no_folder(path: Path, exc: OSError) -> AoError:
    if hint := disk_remedy(exc):
        return StoreUnavailable(f"{path} cannot be made: {exc.strerror}", hint=hint)
    hint = "Remove it, or choose another place (AO_HOME, XDG_RUNTIME_DIR)."
    return ConfigError(f"{path} cannot be a private folder: {exc.strerror}", hint=hint)


def is_network_file_system(path: Path) -> str | None:
    """The kind of the network file system a path is on, if it is on one."""
    real = os.path.realpath(path)
    holding = [mount for mount in _mounts() if _is_below(real, mount[0])]
    kind = max(holding, key=lambda mount: len(mount[0]), default=("/", ""))[1]
    over_network = kind in _NETWORK_FILE_SYSTEMS or (system() == "wsl" and kind == "9p")
    return kind if over_network else None


def try_flock(descriptor: int) -> bool:
    """Take the lock of an open file; False if somebody else has it."""
    try:
        _flock(descriptor)
    except (BlockingIOError, PermissionError):
        return False
    return True


def temporary(env: Mapping[str, str]) -> str:
    """Where files belong that nobody will miss."""
    fallback = r"C:\Windows\Temp" if system() == "windows" else "/tmp"  # noqa: S108
    found = env.get("TMPDIR") or env.get("TEMP") or fallback
    return found if os.path.isabs(found) or system() == "windows" else fallback


def _flock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_ours(folder: str) -> bool:
    # after `su` or `sudo` the variable may name another user's
    try:
        return os.path.isabs(folder) and os.stat(folder).st_uid == os.getuid()
    except OSError:
        return False


def _ignores_case(path: Path) -> bool:
    known = next((place for place in (path, *path.parents) if place.exists()), path)
    swapped = known.with_name(known.name.swapcase()) if known.name else known
    return swapped != known and swapped.exists() and os.path.samefile(known, swapped)


def _close_to_others(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        seen = os.fstat(descriptor)
        if seen.st_uid != os.getuid():
            raise ConfigError(f"{path} belongs to another user", hint="Choose another place.")
        if seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(f"others may write to {path}", hint=f"Run: chmod 700 {path}")
        if seen.st_mode & 0o077:
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _mounts() -> list[tuple[str, str]]:
    if system() == "macos":
        found = re.findall(r"^.* on (/.*) \((\w+)", ask("/sbin/mount"), re.MULTILINE)
        return [(str(point), str(kind)) for point, kind in found]
    rows = [line.split(" ") for line in read("/proc/mounts").splitlines()]
    return [(_unescape(row[1]), row[2]) for row in reversed(rows) if len(row) > 2]


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
