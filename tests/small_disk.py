"""A small disk of one's own that can be filled to the last page, and to the last inode."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Unit = Literal["pages", "inodes"]

SIZE, INODES = 24 * 1024 * 1024, 3000
GIVEN = "SMALL_DISK"  # where one is mounted already, for those who may not mount


class SmallDisk:
    """A tmpfs: it has no blocks reserved for root, so that root is refused as anybody is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"
        self._filler.mkdir()

    def fill(self, unit: Unit, leave: int) -> None:
        """Take all room but so much."""
        self.free()
        if unit == "pages":
            self._fill_pages(leave)
        else:
            self._fill_inodes(leave)

    def free(self) -> None:
        """Give all of it back."""
        for file in self._filler.iterdir():
            file.unlink()

    def _fill_pages(self, leave: int) -> None:
        with (self._filler / "pages").open("wb") as file:
            found = os.statvfs(self.path)
            if found.f_bavail > leave:
                with suppress(OSError):  # somebody else took some meanwhile
                    os.posix_fallocate(file.fileno(), 0, (found.f_bavail - leave) * found.f_frsize)

    def _fill_inodes(self, leave: int) -> None:
        with suppress(OSError):
            for number in range(os.statvfs(self.path).f_favail - leave):
                (self._filler / str(number)).touch()


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
