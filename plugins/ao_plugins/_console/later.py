"""Small writes that a full disk puts off: the worker goes on, and nothing is left unsaid."""

from collections import deque
from collections.abc import Callable
from threading import Lock, Timer

from ao_core.errors import StoreUnavailable
from ao_core.platform import disk_remedy

_AGAIN = 0.25


class Later:
    """Does one after the other, each as soon as the disk takes it."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._turn = Lock()

    def write(self, job: Callable[[], object]) -> None:
        """Do it now, or when there is room."""
        with self._turn:
            self._waiting.append(job)
            if len(self._waiting) == 1:
                self._go_on()

    def _go_on(self) -> None:
        while self._waiting:
            try:
                self._waiting[0]()
            except (OSError, StoreUnavailable) as exc:
                if _is_full(exc):
                    return self._set_alarm()
                self._waiting.popleft()
                raise
            self._waiting.popleft()

    def _set_alarm(self) -> None:
        alarm = Timer(_AGAIN, self._try_again)
        alarm.daemon = True
        alarm.start()

    def _try_again(self) -> None:
        with self._turn:
            self._go_on()


def _is_full(exc: Exception) -> bool:
    cause = exc if isinstance(exc, OSError) else exc.__cause__
    return isinstance(cause, OSError) and disk_remedy(cause) is not None
