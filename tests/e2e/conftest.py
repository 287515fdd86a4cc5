"""A team on real git, real tmux and a real engine process, in a home of its own."""

import os
from collections import defaultdict
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from e2e.forge import Forge, begun, settings
from e2e.hosts import HOSTS, Host, host_of
from rounds import EVERY_KIND
from team import PLAIN, Kind, Team, processes_of


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test for more than three kinds of team runs for its first and one other, which take turns.

    All of them run with EVERY_KIND set, and where tests are named one by one.
    """
    if EVERY_KIND or any("::" in argument for argument in config.args):
        return
    tests: dict[str, dict[Kind, list[pytest.Item]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        if isinstance(kind := _parameters(item).get("kind"), Kind):
            tests[item.nodeid.partition("[")[0]][kind].append(item)
    left_out: list[pytest.Item] = []
    turn = count()
    for by_kind in tests.values():
        _, *others = by_kind
        if len(others) > 2:
            others.pop(next(turn) % len(others))
            left_out += [item for kind in others for item in by_kind[kind]]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _parameters(item: pytest.Item) -> dict[str, Any]:
    called = getattr(item, "callspec", None)
    return called.params if called else {}


@pytest.fixture(scope="session", autouse=True)
def nothing_left(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """No process of any test outlives them all."""
    yield
    left = processes_of(tmp_path_factory.getbasetemp())
    assert not left, f"left behind: {[process.cmdline() for process in left]}"


@pytest.fixture
def kind() -> Kind:
    """The plain one. `parametrize("kind", KINDS, ids=str)` runs a test for each, in turns."""
    return PLAIN


@pytest.fixture
def repository(tmp_path: Path, kind: Kind) -> Path:
    """A repository with one commit and a configuration whose agent is the shipped worker."""
    return Team.new_repository(tmp_path / "sample", kind.project())


@pytest.fixture
def team(tmp_path: Path, repository: Path, kind: Kind) -> Generator[Team]:
    """Everything a lead needs; ended afterwards, with nothing left behind."""
    one = Team(tmp_path / "home", repository, tmp_path / "run", kind)
    yield one.trusted()
    one.end()


@pytest.fixture(params=HOSTS)
def host(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[Host]:
    """Each host that work can go to, one after the other."""
    with host_of(request.param, tmp_path / "host") as one:
        yield one


@pytest.fixture
def forge(tmp_path: Path, host: Host, kind: Kind) -> Generator[Forge]:
    """Everything a lead needs, for a repository that is there."""
    repository = begun(host, tmp_path, settings(host, kind))
    team = Team(tmp_path / "home", repository, tmp_path / "run", kind)
    yield Forge(team.trusted(), host, tmp_path)
    team.end()


@pytest.fixture(scope="module")
def shared_team(tmp_path_factory: pytest.TempPathFactory) -> Generator[Team]:
    """One for a whole file, whose tests start workers of their own and leave the others alone."""
    folder = tmp_path_factory.mktemp("shared")
    repository = Team.new_repository(folder / "sample", PLAIN.project())
    with pytest.MonkeyPatch.context() as patch:
        _forget_settings(patch)
        one = Team(folder / "home", repository, folder / "run")
        yield one.trusted()
        one.end()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an engine inside the test's own process has its home."""

    def quiet(*told: object) -> None:
        """The log of the tests' own process is left alone."""

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("ao_mcp.app._write_log", quiet)
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own configuration reaches a test."""
    _forget_settings(monkeypatch)


def _forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AO_", "TMUX", "GIT_"))]:
        if name != "AO_SPECS":  # where vendors' descriptions are is no setting
            monkeypatch.delenv(name)
