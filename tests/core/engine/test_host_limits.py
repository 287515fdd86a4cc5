"""What hosts let us ask is told when it becomes little, and when there is enough again."""

from datetime import UTC, datetime

import anyio
import anyio.lowlevel

from ao_core import allowance
from ao_core.allowance import BucketState, BudgetState
from ao_core.engine.host_limits import in_words, tell_of_limits
from ao_core.model.event import EventKind, Said
from bare_engine import an_engine
from books import Books

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GRAPH = BucketState("graphql", 5_000, 312, NOON, None, {})
SLOW = BudgetState("api.github.com", slow=True, blocked_until=None, buckets={"graphql": GRAPH})
FREE = BudgetState("api.github.com", slow=False, blocked_until=None, buckets={"graphql": GRAPH})


def test_a_budget_is_said_in_one_line() -> None:
    assert in_words(FREE) == ("api.github.com: 312 of 5000 left of graphql until 12:00:00 UTC")
    assert "news of pull requests comes later" in in_words(SLOW)
    blocked = BudgetState("gitlab.com", slow=True, blocked_until=NOON, buckets={})
    assert "not asked before 12:00:00 UTC" in in_words(blocked)


async def test_the_journal_is_told_of_both(books: Books) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell_of_limits, an_engine(books))
        with anyio.fail_after(10):
            while not allowance.watchers():
                await anyio.lowlevel.checkpoint()
            for tell in allowance.watchers():
                tell(SLOW)
                tell(FREE)
            while books.records.head < 2:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    (slow,) = await books.journal(EventKind.HOST_SLOW)
    assert isinstance(slow.body, Said)
    assert "312 of 5000" in slow.body.text
    assert len(await books.journal(EventKind.HOST_FREE)) == 1
    assert not allowance.watchers()
