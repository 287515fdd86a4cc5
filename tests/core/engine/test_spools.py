"""What hooks leave is taken in bit by bit, also where somebody means to be in the way."""

import os
from datetime import UTC, datetime
from pathlib import Path

from ao_core import spool
from ao_core.engine.spools import AT_ONCE, Spools, removed
from ao_core.spool import HookEvent, HookKind, Raw

AT = datetime(2026, 1, 1, tzinfo=UTC)


def understood(raw: Raw) -> HookEvent | None:
    return None


def test_of_thousands_only_so_many_are_taken_in_together(tmp_path: Path) -> None:
    for number in range(AT_ONCE + 5):
        spool.drop(tmp_path, HookEvent("", HookKind.REPORTED, AT, text=str(number)))
    spools = Spools()
    spools.add("app-1", tmp_path)
    sizes: list[int] = []
    while files := spools.read("app-1", (), understood)[1]:
        sizes.append(len(files))
        assert removed(files)
    spools.close()
    assert sizes == [AT_ONCE, 5]


def test_what_cannot_be_removed_keeps_nobody_from_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / f"{10**18}-ab.json"
    folder.mkdir()
    event = spool.drop(tmp_path, HookEvent("", HookKind.REPORTED, AT, text="well"))
    pipe = tmp_path / f"{10**18}-cd.json"
    os.mkfifo(pipe)
    spools = Spools()
    spools.add("app-1", tmp_path)
    events, files = spools.read("app-1", (), understood)
    assert [one.text for one in events] == ["well"]
    assert removed(files)
    assert (folder.exists(), event.exists(), pipe.exists()) == (True, False, False)
    assert not removed([folder])
    assert spools.read("app-1", (folder.name,), understood) == ([], [folder])
    spools.close()
