"""A process that descends from a worker speaks for that worker, and for nobody else."""

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from ao_core.engine.caller import Role
from ao_core.engine.vetting import Vetting, family_of
from ao_core.errors import Refused
from ao_core.ids import SessionId
from ao_core.model.event import EventKind, Said
from bare_engine import an_engine
from books import Books, a_session, clock_of, opened_books
from team import eventually

ID = "0123abcd"
ME, OTHER = SessionId("app-1"), SessionId("app-2")
# starts one more with an environment that says nothing, and tells its number
_PARENT = """\
import subprocess
child = subprocess.Popen(["sleep", "300"], env={"PATH": "/usr/bin:/bin"})
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    async with opened_books(tmp_path) as books:
        await books.keep(a_session(ME), a_session(OTHER))
        yield books


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def vetting(books: Books, home: Path) -> Vetting:
    engine = cast("Any", an_engine(books))
    engine.home = type("Home", (), {"path": home, "id": ID})
    return Vetting(engine)


@contextmanager
def a_child(env: Mapping[str, str]) -> Generator[int]:
    """A process without a mark, of one that was started with these."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], env={"PATH": os.environ["PATH"], **env},
        stdout=subprocess.PIPE, start_new_session=True,
    ) as parent:  # fmt: skip
        assert parent.stdout
        child = int(parent.stdout.readline())
        try:
            eventually(lambda: b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes())
            yield child
        finally:
            os.killpg(parent.pid, 9)


def of_worker(home: Path, session: str = ME) -> Mapping[str, str]:
    return {"AO_SPOOL": str(home / "app" / "spool" / session)}


async def told(books: Books) -> list[str]:
    events = await books.journal(EventKind.SESSION_OVERSTEPPED)
    return [event.body.text for event in events if isinstance(event.body, Said)]


def test_a_family_is_known_by_what_its_eldest_was_started_with(home: Path) -> None:
    with a_child(of_worker(home)) as pid:
        assert family_of(pid, home, ID).sessions == {ME}
        assert family_of(pid, home.parent / "another", ID).sessions == set()


def test_a_home_is_the_same_by_any_of_its_names(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    with a_child(of_worker(tmp_path / "link")) as pid:
        assert family_of(pid, home, ID).sessions == {ME}


@pytest.mark.parametrize(("mark", "ours"), [(f"{ID}/app-1", True), ("ffffffff/app-1", False)])
async def test_what_the_engine_runs_is_no_person(
    vetting: Vetting, monkeypatch: pytest.MonkeyPatch, mark: str, ours: bool
) -> None:
    pid = os.getpid()
    with a_child({"AO_GATES": mark}) as child:
        monkeypatch.setattr(os, "getpid", lambda: 1)  # else all that runs here is the engine's
        if not ours:
            return await vetting(Role.PERSON, None, child)
        with pytest.raises(Refused, match="What the engine runs is not a person"):
            await vetting(Role.PERSON, None, child)
        monkeypatch.setattr(os, "getpid", lambda: pid)
        with pytest.raises(Refused, match="What the engine runs is not the lead"):
            await vetting(Role.LEAD, None, child)
        await vetting(Role.WORKER, ME, child)


@pytest.mark.parametrize(("role", "claimed"), [(Role.PERSON, "a person"), (Role.LEAD, "the lead")])
async def test_a_workers_process_is_neither_person_nor_lead(
    books: Books, vetting: Vetting, home: Path, role: Role, claimed: str
) -> None:
    with a_child(of_worker(home)) as pid:
        for _ in range(3):
            for session in (None, ME):  # also with a token of its own
                with pytest.raises(Refused, match=f"is not {claimed}"):
                    await vetting(role, session, pid)
        assert len(await told(books)) == 1
        await clock_of(books).advance(120)
        with pytest.raises(Refused):
            await vetting(role, None, pid)
    assert await told(books) == [
        f"a process of this worker claimed to be {claimed}; it was refused"
    ] * 2  # fmt: skip


async def test_a_worker_is_itself_and_no_other(books: Books, vetting: Vetting, home: Path) -> None:
    with a_child(of_worker(home)) as pid:
        await vetting(Role.WORKER, ME, pid)
        with pytest.raises(Refused, match="not another worker"):
            await vetting(Role.WORKER, OTHER, pid)
    (event,) = await books.journal(EventKind.SESSION_OVERSTEPPED)
    assert event.session == ME


async def test_a_session_that_is_not_known_is_refused_and_nobody_told(
    books: Books, vetting: Vetting, home: Path
) -> None:
    for name in ("app-9", "../x"):
        with a_child(of_worker(home, name)) as pid, pytest.raises(Refused):
            await vetting(Role.PERSON, None, pid)
    assert await told(books) == []


async def test_whoever_is_gone_cannot_be_known_and_who_is_out_of_sight_is_believed(
    vetting: Vetting,
) -> None:
    with a_child({}) as pid:
        gone = pid
    eventually(lambda: not Path(f"/proc/{gone}").exists())
    with pytest.raises(Refused, match="is gone"):
        await vetting(Role.PERSON, None, gone)
    await vetting(Role.PERSON, None, None)
