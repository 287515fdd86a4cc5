"""The engine's log stays small, private and harmless."""

import errno
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ao_core.log import LogFile, parts
from ao_core.redact import RedactingFilter, Redactor

SIZE = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.log"


@pytest.fixture
def log(path: Path) -> Iterator[LogFile]:
    file = LogFile(path, SIZE, 3)
    yield file
    file.close()


def say(log: LogFile, *texts: str) -> None:
    for text in texts:
        log.handle(logging.LogRecord("a", logging.INFO, "", 1, text, None, None))


def lines(path: Path) -> list[str]:
    """All that is kept, oldest first."""
    return [line for part in reversed(parts(path)) for line in part.read_text().splitlines()]


def test_it_is_rotated_by_size_and_so_many_files_are_kept(path: Path, log: LogFile) -> None:
    texts = [f"{number:05} {'x' * 43}" for number in range(200)]
    say(log, *texts)
    assert [part.name for part in parts(path)] == ["engine.log", "engine.log.1", "engine.log.2"]
    assert sum(part.stat().st_size for part in parts(path)) <= 3 * SIZE
    kept = lines(path)
    assert len(kept) > 40
    assert kept == texts[-len(kept) :]


def test_it_goes_on_with_what_an_earlier_engine_wrote(path: Path, log: LogFile) -> None:
    path.write_text("y" * SIZE + "\n")
    say(log, "new")
    assert path.read_text() == "new\n"
    assert (path.parent / "engine.log.1").read_text().startswith("y")


def test_when_fewer_are_kept_the_others_go(path: Path) -> None:
    for number in range(1, 5):
        (path.parent / f"engine.log.{number}").touch()
    one = LogFile(path, SIZE, 1)
    say(one, "x" * SIZE, "last")
    one.close()
    assert lines(path) == ["last"]
    assert [part.name for part in path.parent.iterdir()] == ["engine.log"]


def test_every_file_is_for_its_owner_alone(path: Path, log: LogFile) -> None:
    path.touch(0o644)
    say(log, *["x" * SIZE] * 3)
    assert {stat.S_IMODE(part.stat().st_mode) for part in parts(path)} == {0o600}


def test_secrets_stay_out_of_every_file(path: Path, log: LogFile) -> None:
    redactor = Redactor()
    redactor.learn("plain-but-secret")
    log.addFilter(RedactingFilter(redactor))
    say(log, *["plain-but-secret " * 20] * 10)
    assert len(parts(path)) > 1
    assert not any("secret" in line for line in lines(path))


def test_one_that_was_moved_or_removed_is_begun_again(path: Path, log: LogFile) -> None:
    say(log, "one")
    path.rename(path.with_name("elsewhere"))
    say(log, "two")
    path.unlink()
    say(log, "three")
    assert path.read_text() == "three\n"


def test_a_full_disk_costs_lines_and_nothing_else(
    path: Path, log: LogFile, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    say(log, "before")
    write = os.write

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    say(log, *["lost"] * 1000)
    monkeypatch.setattr(os, "write", write)
    say(log, "after")
    assert path.read_text().splitlines() == [
        "before",
        "1000 lines could not be written here",
        "after",
    ]
    assert capfd.readouterr() == ("", "")


def test_a_line_cut_short_by_a_full_disk_does_not_run_into_the_next(
    path: Path, log: LogFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def nearly_full(file: int, data: bytes) -> int:
        return write(file, data[:3])

    monkeypatch.setattr(os, "write", nearly_full)
    say(log, "abcdef")
    monkeypatch.setattr(os, "write", write)
    say(log, "after")
    assert path.read_text() == "abc\n1 lines could not be written here\nafter\n"


def test_a_folder_that_is_gone_takes_nobody_along(path: Path, log: LogFile) -> None:
    say(log, "one")
    path.unlink()
    path.parent.rmdir()
    say(log, "two")
    path.parent.mkdir()
    say(log, "three")
    assert path.read_text() == "1 lines could not be written here\nthree\n"


@pytest.mark.parametrize(
    "step",
    [
        "for _ in range(30): say('x' * 99)",
        "say('one'); path.rename(path.with_name('elsewhere')); say('two')",
        "say('one'); path.unlink(); say('two'); path.unlink(); say('three')",
        "say('one'); path.unlink(); path.mkdir(); say('lost'); path.rmdir(); say('two')",
    ],
    ids=["rotated", "moved", "removed twice", "not to be opened for a while"],
)
def test_what_is_written_past_logging_follows_the_log(path: Path, step: str) -> None:
    script = (
        "import logging, os, sys; from pathlib import Path; from ao_core.log import LogFile\n"
        "path = Path(sys.argv[1]); log = LogFile(path, 1000, 3)\n"
        "def say(text): log.handle(logging.LogRecord('a', 20, '', 1, text, None, None))\n"
        f"{step}\n"
        "os.write(2, b'a crash\\n')\n"
    )
    with path.open("ab") as stderr:
        subprocess.run([sys.executable, "-c", script, str(path)], stderr=stderr, check=True)
    assert path.read_text().endswith("a crash\n")
