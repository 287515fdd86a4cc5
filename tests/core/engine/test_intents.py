"""Acts are written down before they are done, and settled after a crash."""

import pytest

from ao_core.engine.intents import Intents
from ao_core.engine.records import Records
from ao_core.errors import Unavailable
from ao_core.model.event import EventKind, Unresolved
from ao_core.store.records import INTENT, Intent, IntentKind, Outcome
from books import Books

KILL, MERGE = IntentKind.KILL, IntentKind.MERGE


@pytest.fixture
def intents(books: Books) -> Intents:
    return Intents(books.records, books.clock)


def outcomes(records: Records) -> dict[str, Outcome]:
    return {intent.id: intent.outcome for intent in records.all(INTENT)}


async def probing(outcome: Outcome, seen: list[str], intent: Intent) -> Outcome:
    seen.append(intent.id)
    return outcome


async def test_an_act_is_on_the_disk_before_it_is_done(books: Books, intents: Intents) -> None:
    intent = await intents.begin(KILL, "app-1", "0")
    row = await books.store.read(INTENT, "kill/app-1/0")
    assert row is not None
    assert row.value == intent
    assert intent.outcome is Outcome.PENDING


async def test_an_act_is_written_with_what_belongs_to_it(books: Books, intents: Intents) -> None:
    put = intents.beginning(KILL, "app-1", "0")
    assert books.records.find(INTENT, put.id) is None
    await books.records.commit([put])
    assert outcomes(books.records) == {"kill/app-1/0": Outcome.PENDING}


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.FAILED, Outcome.UNKNOWN])
async def test_an_outcome_is_final_and_only_the_unknown_is_told(
    books: Books, intents: Intents, outcome: Outcome
) -> None:
    intent = await intents.begin(KILL, "app-1", "0")
    await intents.end(intent.id, outcome, "why")
    await intents.end(intent.id, Outcome.DONE, "again")
    found = books.records.find(INTENT, intent.id)
    assert found is not None
    assert (found.outcome, found.detail, found.ended_at) == (outcome, "why", books.clock.now())
    told = [event.body for event in await books.journal(EventKind.INTENT_UNRESOLVED)]
    assert told == ([Unresolved(intent.id, "kill", "why")] if outcome is Outcome.UNKNOWN else [])


async def test_the_same_act_again_is_one_act(books: Books, intents: Intents) -> None:
    first = await intents.begin(KILL, "app-1", "0")
    await intents.end(first.id, Outcome.FAILED)
    await intents.begin(KILL, "app-1", "0")
    assert outcomes(books.records) == {first.id: Outcome.PENDING}


async def test_what_a_crash_left_open_is_settled_by_its_probe(books: Books) -> None:
    before = Intents(books.records, books.clock)
    await before.begin(KILL, "app-1", "0")
    await before.begin(MERGE, "app-2", "c1")
    await before.end((await before.begin(KILL, "app-2", "0")).id, Outcome.DONE)
    again = await books.reopened()
    after, seen = Intents(again.records, again.clock), list[str]()
    await after.resolve(
        {
            KILL: lambda intent: probing(Outcome.DONE, seen, intent),
            MERGE: lambda intent: probing(Outcome.UNKNOWN, seen, intent),
        }
    )
    assert seen == ["kill/app-1/0", "merge/app-2/c1"]
    assert outcomes(again.records) == {
        "kill/app-1/0": Outcome.DONE,
        "kill/app-2/0": Outcome.DONE,
        "merge/app-2/c1": Outcome.UNKNOWN,
    }
    assert len(await again.journal(EventKind.INTENT_UNRESOLVED)) == 1


async def test_what_a_probe_takes_up_itself_or_nobody_probes_stays_open(
    books: Books, intents: Intents
) -> None:
    await intents.begin(KILL, "app-1", "0")
    await intents.begin(MERGE, "app-1", "c1")
    await intents.resolve({KILL: lambda intent: probing(Outcome.PENDING, [], intent)})
    assert set(outcomes(books.records).values()) == {Outcome.PENDING}


async def test_an_act_that_cannot_be_judged_is_told_and_the_rest_is_settled(
    books: Books, intents: Intents
) -> None:
    async def down(_: Intent) -> Outcome:
        raise Unavailable("the forge is down")

    await intents.begin(MERGE, "app-1", "c1")
    await intents.begin(KILL, "app-2", "0")
    await intents.resolve({KILL: lambda intent: probing(Outcome.DONE, [], intent), MERGE: down})
    assert outcomes(books.records) == {
        "kill/app-2/0": Outcome.DONE,
        "merge/app-1/c1": Outcome.UNKNOWN,
    }
    (told,) = await books.journal(EventKind.INTENT_UNRESOLVED)
    assert told.session == "app-1"
    assert told.body == Unresolved(
        "merge/app-1/c1", "merge", "it could not be judged: the forge is down"
    )
