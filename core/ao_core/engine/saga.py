"""Several steps that succeed together, or are undone last first."""

import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio

_log = logging.getLogger(__name__)
_UNDO_DEADLINE = 60.0

Undo = Callable[[], Awaitable[object]]


class Saga:
    """Enter it, add an undo after each step; leaving by an error undoes them."""

    def __init__(self) -> None:
        self._undos: list[tuple[str, Undo]] = []
        self.left_behind: list[str] = []

    def undo(self, what: str, how: Undo) -> None:
        """How to take the last step back."""
        self._undos.append((what, how))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if exc is None:
            return
        with anyio.CancelScope(shield=True):
            for what, how in reversed(self._undos):
                await self._take_back(what, how)
        if self.left_behind:
            exc.add_note("Left behind: " + ", ".join(self.left_behind))

    async def _take_back(self, what: str, how: Undo) -> None:
        try:
            with anyio.fail_after(_UNDO_DEADLINE):
                await how()
        except Exception:  # the other undos still have to be tried
            _log.exception("could not undo: %s", what)
            self.left_behind.append(what)
