"""The lead as a notifier: what it is told becomes a line that it reads."""

from collections.abc import Sequence
from dataclasses import replace

from ao_core.plugin import Scope
from ao_core.testing.notifier import NOTE, Announced, NotifierContract
from ao_plugins.notifier.lead import Lead, LeadConfig


class TestLead(NotifierContract):
    def make(self, scope: Scope) -> Lead:
        return Lead(LeadConfig(), scope)

    def received(self, scope: Scope) -> Sequence[str]:
        assert isinstance(scope.announce, Announced)
        return scope.announce.texts

    async def test_the_line_begins_with_the_title(self, notifier: Lead, scope: Scope) -> None:
        await notifier.notify(NOTE)
        assert self.received(scope) == [f"{NOTE.title}: {NOTE.body}"]

    async def test_where_nobody_listens_nothing_fails(self, scope: Scope) -> None:
        async with self.make(replace(scope, announce=None)) as notifier:
            await notifier.notify(NOTE)
        assert self.received(scope) == []
