"""A person's settings file: read whole, replaced whole, and never without a copy of what was."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ao_core.errors import ConfigError, Conflict
from ao_core.files import in_our_words, write_atomic

PRIVATE, SHARED = 0o600, 0o644
_LARGEST = 64 * 1024 * 1024
_BACKUP = ".ao-backup"
_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a file says now; `bytes` is None where there is no file."""

    path: Path
    bytes: bytes | None

    @property
    def text(self) -> str:
        """Its text, without the mark that some editors put before it."""
        try:
            return (self.bytes or b"").decode().removeprefix(_MARK)
        except UnicodeDecodeError as exc:
            hint = "It has to be UTF-8; nothing was changed."
            raise ConfigError(f"{self.path}: byte {exc.start} is not text.", hint=hint) from exc

    def write(self, text: str, mode: int) -> Path | None:
        """Put another text in its place; where there was one, returns where that is kept."""
        if read(self.path).bytes != self.bytes:
            raise Conflict(f"{self.path} was changed meanwhile.", hint="Try again.")
        if self.bytes is None:
            with in_our_words(self.path, "written"):
                folder = 0o700 if mode == PRIVATE else 0o755
                self.path.parent.mkdir(mode=folder, parents=True, exist_ok=True)
            write_atomic(self.path, text, mode)
            return None
        kept = stat.S_IMODE(self.path.stat().st_mode)
        backup = _free(self.path.with_name(self.path.name + _BACKUP))
        write_atomic(backup, self.bytes, kept)
        mark = _MARK if self.bytes.startswith(_MARK.encode()) else ""
        write_atomic(self.path, mark + text, kept)
        return backup


def read(path: Path) -> SettingsFile:
    """The file, where it really is: what links to it goes on doing so."""
    real = Path(os.path.realpath(path))
    if os.path.lexists(real) and not real.is_file():
        raise ConfigError(f"{real} is not a plain file.", hint="Remove what is there.")
    with in_our_words(real, "read"):
        try:
            with real.open("rb") as file:
                found = file.read(_LARGEST + 1)
        except FileNotFoundError:
            return SettingsFile(real, None)
    if len(found) > _LARGEST:
        raise ConfigError(f"{real} is too large to be a settings file.")
    return SettingsFile(real, found)


def _free(path: Path) -> Path:
    """The first name that nothing has: an older copy is worth as much."""
    number, free = 1, path
    while os.path.lexists(free):
        number, free = number + 1, path.with_name(f"{path.name}.{number}")
    return free
