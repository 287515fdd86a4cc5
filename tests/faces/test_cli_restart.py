"""Whom `ao restart` ends: the engine that is told of, and nobody who has its number by now."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from ao_core import platform
from ao_core.engine.home import Running
from ao_mcp.cli import restart
from ao_mcp.cli.ending import Process, watched

_asked_to_end = restart._asked_to_end  # pyright: ignore[reportPrivateUsage]
_WAITS = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture
def engine() -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen(_WAITS, stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def told_of(engine: subprocess.Popen[bytes]) -> Running:
    started = platform.process_started(engine.pid) or 0.0
    return Running(engine.pid, platform.boot_id(), started, "0.1.0", "")


def test_the_engine_that_is_told_of_ends(engine: subprocess.Popen[bytes]) -> None:
    assert _asked_to_end(told_of(engine))
    assert engine.wait(10) < 0


def test_one_that_ends_before_it_is_watched_is_not_asked(
    engine: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    @contextmanager
    def too_late(pid: int) -> Generator[Process]:
        engine.kill()
        engine.wait(10)
        with watched(pid) as process:
            yield process

    told = told_of(engine)
    monkeypatch.setattr(restart, "watched", too_late)
    monkeypatch.setattr(Process, "signal", lambda _, number: asked.append(number))  # pyright: ignore
    assert not _asked_to_end(told)
    assert asked == []
