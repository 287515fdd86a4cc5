"""How far a call has come is told to whom asks for it, and only ever further, as MCP wants it."""

import anyio
import pytest
from mcp.client import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitResult

from mcp_client import ERAS, client_of
from team import Team


@pytest.fixture(scope="module")
def team(shared_team: Team) -> Team:
    return shared_team


class Heard:
    """What one call told."""

    def __init__(self) -> None:
        self.numbers, self.texts = list[float](), list[str | None]()

    async def hear(self, progress: float, total: float | None, message: str | None) -> None:
        assert total is None or progress <= total
        self.numbers.append(progress)
        self.texts.append(message)

    def rises(self) -> bool:
        return bool(self.numbers) and self.numbers == sorted(set(self.numbers))


async def agrees(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    return ElicitResult(action="accept")


@pytest.mark.parametrize("era", ERAS)
async def test_spawn_wait_and_merge_tell_ever_further(team: Team, era: str) -> None:
    spawn, wait, merge = Heard(), Heard(), Heard()
    script = f"Do this:\ndo: write {era}.txt a\ndo: commit a"
    async with client_of(team, era, elicitation_callback=agrees) as client:
        made = await client.call_tool("spawn", {"prompt": script}, progress_callback=spawn.hear)
        session = made.structured_content["session"]
        watched = {"sessions": [session], "until": "merged", "seconds": 0.5}
        await client.call_tool("wait", watched, progress_callback=wait.hear)
        await anyio.to_thread.run_sync(team.until, session, "pr_open")
        done = await client.call_tool("merge", {"session": session}, progress_callback=merge.hear)
    assert done.structured_content["merged"]
    assert [one.rises() for one in (spawn, wait, merge)] == [True] * 3
    assert "merging" in merge.texts
    assert ("waiting for a person to agree" in merge.texts) == (era == "legacy")
