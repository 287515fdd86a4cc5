"""Notifiers tell people something."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from ao_core.model.event import Priority
from ao_core.plugin import ConfigT, Plugin


@dataclass(frozen=True, slots=True)
class Note:
    """One message for a person. `id` is stable, so that a repeated delivery can be recognised."""

    id: str
    kind: str
    priority: Priority
    title: str
    body: str
    at: datetime
    project: str | None = None
    session: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """Something the reader can do about a note."""

    label: str
    url: str


class Notifier(Plugin[ConfigT]):
    """Tells a person something.

    `reads_along`: whoever it tells reads the journal anyway; only what is said to them is sent.
    """

    reads_along: ClassVar[bool] = False

    @abstractmethod
    async def notify(self, note: Note) -> None:
        """Deliver `note`, or raise `PluginError`."""


class ActionNotifier(ABC):
    """A notifier whose messages can carry links to act on."""

    @abstractmethod
    async def notify_with_actions(self, note: Note, actions: Sequence[Action]) -> None:
        """Deliver `note` with something to press."""


class Poster(ABC):
    """A notifier that can post free text to a channel."""

    @abstractmethod
    async def post(self, text: str, *, channel: str | None = None) -> str | None:
        """Post; return the message's id where the vendor gives one."""
