"""A line on stderr that moves while a call lasts, on a terminal only."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from ao_core.redact import visible

if TYPE_CHECKING:
    from rich.status import Status

_LONGEST = 100


class Working:
    """Shown from the start if there is something to say, else from the first news on."""

    def __init__(self, doing: str = "") -> None:
        self._doing = doing
        self._status: Status | None = None

    def __enter__(self) -> "Working":
        if self._doing:
            self._show(self._doing)
        return self

    def told(self, done: float, total: float | None, text: str) -> None:
        """What the engine says of how far it has come."""
        share = f" ({done:g} of {total:g})" if total and total > 1 else ""
        self._show(f"{text or self._doing}{share}")

    def _show(self, text: str) -> None:
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.text import Text

        line = Text(visible(" ".join(text.split()), _LONGEST))
        if self._status is None:
            self._status = Console(stderr=True).status(line)
            self._status.start()
        else:
            self._status.update(line)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()
