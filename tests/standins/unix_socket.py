"""A socket in the file system that leads to a stand-in: `gh` speaks plain HTTP over such a one."""

import shutil
import socket
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUnixStreamServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from standins.github import GitHub

HOST = "github.test"


@contextmanager
def leading_to(url: str, path: Path) -> Generator[Path]:
    """While it leads there."""
    parts = urlsplit(url)
    place = (str(parts.hostname), int(parts.port or 80))

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(place) as other:
                back = threading.Thread(target=_pump, args=(other, self.request))
                back.start()
                _pump(self.request, other)
                back.join()

    with ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield path
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def signed_in(github: GitHub, folder: Path) -> Generator[Mapping[str, str]]:
    """The environment of a `gh` whose only host is a stand-in; without a `gh` the test is skipped.

    It has to be asked for `github.test/owner/name`: its own way to reach a host of any other name
    is https alone.
    """
    if shutil.which("gh") is None:
        pytest.skip("gh is not here: https://cli.github.com, or `apt-get install gh`")
    folder.mkdir()
    with leading_to(github.url, folder / "socket") as path:
        (folder / "config.yml").write_text(f"http_unix_socket: {path}\n")
        yield {
            "GH_CONFIG_DIR": str(folder), "GH_HOST": HOST, "GH_ENTERPRISE_TOKEN": github.token,
            "GH_NO_UPDATE_NOTIFIER": "1", "GH_PROMPT_DISABLED": "1",
        }  # fmt: skip


def _pump(source: Any, target: Any) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
