"""How many workers there may be, as it is configured."""

from pathlib import Path

import pytest

from ao_core.config.load import engine_settings, load, project
from ao_core.config.problem import ConfigProblems

ENVIRONMENT = {"HOME": "/nobody"}


def most(home: Path, text: str) -> int | None:
    (home / "config.yaml").write_text(text)
    return engine_settings(home, ENVIRONMENT).max_workers


@pytest.mark.parametrize(
    ("text", "said"),
    [("", 16), ("maxWorkers: 3\n", 3), ("max_workers: 4\n", 4), ("maxWorkers: null\n", None)],
)
def test_the_home_says_how_many_workers_there_may_be_in_all(
    tmp_path: Path, text: str, said: int | None
) -> None:
    assert most(tmp_path, text) == said


@pytest.mark.parametrize("value", ["0", "-1", "lots", "1001"])
def test_a_limit_nobody_could_keep_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigProblems) as caught:
        most(tmp_path, f"maxWorkers: {value}\n")
    assert "belongs to a project" not in caught.value.message


def test_a_repository_limits_its_own_project_and_nobody_elses(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "shop"
    home.mkdir()
    folder.mkdir()
    file = folder / "agent-orchestrator.yaml"
    file.write_text("maxWorkers: 2\nprojects:\n  shop:\n    path: .\n    maxWorkers: 3\n")
    loaded = load(file, environment=ENVIRONMENT, home=home)
    assert project(loaded, "shop").max_workers == 3
    assert loaded.settings.max_workers == 16
    (warning,) = [str(one) for one in loaded.warnings]
    assert "no effect here, only in the home's config.yaml" in warning
