"""Two homes on two clones of one repository on a host: neither takes the other's for its own."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from e2e.forge import Forge, cloned, pushed, settings, signed_in
from e2e.hosts import APP, Host
from e2e.whole_story import Story
from team import Team, git

BOTH = ("red", "blue")
SAFE = "lifecycle: {merge_cleanup_idle_grace: 1h}\n"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def forges(tmp_path: Path, host: Host) -> Generator[dict[str, Forge]]:
    origin = pushed(host, tmp_path / "first", settings(host, before=SAFE))
    made: dict[str, Forge] = {}
    for name in BOTH:
        signed_in(tmp_path / name, host.at.token, host.variable)
        clone = cloned(host, origin, tmp_path / f"clone-{name}" / "sample")
        team = Team(tmp_path / name / "home", clone, tmp_path / name / "run").trusted()
        made[name] = Forge(team, host, tmp_path / name)
    yield made
    for forge in made.values():
        forge.team.end()


def test_two_homes_work_at_once_and_touch_nothing_of_each_other(forges: dict[str, Forge]) -> None:
    stories = {name: Story(forge, name) for name, forge in forges.items()}
    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(stories, pool.map(Story.run, stories.values()), strict=True))
    assert done["red"] == done["blue"] == ("sam-1", "sam-2")  # the same names; nothing else is
    for name, story in stories.items():
        story.is_whole(*done[name])
    host = forges["red"].host
    assert len(host.every()) == 4
    merges = git(host.bare, "rev-list", "--merges", "--first-parent", "--count", "main")
    assert merges == "4"


def test_a_pull_request_of_somebody_else_is_nobodys(forges: dict[str, Forge]) -> None:
    red, blue = (forge.spawn(f"do: write {name}.txt a", f"do: commit {name}")
                 for name, forge in forges.items())  # fmt: skip
    pulls = {name: forge.pull("sam-1") for name, forge in forges.items()}
    assert red == blue
    others = [alike(forges[name], pull) for name, pull in pulls.items()]
    for name, forge in forges.items():
        forge.approved(red)
        shown = forge.team.call("show", session=red)
        number = forge.host.number(pulls[name])
        assert shown["pull_request_url"].endswith(f"{forge.host.page}{number}")
        assert [one["session"] for one in forge.merge(red)["members"]] == [red]
        assert forge.host.is_merged(pulls[name])
    for name, one in zip(forges, others, strict=True):
        host = forges[name].host
        assert not host.is_merged(one)
        assert (one.closed_at, host.words(one)) == (None, [])
    for name, forge in forges.items():
        said = [line for line in forge.team.journal() if "pr." in line]
        assert all(forge.host.head(pulls[name]) in line for line in said), said


def alike(forge: Forge, pull: Any) -> Any:
    """Somebody's own pull request, on a branch whose name goes on where the worker's ends."""
    shown = forge.team.call("show", session="sam-1")
    branch = f"{shown['branch']}-2"
    forge.world.commit(APP, branch, {f"other-{forge.host.number(pull)}.txt": "other\n"})
    number = forge.host.opened(branch)
    return forge.host.every()[number]
