"""Something that changes, and whoever waits for it to be so."""

from collections.abc import Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


class News:
    """Wakes all who wait, each time there is something to look at."""

    def __init__(self) -> None:
        self._told = anyio.Event()

    def tell(self) -> None:
        """Something has changed."""
        told, self._told = self._told, anyio.Event()
        told.set()

    async def until(self, ready: Callable[[], T | None]) -> T:
        """Wait until `ready` gives something; asked now, and after each change."""
        while True:
            told = self._told
            found = ready()
            if found is not None:
                return found
            await told.wait()
