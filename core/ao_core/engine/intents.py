"""Acts are written down before they are done, and what became of them afterwards.

A crash in between leaves an intent without an outcome. On start each of these goes to the probe of
its kind, which looks at the world: done, not done, or unknown. Unknown is reported, not repeated.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ao_core.clock import Clock
from ao_core.engine.records import Records, Step
from ao_core.errors import AoError
from ao_core.model.event import EventKind, NewEvent, Unresolved
from ao_core.store.contract import Put
from ao_core.store.records import INTENT, Intent, IntentKind, Outcome

Probe: TypeAlias = Callable[[Intent], Awaitable[Outcome]]


class Intents:
    """The book of acts."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records, self._clock = records, clock

    def beginning(
        self, kind: IntentKind, session: str, fingerprint: str, detail: str = ""
    ) -> Put[Intent]:
        """The change that opens an intent, to be committed with what belongs to it."""
        intent = Intent(kind, session, fingerprint, self._clock.now(), detail=detail)
        return Put(INTENT, intent.id, intent, self._records.revision(INTENT, intent.id))

    async def begin(self, kind: IntentKind, session: str, fingerprint: str) -> Intent:
        """Open an intent by itself."""
        put = self.beginning(kind, session, fingerprint)
        await self._records.commit([put])
        return put.value

    async def end(self, intent_id: str, outcome: Outcome, detail: str = "") -> None:
        """Write down what became of it."""

        def ended(intent: Intent) -> Step | None:
            if intent.outcome is not Outcome.PENDING:
                return None
            done = replace(intent, outcome=outcome, ended_at=self._clock.now(), detail=detail)
            return Step(done, self._report(done) if outcome is Outcome.UNKNOWN else ())

        await self._records.update(INTENT, intent_id, ended)

    def ending(self, intent_id: str, outcome: Outcome, detail: str = "") -> Sequence[Put[Intent]]:
        """The change that closes an intent, to be committed with what came of it."""
        intent = self._records.find(INTENT, intent_id)
        if intent is None or intent.outcome is not Outcome.PENDING:
            return ()
        done = replace(intent, outcome=outcome, ended_at=self._clock.now(), detail=detail)
        return (Put(INTENT, intent_id, done, self._records.revision(INTENT, intent_id)),)

    def _report(self, intent: Intent) -> tuple[NewEvent, ...]:
        body = Unresolved(intent.id, str(intent.kind), intent.detail)
        session = self._records.session(intent.session)
        return (NewEvent(EventKind.INTENT_UNRESOLVED, body, session.project, session.id),)

    async def resolve(self, probes: Mapping[IntentKind, Probe]) -> None:
        """Settle every intent a crash left open."""
        for intent in list(self._records.all(INTENT)):
            if intent.outcome is Outcome.PENDING and intent.kind in probes:
                outcome, detail = await _probed(probes[intent.kind], intent)
                if outcome is not Outcome.PENDING:
                    await self.end(intent.id, outcome, detail)


async def _probed(probe: Probe, intent: Intent) -> tuple[Outcome, str]:
    """One act that cannot be judged must not keep the rest from being settled."""
    try:
        return await probe(intent), "settled after a restart"
    except AoError as exc:
        return Outcome.UNKNOWN, f"it could not be judged: {exc.message}"
