"""What a session host writes down, and the frames it is spoken to in."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

import ao_core
from ao_core.host_log import Log, entries, framed, take_frame


def test_a_write_that_failed_leaves_no_trace_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(str(tmp_path), 100)
    log.append(b"S", b"one")
    write = cast("Callable[..., int]", os.pwrite)

    def full(file: int, data: memoryview, at: int) -> int:
        if len(data) < 10:
            raise OSError(28, "full")
        return write(file, data[:10], at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="full"):
            log.append(b"S", b"much too long for it")
    assert (tmp_path / ("0" * 16)).stat().st_size == log.end == 8
    log.append(b"T", b"two")
    assert list(entries(str(tmp_path), 8)) == [(b"T", b"two", 16)]


def test_half_an_entry_at_the_end_was_never_said(tmp_path: Path) -> None:
    log = Log(str(tmp_path), 100)
    log.append(b"S", b"one")
    path = tmp_path / ("0" * 16)
    path.write_bytes(path.read_bytes() + framed(b"S", b"half")[:-1])
    assert list(entries(str(tmp_path), 0)) == [(b"S", b"one", 8)]


def test_frames_are_taken_whole_and_in_order_however_they_come() -> None:
    inbox, taken = bytearray(), list[tuple[bytes, bytes]]()
    for byte in framed(b"w", b"one") + framed(b"s", b"") + framed(b"w", b"half")[:-1]:
        inbox.append(byte)
        if frame := take_frame(inbox):
            taken.append(frame)
    assert taken == [(b"w", b"one"), (b"s", b"")]
    assert bytes(inbox) == framed(b"w", b"half")[:-1]


def test_frames_are_taken_apart_in_one_place() -> None:
    root = Path(ao_core.__file__).parents[2]
    files = [*(root / "core").rglob("*.py"), *(root / "plugins").rglob("*.py")]
    apart = [path.name for path in files if "[HEAD:size" in path.read_text()]
    assert apart == ["host_log.py"]
