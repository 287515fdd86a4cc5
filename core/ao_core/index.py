"""The shape of a plugin index. Imports nothing heavy, so that listing all plugins costs nothing."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

Slot: TypeAlias = Literal["agent", "runtime", "workspace", "tracker", "scm", "notifier", "terminal"]
SLOTS: tuple[Slot, ...] = (
    "agent", "runtime", "workspace", "tracker", "scm", "notifier", "terminal",
)  # fmt: skip


class Entry(NamedTuple):
    """One built-in: where it is, and the extra it needs."""

    target: str
    extra: str | None = None


Index: TypeAlias = Mapping[Slot, Mapping[str, Entry]]
