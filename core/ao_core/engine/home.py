"""The home: where everything is kept, who holds it, and what it is called."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ao_core import platform
from ao_core.errors import BadId, ConfigError, EngineRunning, StoreUnavailable
from ao_core.files import FileLock, given_lock, private_dir, try_lock, write_atomic
from ao_core.ids import HomeId, home_id, new_home_id

_LOCK = "engine.lock"


@dataclass(frozen=True, slots=True)
class Running:
    """Who holds the home, as `running.json` has it."""

    pid: int
    boot: str
    started: float
    version: str
    socket: str
    http: str = ""

    @property
    def lives(self) -> bool:
        """Whether that very process still runs: numbers are used again."""
        if self.boot != platform.boot_id() or not platform.process_exists(self.pid):
            return False
        return (platform.process_started(self.pid) or 0.0) == self.started


class Home:
    """One home, held by one engine."""

    def __init__(self, path: Path, id: HomeId, key: bytes, lock: FileLock) -> None:
        self.path, self.id, self.key = path, id, key
        self._lock = lock

    @property
    def log(self) -> Path:
        """What the engine writes down for people."""
        return self.path / "engine.log"

    @property
    def bin(self) -> Path:
        """Wrappers that come first on every worker's PATH."""
        return self.path / "bin"

    def plugin_state(self, slot: str, name: str) -> Path:
        """The folder of a plugin that serves the whole home."""
        return private_dir(self.path / "plugins" / f"{slot}-{name}")

    def project(self, folder: str) -> "ProjectHome":
        """A project's part of the home."""
        return ProjectHome(private_dir(self.path / folder))

    def announce(self, version: str, socket: Path, http: str = "") -> None:
        """Write `running.json`."""
        pid = os.getpid()
        started = platform.process_started(pid) or 0.0
        running = {
            "pid": pid, "boot": platform.boot_id(), "started": started,
            "version": version, "socket": str(socket), "http": http,
        }  # fmt: skip
        write_atomic(self.path / "running.json", json.dumps(running, indent=2) + "\n")

    def close(self) -> None:
        """Give the home up."""
        (self.path / "running.json").unlink(missing_ok=True)
        self._lock.close()


@dataclass(frozen=True, slots=True)
class ProjectHome:
    """Where one project's things are."""

    path: Path

    @property
    def worktrees(self) -> Path:
        """The sessions' workspaces."""
        return private_dir(self.path / "worktrees")

    @property
    def archive(self) -> Path:
        """What was saved beside git."""
        return private_dir(self.path / "archive")

    @property
    def scratch(self) -> Path:
        """Work trees of our own, for as long as something is tried in them."""
        return private_dir(self.path / "scratch")

    def prompts(self, session: str) -> Path:
        """A session's prompt files."""
        return private_dir(private_dir(self.path / "prompts") / session)

    def spool(self, session: str) -> Path:
        """Where a session's hooks leave their events."""
        return private_dir(private_dir(self.path / "spool") / session)

    def plugin_state(self, slot: str, name: str) -> Path:
        """The folder of one of the project's plugins."""
        return private_dir(self.path / f"{slot}-{name}")


def open_home(path: Path, lock: int | None = None) -> Home:
    """Take the home for this engine, or say who has it; its lock may have been handed over."""
    if network := platform.is_network_file_system(path):
        raise ConfigError(
            f"The home {path} is on {network}, where locks cannot be trusted.",
            hint="Set AO_HOME to a folder on a local disk.",
        )
    private_dir(path)
    held = take(path) if lock is None else given_lock(path / _LOCK, lock)
    if held is None:
        holder = running(path)
        by = f" by process {holder.pid}" if holder and holder.lives else ""
        raise EngineRunning(f"The home {path} is held{by}.", hint="Use it, or run `ao stop`.")
    try:
        return Home(path, *_identity(path / "home.json"), held)
    except BaseException:  # whatever it was, the lock is given up and it is raised
        held.close()
        raise


def take(path: Path) -> FileLock | None:
    """The lock of a home, unless an engine holds it."""
    return try_lock(private_dir(path) / _LOCK)


def running(path: Path) -> Running | None:
    """What `running.json` says, also if its engine was killed; None if it cannot be read."""
    try:
        found = cast("dict[str, Any]", json.loads((path / "running.json").read_text()))
        known: dict[str, Any] = {"http": "", **found}  # which earlier versions did not write
        return Running(**{name: known[name] for name in Running.__slots__})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _identity(file: Path) -> tuple[HomeId, bytes]:
    """The home's name and key, made once."""
    try:
        found = cast("dict[str, str]", json.loads(file.read_text()))
        return home_id(found["id"]), bytes.fromhex(found["key"])
    except FileNotFoundError:
        made = {"id": new_home_id(), "key": secrets.token_hex(32)}
        write_atomic(file, json.dumps(made) + "\n")
        return HomeId(made["id"]), bytes.fromhex(made["key"])
    except (OSError, ValueError, KeyError, TypeError, BadId) as exc:
        raise StoreUnavailable(
            f"{file} cannot be read.", hint="Restore it from a backup, or choose another AO_HOME."
        ) from exc
