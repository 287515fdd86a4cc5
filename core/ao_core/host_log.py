"""The log of a session host: all that a program said and was told, in one order.

It is a stream of entries: a kind (1 byte), a length (4 bytes, big endian) and so many bytes. Kinds
are `S` said by the program, `T` told to it, `Z` its terminal became so many columns and rows (2
bytes each). An offset counts the bytes of the stream. The stream is kept in segments, files named
by the offset at which they begin (16 hexadecimal digits); no entry lies in two of them. Half an
entry at the very end was never said.

Standard library only, and as little of it as possible: a host weighs what it imports.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = 5
SAID, TOLD, SIZED = b"S", b"T", b"Z"

_NAME = 16


def framed(kind: bytes, data: bytes) -> bytes:
    """An entry, or a frame of the protocol: they have the same shape."""
    return kind + len(data).to_bytes(4, "big") + data


def size_of(head: "bytes | bytearray") -> int:
    """How long a frame is, of which the first bytes are known."""
    return HEAD + int.from_bytes(head[1:HEAD], "big")


def take_frame(inbox: bytearray) -> "tuple[bytes, bytes] | None":
    """Take the first frame out of what has come, if all of it has: its kind, and what is in it."""
    if len(inbox) < HEAD or len(inbox) < (size := size_of(inbox)):
        return None
    kind, data = bytes(inbox[:1]), bytes(inbox[HEAD:size])
    del inbox[:size]
    return kind, data


class Log:
    """The writer's side."""

    def __init__(self, folder: str, segment: int) -> None:
        self._folder, self.segment = folder, segment
        self._bases: list[int] = []
        self._file = -1
        self.end = 0
        self._begin()

    @property
    def start(self) -> int:
        """What is before is gone."""
        return self._bases[0]

    @property
    def held(self) -> int:
        """How many bytes there are."""
        return self.end - self.start

    def append(self, kind: bytes, data: bytes) -> None:
        """Add one entry. Where that fails nothing was added."""
        if self.end - self._bases[-1] >= self.segment:
            self._begin()
        entry, at = framed(kind, data), self.end - self._bases[-1]
        try:
            self._write(entry, at)
        except OSError:
            os.ftruncate(self._file, at)
            raise
        self.end += len(entry)

    def drop(self, before: int) -> None:
        """Remove the segments of which all is before an offset."""
        while len(self._bases) > 1 and self._bases[1] <= before:
            self._drop_first()

    def shrink(self, cap: int) -> None:
        """Remove the oldest segments until no more than so many bytes are left."""
        while len(self._bases) > 1 and self.held > cap:
            self._drop_first()

    @property
    def last(self) -> int:
        """Where the segment begins that still grows."""
        return self._bases[-1]

    def opened(self, offset: int) -> tuple[int, int]:
        """The file of the segment that holds an offset, and where it begins."""
        base = max(base for base in self._bases if base <= offset)
        return os.open(self._path(base), os.O_RDONLY | os.O_CLOEXEC), base

    def _begin(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        file = os.open(self._path(self.end), flags, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        self._bases.append(self.end)

    def _write(self, entry: bytes, at: int) -> None:
        rest = memoryview(entry)
        while rest:
            written = os.pwrite(self._file, rest, at)
            rest, at = rest[written:], at + written

    def _drop_first(self) -> None:
        try:
            os.unlink(self._path(self._bases.pop(0)))
        except OSError:  # somebody was faster
            return

    def _path(self, base: int) -> str:
        return segment_path(self._folder, base)


def segment_path(folder: str, base: int) -> str:
    """The file of the segment that begins there."""
    return f"{folder}/{base:0{_NAME}x}"


def segments(folder: str) -> list[int]:
    """Where the segments of a log begin."""
    names = [name for name in os.listdir(folder) if len(name) == _NAME]
    return sorted(int(name, 16) for name in names if set(name) <= set("0123456789abcdef"))


def extent(folder: str) -> tuple[int, int]:
    """Where a log begins, and about where it ends: half an entry may be counted."""
    bases = segments(folder)
    if not bases:
        return 0, 0
    return bases[0], bases[-1] + os.stat(segment_path(folder, bases[-1])).st_size


def entries(folder: str, offset: int) -> "Iterator[tuple[bytes, bytes, int]]":
    """Kind, content and end of each entry from an offset on, as far as they are written."""
    bases = segments(folder)
    for base, after in zip(bases, [*bases[1:], offset + 1], strict=False):
        if after > offset:
            yield from _in_segment(folder, base, offset)


def _in_segment(folder: str, base: int, offset: int) -> "Iterator[tuple[bytes, bytes, int]]":
    try:
        file = open(segment_path(folder, base), "rb")  # noqa: SIM115
    except FileNotFoundError:  # it was dropped meanwhile
        return
    with file:
        at = max(base, offset)
        file.seek(at - base)
        while len(head := file.read(HEAD)) == HEAD:
            data = file.read(size_of(head) - HEAD)
            at += HEAD + len(data)
            if len(data) < size_of(head) - HEAD:
                return
            yield head[:1], data, at
