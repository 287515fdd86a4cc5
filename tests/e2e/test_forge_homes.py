"""Two homes on two clones of one repository on GitHub: neither takes the other's for its own."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from e2e.forge import APP, Forge, cloned, pushed, settings, signed_in
from e2e.whole_story import Story
from standins.github import GitHub, hosted
from standins.github.records import Pull
from team import Team, git

BOTH = ("red", "blue")
SAFE = "lifecycle: {merge_cleanup_idle_grace: 1h}\n"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def github(tmp_path: Path) -> Generator[GitHub]:
    with hosted(tmp_path / "host") as host:
        yield host


@pytest.fixture
def forges(tmp_path: Path, github: GitHub) -> Generator[dict[str, Forge]]:
    origin = pushed(github, tmp_path / "first", settings(github, before=SAFE))
    made: dict[str, Forge] = {}
    for name in BOTH:
        signed_in(tmp_path / name, github.token)
        clone = cloned(github, origin, tmp_path / f"clone-{name}" / "sample")
        team = Team(tmp_path / name / "home", clone, tmp_path / name / "run").trusted()
        made[name] = Forge(team, github, tmp_path / name)
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
    at = forges["red"].world.named(APP)
    assert len(at.pulls) == 4
    merges = git(at.bare.folder, "rev-list", "--merges", "--first-parent", "--count", "main")
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
        assert shown["pull_request_url"].endswith(f"/pull/{pulls[name].number}")
        assert [one["session"] for one in forge.merge(red)["members"]] == [red]
    assert all(pull.merged_at for pull in pulls.values())
    assert [(one.state, one.comments, one.reviews) for one in others] == 2 * [("open", [], [])]
    for name, forge in forges.items():
        said = [line for line in forge.team.journal() if "pr." in line]
        assert all(pulls[name].head_sha in line for line in said), said


def alike(forge: Forge, pull: Pull) -> Pull:
    """Somebody's own pull request, on a branch whose name goes on where the worker's ends."""
    branch = f"{pull.head}-2"
    forge.world.commit(APP, branch, {f"other-{pull.number}.txt": "other\n"})
    return forge.world.pull(APP, branch, author=forge.world.reviewer)
