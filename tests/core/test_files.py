"""Files are whole or not there; tails are bounded; locks are held by one."""

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ao_core import files, platform
from ao_core.errors import BadRequest, ConfigError, StoreError, StoreUnavailable


def test_a_file_is_written_with_its_mode_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a"
    files.write_atomic(file, "é")
    assert file.read_bytes() == "é".encode()
    assert file.stat().st_mode & 0o777 == 0o600
    files.write_atomic(file, b"\x00", mode=0o755)
    assert file.read_bytes() == b"\x00"
    assert file.stat().st_mode & 0o777 == 0o755
    assert list(tmp_path.iterdir()) == [file]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    file = tmp_path / ("n" * 255)
    files.write_atomic(file, "x")
    assert file.read_text() == "x"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    files.write_atomic(link, "new")
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("old", "new", False)


@pytest.mark.parametrize(
    ("code", "hint"),
    [(errno.ENOSPC, "space"), (errno.EROFS, "read-only"), (errno.EACCES, "owns")],
)
def test_a_failed_write_keeps_the_old_file_and_says_the_remedy(
    code: int, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    files.write_atomic(file, "old")

    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="cannot be written") as caught:
        files.write_atomic(file, "new")
    assert hint in (caught.value.hint or "")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("durable", [True, False])
def test_what_need_not_outlive_a_crash_does_not_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    files.write_atomic(tmp_path / "a", "x", durable=durable)
    assert (tmp_path / "a").read_text() == "x"
    assert len(synced) == (2 if durable else 0)


def test_a_writer_who_dies_leaves_a_draft_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed: list[str] = []
    monkeypatch.setattr(os, "replace", lambda draft, _: renamed.append(draft.name))  # pyright: ignore
    files.write_atomic(tmp_path / "a", "x")
    assert [files.is_draft(name) for name in [*renamed, "a", ".new-app-1"]] == [True, False, False]


def test_a_line_written_in_part_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_one(_file: int, _data: bytes) -> int:
        return 1

    monkeypatch.setattr(os, "write", only_one)
    with pytest.raises(StoreUnavailable, match="cannot be written") as caught:
        files.append_line(tmp_path / "a", b"x")
    assert "space" in (caught.value.hint or "")


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be written") as caught:
        files.write_atomic(tmp_path / "no" / "a", "x")
    assert caught.value.hint == "Its folder is gone."


def _write_for_ever(file: Path) -> None:
    while True:
        for letter in (b"a", b"b"):
            files.write_atomic(file, letter * 100_000)


def test_readers_and_a_killed_writer_see_whole_files_only(tmp_path: Path) -> None:
    file = tmp_path / "a"
    files.write_atomic(file, b"a" * 100_000)
    context = multiprocessing.get_context("spawn")
    writer = context.Process(target=_write_for_ever, args=(file,))
    writer.start()
    try:
        first, end = file.stat().st_ino, time.monotonic() + 20
        while file.stat().st_ino == first:
            assert time.monotonic() < end
        seen = {file.read_bytes() for _ in range(200)}
        os.kill(writer.pid or 0, signal.SIGKILL)
    finally:
        writer.kill()
        writer.join()
    assert seen | {file.read_bytes()} <= {b"a" * 100_000, b"b" * 100_000}


def test_a_private_folder_is_made_and_closed(tmp_path: Path) -> None:
    assert files.private_dir(tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir(mode=0o755)
    assert files.private_dir(tmp_path / "open").stat().st_mode & 0o777 == 0o700


def test_a_folder_others_could_have_prepared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o770)
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_text("x")
    for name in ("shared", "link", "file"):
        with pytest.raises(ConfigError, match=name) as caught:
            files.private_dir(tmp_path / name)
        assert caught.value.hint


def test_a_tail_is_the_end_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    assert files.read_tail(file, 10) == b""
    file.write_bytes(b"0123456789")
    assert files.read_tail(file, 4) == b"6789"
    assert files.read_tail(file, 10) == files.read_tail(file, 999) == b"0123456789"
    assert files.read_tail(file, 0) == b""


