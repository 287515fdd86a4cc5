"""An engine whose home is taken away has nothing left to hold."""

import shutil

import psutil
import pytest

from team import Team, eventually


@pytest.mark.slow
def test_the_engine_ends_with_its_home(team: Team) -> None:
    engine = psutil.Process(team.engine_pid)
    shutil.rmtree(team.home)
    eventually(lambda: not engine.is_running() or engine.status() == "zombie")
