"""The home's own token, by which HTTP clients of its user are known. Standard library and the core.

A file of the home that only its user can read. Whoever replaces it has the old one refused at once:
the file is looked at whenever a token is shown.
"""

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from ao_core.errors import AoError, ConfigError, StoreUnavailable
from ao_core.files import private_dir, write_atomic

FILE = "http-token"

_BYTES = 32
_LIMIT = 1_000
_NEW = "`ao token --new` makes another one."


def token_file(home: Path) -> Path:
    """Where it is kept."""
    return home / FILE


def own_token(home: Path) -> str:
    """The token; made if there is none."""
    found = _read(token_file(home))
    return new_token(home) if found is None else found


def new_token(home: Path) -> str:
    """Another token. The one before it is worth nothing from here on."""
    private_dir(home)
    made = f"ao_{secrets.token_urlsafe(_BYTES)}"
    write_atomic(token_file(home), made + "\n", 0o600)
    return made


def require_safe(home: Path) -> None:
    """Raise what is wrong with the file; that there is none yet is nothing wrong."""
    _read(token_file(home))


class HomeToken:
    """Knows the token as it is now. `learn` is told of each, so that none reaches a log."""

    def __init__(self, home: Path, learn: Callable[[Iterable[str]], None]) -> None:
        self._file, self._learn = token_file(home), learn
        self._seen: tuple[int, ...] = ()
        self._digest = b""  # of nothing: no token has it

    def is_it(self, digest: bytes) -> bool:
        """Whether that is its digest, in a time that tells nothing."""
        self._look()
        return hmac.compare_digest(digest, self._digest)

    def _look(self) -> None:
        try:
            found = self._file.stat()
        except OSError:  # gone, and with it everybody's leave
            self._seen, self._digest = (), b""
            return
        mark = (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)
        if mark != self._seen:
            self._seen, self._digest = mark, b""
            with suppress(AoError):  # one that others can read is nobody's; `ao doctor` says so
                self._take(_read(self._file))

    def _take(self, token: str | None) -> None:
        if token:
            self._learn([token])
            self._digest = digest_of(token)


def digest_of(token: str) -> bytes:
    """What is compared, and kept of a visitor, in place of a token."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _read(file: Path) -> str | None:
    try:
        with open(file, encoding="ascii") as opened:
            if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                raise ConfigError(f"{file} can be read by others.", hint=_NEW)
            return opened.read(_LIMIT).strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise StoreUnavailable(f"{file} cannot be read.", hint=_NEW) from exc
