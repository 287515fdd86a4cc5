"""Brings what webhooks tell, in its order, one by one, on a thread of its own."""

import http.client
import threading
from collections.abc import Mapping
from queue import Queue
from typing import Generic, Protocol, Self, TypeVar
from urllib.parse import urlsplit

_PATIENCE = 10.0  # seconds, as hosts have it


class Letter(Protocol):
    """What is posted; `status` is what was answered, if anything was."""

    body: bytes
    status: int | None

    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


L = TypeVar("L", bound=Letter)


class Postman(Generic[L]):
    """Enter it to deliver."""

    def __init__(self) -> None:
        self.deliveries: list[L] = []
        self._queue: Queue[L | None] = Queue()
        self._thread = threading.Thread(target=self._deliver)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._queue.put(None)
        self._thread.join()

    def post(self, letter: L) -> None:
        self._queue.put(letter)

    def settled(self) -> None:
        """Wait until all that happened was told."""
        self._queue.join()

    def _deliver(self) -> None:
        while letter := self._queue.get():
            letter.status = _posted(letter)
            self.deliveries.append(letter)
            self._queue.task_done()


def _posted(letter: Letter) -> int | None:
    url = urlsplit(letter.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=_PATIENCE)
    try:
        path = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
        connection.request("POST", path, letter.body, dict(letter.headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
