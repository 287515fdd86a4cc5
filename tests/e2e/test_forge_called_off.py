"""Nobody who ends a worker, or pauses all of them, waits for a train that waits at a host."""

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.forge import Forge
from team import eventually


@contextmanager
def waiting(forge: Forge) -> Generator[tuple[str, "Future[dict[str, Any]]"]]:
    """One of two is merged, the other waits for a check; as soon as it waits."""
    one, two = (forge.spawn(f"do: write {n}.txt x", f"do: commit {n}") for n in "ab")
    forge.approved(one, two)
    forge.host.waits(forge.pull(two))
    first, second = forge.pull(one), forge.pull(two)
    with ThreadPoolExecutor(1) as pool:
        merging = pool.submit(lambda: forge.team.call("merge", sessions=[one, two]))
        eventually(lambda: forge.host.is_merged(first))
        yield two, merging
    members = merging.result()["members"]
    assert [one["outcome"] for one in members] == ["landed", "left_out"]
    assert not forge.host.is_merged(second)


@pytest.mark.parametrize(
    ("method", "why"), [("kill", "is being ended"), ("pause", "all workers are paused")]
)
def test_a_train_that_waits_at_its_host_is_called_off(forge: Forge, method: str, why: str) -> None:
    with waiting(forge) as (session, merging):
        forge.team.call(method, **({"session": session} if method == "kill" else {"all": True}))
        assert why in str(merging.result(timeout=8)["members"][1])


def test_whoever_is_paused_meanwhile_is_not_merged(forge: Forge) -> None:
    with waiting(forge) as (session, merging):
        forge.team.call("pause", sessions=[session])
        forge.host.passes(forge.pull(session))
        assert "it is paused" in str(merging.result(timeout=60)["members"][1])