def test_the_tail_of_two_gigabytes_costs_no_more_than_its_size(tmp_path: Path) -> None:
    file = tmp_path / "a"
    with file.open("wb") as sparse:
        sparse.seek(2 * 1024**3)
        sparse.write(b'\n{"n": 1}\n{"n": 2}\n')
    code = """if True:
        import resource, sys, pathlib
        from ao_core import files
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        path = pathlib.Path(sys.argv[1])
        assert files.last_lines(path, 2) == [b'{"n": 1}', b'{"n": 2}']
        assert files.read_json_lines_tail(path, 1000) == [{"n": 1}, {"n": 2}]
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"""
    command = [sys.executable, "-c", code, str(file)]
    done = subprocess.run(command, capture_output=True, timeout=30, check=True)
    assert int(done.stdout) < 20_000  # KiB


def test_something_that_is_no_file_is_neither_waited_for_nor_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(StoreError, match="plain file"):
            files.read_tail(path, 10)
        with pytest.raises(StoreError, match="plain file"):
            files.append_line(path, b"x")
    os.close(reader)


def test_the_last_lines_are_whole_and_in_order(tmp_path: Path) -> None:
    file = tmp_path / "a"
    assert files.last_lines(file, 3) == []
    file.write_bytes(b"a\n\nb\r\nhalf")
    assert files.last_lines(file, 3) == [b"", b"b\r", b"half"]
    assert files.last_lines(file, 99) == [b"a", b"", b"b\r", b"half"]
    assert files.last_lines(file, 0) == []
    file.write_bytes(b"x" * 2_000_000 + b"\nlast\n")
    assert files.last_lines(file, 5) == [b"last"]


@given(st.lists(st.text(max_size=20), max_size=8), st.integers(1, 200))
def test_objects_are_found_whatever_is_cut(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int
) -> None:
    file = tmp_path_factory.mktemp("tail") / "a"
    lines = [json.dumps({"text": text, "in": {"n": 1}}).encode() + b"\n" for text in texts]
    file.write_bytes(b"".join(lines))
    fitting = [at for at in range(len(lines)) if len(b"".join(lines[at:])) <= size]
    expected = texts[fitting[0] :] if fitting else []
    assert [one["text"] for one in files.read_json_lines_tail(file, size)] == expected


@pytest.mark.parametrize(
    "junk",
    [b'{"a": 1', b"\xff\xfe\x00", b"7", b"[1]", b"null", b"", b"[" * 200_000, b"9" * 10_000],
)
def test_garbled_lines_are_passed_over(junk: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b'{"a": 1}\n' + junk + b'\n{"b": 2}\n{"c":')
    assert files.read_json_lines_tail(file, 1_000_000) == [{"a": 1}, {"b": 2}]


def test_lines_of_many_writers_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "a"

    def write(letter: bytes) -> None:
        for _ in range(100):
            files.append_line(file, letter * 5000)

    writers = [threading.Thread(target=write, args=(bytes([65 + n]),)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = file.read_bytes().split(b"\n")
    assert len(lines) == 401
    assert all(len(set(line)) == 1 and len(line) == 5000 for line in lines[:-1])
    assert file.stat().st_mode & 0o777 == 0o600


def test_two_lines_are_not_one(tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        files.append_line(tmp_path / "a", b"a\nb")
    assert not (tmp_path / "a").exists()


def test_a_lock_is_held_by_one_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = files.try_lock(path)
    assert first is not None
    assert files.try_lock(path) is None
    first.close()
    first.close()
    with files.try_lock(path) or pytest.fail("not free") as second:
        assert second.path == path
        assert files.try_lock(path) is None
    assert files.try_lock(path) is not None


def test_a_lock_goes_with_its_process_and_not_to_its_children(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = """if True:
        import pathlib, subprocess, sys
        from ao_core import files
        lock = files.try_lock(pathlib.Path(sys.argv[1]))
        child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
        print(child.pid, flush=True)
        sys.stdin.read()"""
    command = [sys.executable, "-c", code, str(path)]
    pipe: Any = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            assert files.try_lock(path) is None
            holder.kill()
            holder.wait()
            with files.try_lock(path) or pytest.fail("still held"):
                os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_lock_on_a_file_removed_meanwhile_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    real = platform.try_flock

    def removed_just_before(descriptor: int) -> bool:
        monkeypatch.setattr(platform, "try_flock", real)
        path.unlink()
        return real(descriptor)

    monkeypatch.setattr(platform, "try_flock", removed_just_before)
    with files.try_lock(path) or pytest.fail("not free"):
        assert files.try_lock(path) is None


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be locked"):
        files.try_lock(tmp_path / "no" / "lock")
