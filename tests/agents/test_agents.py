"""Real agents as workers, in real terminals, with a scripted model behind them.

They are looked for in the folder that AO_AGENTS names, and skipped without it. `make agents` brings
them, runs them all and shows the table.
"""

import os
from pathlib import Path

import pytest

from agents.known import known
from agents.playing import is_good
from agents.stage import staged
from agents.story import play

FOLDER = Path(os.environ.get("AO_AGENTS") or os.devnull).resolve()
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.mark.parametrize("name", known())
def test_a_real_agent_plays_its_story(name: str, tmp_path: Path) -> None:
    real = known()[name]
    version = real.installed(FOLDER)
    if version is None:
        pytest.skip("AO_AGENTS names no folder with it; see `make agents`")
    assert version == real.version
    with staged(real, tmp_path / "s", FOLDER) as stage:
        found = play(stage)
    assert {step: said for step, said in found.items() if not is_good(said)} == {}
