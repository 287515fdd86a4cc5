"""A thread for what need not be done before a commit is believed: session files and snapshots."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread

from ao_core.errors import AoError
from ao_core.store.projection import Projections

_log = logging.getLogger(__name__)
_RETRY = 30.0  # seconds, while something could not be written


class Scribe:
    """Does its jobs one after the other; between them, the session files are brought up to date."""

    def __init__(self, projections: Projections) -> None:
        self._projections = projections
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="scribe", daemon=True)
        self._thread.start()

    def ask(self, job: Callable[[], object]) -> None:
        """Have something done. It is logged when it fails."""
        self._jobs.put(job)

    def result(self, job: Callable[[], object]) -> "Future[None]":
        """Have something done, to be waited for."""
        promise: Future[None] = Future()
        self._jobs.put(lambda: _fulfil(promise, job))
        return promise

    def close(self) -> None:
        """Do what is left, and end."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            job = self._next()
            if job is None:
                break
            _attempt(job)
            if self._jobs.empty():  # of many changes to a session, the last one is shown
                _attempt(self._projections.settle)
        _attempt(self._projections.settle)

    def _next(self) -> Callable[[], object] | None:
        try:
            return self._jobs.get(timeout=_RETRY if self._projections.owing else None)
        except Empty:
            return self._projections.settle


def _attempt(job: Callable[[], object]) -> None:
    try:
        job()
    except (AoError, OSError) as exc:
        _log.warning("what is kept beside the journal could not be written: %s", exc)
    except Exception:  # a fault of ours here must not end the thread
        _log.exception("what is kept beside the journal could not be written")


def _fulfil(promise: "Future[None]", job: Callable[[], object]) -> None:
    try:
        job()
        promise.set_result(None)
    except BaseException as exc:  # raised to whoever waits for it
        promise.set_exception(exc)
