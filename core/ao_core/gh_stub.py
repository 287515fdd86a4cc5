"""Runs `gh pr create` as it would run alone, and leaves word of the pull request it has opened.

Run as a file: `python -I gh_stub.py GH ARGUMENT…`. Who reads what it says gets it as it comes, and
it stays a terminal where it was one; how it ends is how this ends.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

_PAGE = re.compile(rb"https?://\S{1,300}/pull/[0-9]{1,9}(?=\s|$)")
_KEPT = 64 * 1024
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_OPENS_NONE = frozenset({"-w", "--web", "--dry-run"})
_OUT = 1


def main(argv: list[str]) -> NoReturn:
    """Run it, tell of it, and end as it did."""
    if not _is_open(_OUT):
        os.execv(argv[0], argv)  # noqa: S606  # no shell is what we want
    children: list[subprocess.Popen[bytes]] = []
    _pass_on(children)
    watched = not os.isatty(_OUT)
    child = subprocess.Popen(argv, stdout=subprocess.PIPE if watched else None)
    children.append(child)
    said = _copied(child) if watched else None
    status = child.wait()
    if status == 0 and _OPENS_NONE.isdisjoint(argv):
        with suppress(Exception):  # whatever it is, it is no fault of gh's
            _tell(said)
    if status < 0:
        with suppress(OSError):  # some cannot be heeded in another way
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _pass_on(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Whoever ends this means gh; what nobody was to heed is heeded by neither."""

    def passed(number: int, frame: FrameType | None) -> None:
        for child in children:
            child.send_signal(number)

    for one in _PASSED_ON:
        if signal.getsignal(one) is not signal.SIG_IGN:
            signal.signal(one, passed)


def _copied(child: subprocess.Popen[bytes]) -> bytes:
    """The end of what it says, which goes on to who reads it."""
    kept, said = b"", child.stdout
    if said is None:
        return kept
    while chunk := os.read(said.fileno(), 1 << 16):
        kept = (kept + chunk)[-_KEPT:]
        try:
            _written(chunk)
        except OSError:  # nobody reads any more: gh is to notice that as it would
            break
    said.close()
    return kept


def _written(chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(_OUT, chunk) :]


def _tell(said: bytes | None) -> None:
    """Leave word; what a terminal was told is not known here, but that it went well is."""
    from ao_core.spool import HookEvent, HookKind, drop

    pages = _PAGE.findall(said or b"")
    if said is None or pages:
        page = pages[-1].decode(errors="replace") if pages else None
        event = HookEvent("", HookKind.PULL_OPENED, datetime.now(UTC), page)
        drop(Path(os.environ["AO_SPOOL"]), event)


if __name__ == "__main__":
    main(sys.argv[1:])
