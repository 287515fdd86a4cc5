"""What a session host writes down."""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import ao_core
from ao_core import platform
from ao_core.errors import BadRequest
from ao_core.files import last_lines, write_atomic
from ao_core.host_log import entries, extent
from ao_core.ids import new_token
from ao_core.slots.runtime import Marks
from ao_plugins.runtime._process.held import Held, held_from, this_boot

Ended: TypeAlias = tuple[int | None, int | None]

_KEPT = 20  # logs of those that are gone
_FACTS_LIMIT = 4096
_BATCH = 128  # entries
_CAPACITY = 1 << 18  # where nobody knows: any log from 640 KiB on takes so much after a mark
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_EXIT = re.compile(r"(status|signal)=(\d+)")
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from ao_core.host_main import main; main(sys.argv[2:])"
)


@dataclass(frozen=True, slots=True)
class Place:
    """The folder in which a host keeps what it has of one program."""

    folder: Path

    @property
    def aside(self) -> "Place":
        """Where all this is put to make room for another of this name."""
        return Place(self.folder.with_name(f"{self.folder.name}.old"))

    def held(self) -> Held | None:
        """Who is or was held here."""
        try:
            return held_from(self._facts())
        except (KeyError, ValueError):  # none, or it was interrupted
            return None

    def recorded(self) -> Held | None:
        """Who is held here. When they began is written down, where the host could not tell.

        Asked for but once: another who took over a number must not pass for them later.
        """
        held = self.held()
        if held is None or None not in (held.host_started, held.child_started):
            return held
        began = {"host_started": _began(held.host), "child_started": _began(held.child)}
        facts = self._facts() | {name: repr(when) for name, when in began.items()}
        write_atomic(self.folder / "meta", "\n".join(f"{name}={facts[name]}" for name in facts))
        return self.held()

    def is_of(self, held: Held) -> bool:
        """Whether this is its place, and not that of a later one of the same name."""
        found = self.held()
        return found is not None and found.token == held.token

    def exit(self, held: Held) -> Ended | None:
        """Status or signal with which it ended, once that is known."""
        token, _, how = self._read("exit", _FACTS_LIMIT).decode(errors="replace").partition(" ")
        return how_it_ended(how) if token == held.token else None

    def ended_at(self) -> float | None:
        """When it ended, by the clock."""
        try:
            return (self.folder / "exit").stat().st_mtime
        except OSError:
            return None

    def mark(self) -> tuple[int, bytes]:
        """From where on the log is to be told, and the note that stands for what is before."""
        data = self._read("mark")
        return int.from_bytes(data[:8], "big"), data[8:]

    def write_mark(self, offset: int, note: bytes) -> None:
        """Mark the log of one that has ended; as long as it runs its host does that."""
        write_atomic(self.folder / "mark", offset.to_bytes(8, "big") + note)

    def marks(self) -> Marks:
        """What was typed last."""
        pasted, _, submitted = self._read("marks", _FACTS_LIMIT).decode().partition("\n")
        return Marks(pasted or None, submitted or None)

    def capacity(self, held: Held) -> int:
        """How much a host takes after a mark before its program has to wait."""
        facts = self._facts()
        if "cap" not in facts and held.is_hosted():
            facts |= _told_to(held.host)
        try:
            segment, cap = int(facts["segment"]), int(facts["cap"])
        except (KeyError, ValueError):
            return _CAPACITY
        return max(cap - segment, cap // 2)

    def complaints(self, lines: int) -> str:
        """The end of what a piped program complained of."""
        found = last_lines(self.folder / "stderr", lines)
        if len(found) < lines:
            found = [*last_lines(self.folder / "stderr.1", lines - len(found)), *found]
        return "\n".join(line.decode(errors="replace") for line in found)

    def extent(self) -> tuple[int, int]:
        """Where the log begins and about where it ends; nothing where it is gone."""
        try:
            return extent(str(self.folder))
        except OSError:
            return 0, 0

    def entries(self, offset: int) -> Iterator[tuple[bytes, bytes, int]]:
        """What is in the log from there on; nothing where it is gone."""
        with suppress(OSError):
            yield from entries(str(self.folder), offset)

    def own_entries(self, held: Held, offset: int) -> Iterator[tuple[bytes, bytes, int]]:
        """The same of this very program, also where it was put aside meanwhile."""
        for place in (self, self.aside):
            found = place.entries(offset)
            # whose they are is looked at once they are read: what is open moves along
            while (batch := list(islice(found, _BATCH))) and place.is_of(held):
                offset = batch[-1][2]
                yield from batch

    def put_aside(self) -> None:
        """Make room for another of this name; what was said last under it is kept."""
        if not self.folder.exists():
            return
        old = self.aside.folder
        shutil.rmtree(old, ignore_errors=True)
        self.folder.rename(old)
        older = sorted(old.parent.glob("*.old"), key=_changed)
        for path in older[:-_KEPT]:
            shutil.rmtree(path, ignore_errors=True)

    def remove(self) -> None:
        """Remove all that is kept under this name."""
        for place in (self, self.aside):
            shutil.rmtree(place.folder, ignore_errors=True)

    def _facts(self) -> dict[str, str]:
        text = self._read("meta", _FACTS_LIMIT).decode(errors="replace")
        return dict(_fact(line) for line in text.splitlines())

    def _read(self, name: str, limit: int = -1) -> bytes:
        try:
            with (self.folder / name).open("rb") as file:
                return file.read(limit)
        except OSError:
            return b""


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # somebody removed it meanwhile
        return 0.0


def how_it_ended(how: str) -> Ended | None:
    """Read `status=N` or `signal=N`."""
    if not (found := _EXIT.fullmatch(how)):
        return None
    number = int(found[2])
    return (number, None) if found[1] == "status" else (None, number)


def checked_id(text: str) -> str:
    """A name that may become a folder's."""
    if not _ID.fullmatch(text):
        shown = ascii(text[:60])
        raise BadRequest(f"{shown} cannot name an agent", hint="Use letters, digits, `_` and `-`.")
    return text


def host_command(
    folder: Path, sockets: Path, pad: Path, kind: str, log: tuple[int, int]
) -> list[str]:
    """The command line of a host that fetches its program from a launchpad."""
    root = str(Path(ao_core.__file__).parents[1])
    socket = sockets / f"h-{new_token(6)}"
    told = (folder, socket, pad, this_boot(), kind, *log)
    python = (sys.executable, "-I", "-S", "-E", "-X", "utf8", "-c", _BOOT, root)
    return [*python, *(str(one) for one in told)]


def _told_to(host: int) -> dict[str, str]:
    """What a host's command line ends with; before they wrote it down it was only there."""
    import psutil

    with suppress(psutil.Error):
        return dict(zip(("segment", "cap"), psutil.Process(host).cmdline()[-2:], strict=False))
    return {}


def _fact(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name, value


def _began(pid: int) -> float:
    """When a process began; of one that is gone, when nobody did."""
    return platform.process_started(pid) or 0.0
