"""Git runs where the session runs: through the runtime's `exec`, whatever the engine does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ao_core import process
from ao_core.engine.keys import Ticket
from ao_core.engine.kill import kill
from ao_core.engine.reading import What, read
from ao_core.engine.restore import restore
from ao_core.engine.side import run_in
from ao_core.engine.spawn import Wish, spawn
from ao_core.engine.trains import Wish as TrainWish
from ao_core.engine.trains import merge
from ao_core.model.session import PrState, Session, SessionReason
from ao_core.process import Completed
from ao_plugins.runtime.tmux import Tmux
from inside import a_person, engine_at, settled
from team import git


class Recorder:
    """Every command that was started, and every one that was asked of the runtime."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[Sequence[str]] = []
        self.passed: list[Sequence[str]] = []
        start, through = process._start, Tmux.exec  # pyright: ignore[reportPrivateUsage]

        async def starting(argv: Sequence[str], *rest: Any, **more: Any) -> Any:
            self.started.append(tuple(argv))
            return await start(argv, *rest, **more)

        async def passing(
            runtime: Tmux, where: Any, argv: Sequence[str], *rest: Any, **more: Any
        ) -> Completed:
            self.passed.append(tuple(argv))
            return await through(runtime, where, argv, *rest, **more)

        monkeypatch.setattr(process, "_start", starting)
        monkeypatch.setattr(Tmux, "exec", passing)

    def clear(self) -> None:
        self.started.clear()
        self.passed.clear()

    def check(self) -> None:
        """Nothing but what finds the project was run past the runtime."""
        outside = list(self.started)
        for argv in self.passed:
            outside.remove(argv)
        finding = ("worktree list --porcelain -z", "tmux -V")  # the project, the runtime
        assert self.passed
        assert not [argv for argv in outside if not " ".join(argv).endswith(finding)]
        self.clear()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "sample"


async def test_every_git_of_a_sessions_life_passes_the_runtime(
    home: Path, repository: Path, recorder: Recorder
) -> None:
    caller = a_person(repository)
    async with engine_at(settled(home, repository)) as engine:
        await engine.projects.for_caller(caller, None)
        recorder.clear()

        script = "do: write a.txt a\ndo: commit a\ndo: write b.txt b"
        session = (await spawn(engine, caller, Wish(prompt=script), Ticket())).id
        recorder.check()
        await engine.records.until(lambda: opened(engine.session(session)))
        await read(engine, session, What.DIFF, None, 4_000)
        recorder.check()

        killed = await kill(engine, session, reason=SessionReason.MANUALLY_KILLED)
        assert killed.saved
        recorder.check()
        await restore(engine, caller, session, Ticket())
        recorder.check()
        await kill(engine, session, reason=SessionReason.MANUALLY_KILLED)
        recorder.clear()
        report = await merge(engine, [session], TrainWish())
        assert report.commit == git(repository, "rev-parse", "main")
        recorder.check()


async def test_as_much_is_read_as_was_asked_for(home: Path, repository: Path) -> None:
    async with engine_at(settled(home, repository)) as engine:
        run = run_in(await engine.projects.for_caller(a_person(repository), None), repository)
        said = await run(["head", "-c", "1000", "/dev/zero"], limit=10)
    assert len(said.stdout) == 10
    assert said.truncated


def opened(session: Session) -> Session | None:
    return session if session.pr.state is PrState.OPEN else None
