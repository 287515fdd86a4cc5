"""Which store a home has, by its settings and by what is there. Imports none before its use."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ao_core.errors import ConfigError
from ao_core.store.kind import StoreKind

if TYPE_CHECKING:
    from ao_core.clock import Clock
    from ao_core.store.flat import FilesStore
    from ao_core.store.sqlite import SqliteStore

PLACES: Mapping[StoreKind, str] = {"sqlite": "ao.db", "files": "journal"}
COMPANIONS = ("", "-wal", "-shm")  # what a place's name may be followed by


def present(home: Path) -> list[StoreKind]:
    """The stores of which something is there."""
    return [kind for kind, name in PLACES.items() if (home / name).exists()]


def chosen(home: Path, environment: Mapping[str, str]) -> StoreKind:
    """What the home's settings say; where they cannot be understood, what is there."""
    from ao_core.config.load import engine_settings
    from ao_core.config.problem import ConfigProblems

    try:
        return engine_settings(home, environment).store.kind
    except ConfigProblems:
        found = present(home)
        if len(found) > 1:
            raise
        return found[0] if found else "sqlite"


def require_data(home: Path, kind: StoreKind) -> None:
    """Refuse to begin anew beside what another store holds."""
    found = present(home)
    if found and kind not in found:
        raise ConfigError(
            f"The home {home} is to be kept in {kind}, but what it holds is in {found[0]}.",
            hint=f"`ao store convert --to {kind}`, or `store: {found[0]}` in its config.yaml.",
        )


def open_store(home: Path, kind: StoreKind, clock: "Clock") -> "SqliteStore | FilesStore":
    """The store of a home, to be entered."""
    if kind == "files":
        from ao_core.store.flat import FilesStore

        return FilesStore(home, clock)
    from ao_core.store.sqlite import SqliteStore

    return SqliteStore(home / PLACES["sqlite"], clock)
