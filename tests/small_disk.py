"""A small disk of one's own that can be filled to the last page, and to the last inode."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Unit = Literal["pages", "inodes"]

SIZE, INODES = 24 * 1024 * 1024, 3000
_TRIES = 5
GIVEN = "SMALL_DISK"  # where one is mounted already, for those who may not mount


class SmallDisk:
    """A tmpfs: it has no blocks reserved for root, so that root is refused as anybody is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"
        self._filler.mkdir()

    def fill(self, unit: Unit, leave: int) -> None:
        """Take all room but so much; more than once, where somebody gives some back meanwhile."""
        self.free()
        take = self._take_pages if unit == "pages" else self._take_inodes
        for part in range(_TRIES):
            take(self.room(unit) - leave, str(part))
            if self.room(unit) <= leave:
                return
        raise AssertionError(f"{self.room(unit)} {unit} are left of {leave}")

    def room(self, unit: Unit) -> int:
        """How much there is."""
        found = os.statvfs(self.path)
        return found.f_bavail if unit == "pages" else found.f_favail

    def free(self) -> None:
        """Give all of it back."""
        for file in self._filler.iterdir():
            file.unlink()

    def _take_pages(self, count: int, part: str) -> None:
        size = count * os.statvfs(self.path).f_frsize
        with (self._filler / part).open("wb") as file, suppress(OSError):  # somebody was faster
            if size > 0:
                os.posix_fallocate(file.fileno(), 0, size)

    def _take_inodes(self, count: int, part: str) -> None:
        with suppress(OSError):
            for number in range(count):
                (self._filler / f"{part}-{number}").touch()


@contextmanager
def mounted(path: Path, uid: int = 0) -> Generator[Path]:
    """Mount one; takes root."""
    path.mkdir(parents=True)
    options = f"size={SIZE},nr_inodes={INODES},mode=0700,uid={uid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)
