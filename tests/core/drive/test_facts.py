"""An agent that says by protocol, like anything else it says, that it could not go on."""

from ao_core.drive.facts import Ended, Taken, judged

ENDED = Ended("m", "end_turn", "Error: no quota")


def grumbling(said: str) -> str | None:
    return said if said.startswith("Error") else None


def test_what_it_says_of_its_trouble_blocks_it() -> None:
    blocked = Ended("m", "end_turn", "Error: no quota", blocked="Error: no quota")
    assert judged(ENDED, grumbling) == blocked


def test_what_is_no_trouble_and_what_is_no_end_stays_what_it_is() -> None:
    assert judged(ENDED, lambda said: None) == ENDED
    assert judged(Taken("m"), grumbling) == Taken("m")


def test_what_it_says_in_so_many_words_counts_more() -> None:
    told = Ended("m", "end_turn", "Error: no quota", blocked="it asks for a login")
    assert judged(told, grumbling) == told
