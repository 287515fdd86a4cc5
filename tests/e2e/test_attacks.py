"""What a worker's own processes can do, tried one by one, is what docs/security.md says."""

import os
import re
from collections.abc import Generator
from pathlib import Path

import pytest

from attacks.at_files import SECRET
from attacks.rows import ATTACKS, Attack
from attacks.scene import Scene
from team import CONFIG, Team, git

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
GATES = "    gates: [{name: checks, command: [sh, check.sh]}]\n    agent:"
_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)

pytestmark = [
    pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="there is no /proc"),
    pytest.mark.xdist_group("attacks"),
]


def told() -> dict[str, tuple[str, str]]:
    """The rows of the document's table."""
    section = DOCUMENT.read_text().partition("\n## What was tried\n")[2].partition("\n## ")[0]
    rows = _ROW.findall(section)
    return {
        name: (tried, outcome) for name, tried, outcome in rows if name not in ("attack", "---")
    }


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Generator[Scene]:
    folder = tmp_path_factory.mktemp("attacks")
    repository = Team.new_repository(folder / "sample", CONFIG.replace("    agent:", GATES))
    (repository / "check.sh").write_text("exit 0\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "checks")
    team = Team(folder / "home", repository, folder / "run")
    team.env["GITHUB_TOKEN"] = SECRET
    me, other = (team.trusted().spawn("do: say ready") for _ in range(2))
    for session in (me, other):
        team.until(session, "idle")
    orders = folder / "orders"
    orders.mkdir()
    yield Scene(team, me, other, orders)
    team.end()


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_comes_to_what_the_document_says(scene: Scene, attack: Attack) -> None:
    assert (attack.tried, attack.outcome(scene)) == told()[attack.name]


def test_the_document_tells_of_every_attack_and_of_no_other() -> None:
    assert list(told()) == [attack.name for attack in ATTACKS]
