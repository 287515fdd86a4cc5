"""Keys hold however many workers are started at the same time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from team import HELD, Team, git

pytestmark = pytest.mark.parametrize("kind", HELD, ids=str)


def test_a_key_starts_one_worker_even_among_many_that_start_together(team: Team) -> None:
    def spawned(number: int) -> str:
        return team.spawn("do: say ready", key=f"key-{number}")

    with ThreadPoolExecutor(6) as pool:
        first = list(pool.map(spawned, range(6)))
        again = list(pool.map(spawned, range(6)))

    assert again == first
    assert len(set(first)) == len(team.call("list")["sessions"]) == 6
    assert len(git(team.repository, "branch", "--list", "ao/*").splitlines()) == 6


def test_an_argument_said_as_it_is_by_default_is_the_same_call(team: Team) -> None:
    """So arguments can be added in later versions without making other calls of earlier ones."""
    first = team.spawn("do: say ready", key="once")
    assert team.spawn("do: say ready", key="once", copies=1, after=[]) == first
