"""Real clients lead a team over stdio, with a scripted model behind them.

They are looked for in the folder that AO_CLIENTS names, and skipped without it. `make clients`
brings them from npm into build/clients, runs them all and shows the table.
"""

import os
from pathlib import Path

import pytest

from clients.known import KNOWN
from clients.play import play, staged
from clients.proof import STORIES

FOLDER = Path(os.environ.get("AO_CLIENTS") or os.devnull).resolve()
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("story", STORIES)
def test_a_real_client_leads_a_team(name: str, story: str, tmp_path: Path) -> None:
    client, told = KNOWN[name], STORIES[story]
    version = client.installed(FOLDER)
    if version is None:
        pytest.skip("AO_CLIENTS names no folder with it; see `make clients`")
    assert version == client.version
    with staged(tmp_path / "s", told.confirm) as stage:
        played = play(client, FOLDER, stage, killed=told.killed)
        for check in told.checks.values():
            check(played)
