"""Terminals show a person the screen of a session."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from ao_core.plugin import ConfigT, Plugin
from ao_core.slots.runtime import AttachInfo


@dataclass(frozen=True, slots=True)
class View:
    """One session a person may look at."""

    session: str
    title: str
    attach: AttachInfo


class Terminal(Plugin[ConfigT]):
    """Opens views. Opening one that is open already focuses it."""

    @abstractmethod
    async def open_session(self, view: View) -> None:
        """Open the session, or focus it."""

    async def open_all(self, views: Sequence[View]) -> Sequence[Exception]:
        """Open every view; one that fails does not stop the rest. Returns what failed."""
        failed: list[Exception] = []
        for view in views:
            try:
                await self.open_session(view)
            except Exception as exc:
                failed.append(exc)
        return failed


class Watched(ABC):
    """A terminal that knows which sessions are open."""

    @abstractmethod
    async def is_open(self, session: str) -> bool:
        """Whether a view of the session is open now."""
