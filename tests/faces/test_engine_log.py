"""`ao logs --engine` while the log is rotated under it."""

import json
import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ao_core.errors import Unknown
from ao_core.log import LogFile, parts
from ao_mcp.cli.engine_log import EngineLog
from faces.terminal import AO

SIZE = 1000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogFile]:
    file = LogFile(tmp_path / "engine.log", SIZE, 3)
    yield file
    file.close()


def say(log: LogFile, *texts: str) -> None:
    for text in texts:
        log.handle(logging.LogRecord("a", logging.INFO, "", 1, text, None, None))


def numbered(first: int, last: int) -> list[str]:
    return [f"{number:05} {'x' * 93}" for number in range(first, last)]


def test_what_is_written_comes_once_and_in_order_across_rotations(
    tmp_path: Path, log: LogFile
) -> None:
    say(log, *numbered(0, 3))
    with EngineLog(tmp_path / "engine.log") as reader:
        assert reader.last(2) == numbered(1, 3)
        say(log, *numbered(3, 28))  # more than two files
        assert reader.more() == numbered(3, 28)
        say(log, *numbered(28, 29))
        assert reader.more() == numbered(28, 29)
        assert reader.more() == []
    assert len(parts(tmp_path / "engine.log")) == 3


def test_who_reads_too_slowly_goes_on_with_the_oldest_that_is_kept(
    tmp_path: Path, log: LogFile
) -> None:
    say(log, *numbered(0, 1))
    with EngineLog(tmp_path / "engine.log") as reader:
        reader.last(1)
        say(log, *numbered(1, 100))
        read = reader.more()
    assert read == [*numbered(1, 10), *numbered(70, 100)]


def test_a_line_is_shown_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_text("one\ntw")
    with EngineLog(path) as reader:
        assert reader.last(5) == ["one"]
        with path.open("a") as more:
            more.write("o\nthree")
        assert reader.more() == ["two"]


def test_the_end_of_a_fresh_log_is_told_with_the_one_before(tmp_path: Path, log: LogFile) -> None:
    say(log, *numbered(0, 25))
    with EngineLog(tmp_path / "engine.log") as reader:
        assert reader.last(12) == numbered(13, 25)
        assert reader.last(0) == []


def test_there_has_to_be_a_log(tmp_path: Path) -> None:
    with pytest.raises(Unknown):
        EngineLog(tmp_path / "engine.log")


def test_it_is_followed_by_the_command_until_it_is_interrupted(
    tmp_path: Path, log: LogFile
) -> None:
    say(log, *numbered(0, 2))
    following = subprocess.Popen(
        [*AO, "--home", str(tmp_path), "logs", "--engine", "--follow", "-n", "1", "--json"],
        env={"PATH": os.defpath, "HOME": str(tmp_path)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with following:
        assert following.stdout
        heard = [json.loads(following.stdout.readline())["line"]]
        say(log, *numbered(2, 15))
        heard += [json.loads(following.stdout.readline())["line"] for _ in range(13)]
        following.send_signal(2)
        assert following.wait(10) == 0
    assert heard == numbered(1, 15)
