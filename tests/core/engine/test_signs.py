"""Signs of life: what counts as one, and that nobody is blamed for a time nobody looked."""

from dataclasses import replace
from datetime import datetime, timedelta

from ao_core.engine.signs import Signs
from books import START, a_session

SILENCE = timedelta(minutes=10)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def watched(signs: Signs, until: int, output: str = "a", begin: int = 0) -> datetime:
    """Looked at every ten seconds."""
    sign = at(begin)
    for second in range(begin, until + 1, 10):
        sign = signs.seen(a_session(), output, at(second), heard=False)
    return sign


def test_output_that_moves_and_what_it_says_are_signs() -> None:
    signs = Signs()
    assert watched(signs, 300) == at(0)
    assert signs.seen(a_session(), "b", at(310), heard=False) == at(310)
    assert signs.seen(a_session(), "b", at(320), heard=False) == at(310)
    assert signs.seen(a_session(), "b", at(330), heard=True) == at(330)


def test_who_was_not_watched_for_a_while_gets_all_the_time_again() -> None:
    signs = Signs()
    watched(signs, 300)
    assert signs.seen(a_session(), "a", at(8 * 3600), heard=False) == at(8 * 3600)
    assert signs.seen(a_session(), "a", at(10), heard=False) == at(10)  # the clock was set back


def test_another_life_is_judged_by_its_own_signs() -> None:
    signs = Signs()
    watched(signs, 300)
    again = replace(a_session(), generation=2)
    assert signs.seen(again, "a", at(310), heard=False) == at(310)


def test_processor_time_is_looked_at_only_of_who_is_quiet_and_counts_from_the_second_look() -> None:
    signs = Signs()
    watched(signs, 290)
    assert not signs.is_quiet(a_session(), at(290), SILENCE)
    watched(signs, 300, begin=300)
    assert signs.is_quiet(a_session(), at(300), SILENCE)
    assert signs.used(a_session(), 70.0, at(300)) is None
    assert signs.used(a_session(), 70.2, at(310)) == at(0)
    assert signs.used(a_session(), 75.0, at(320)) == at(320)
    assert not signs.is_quiet(a_session(), at(330), SILENCE)


def test_who_has_ended_is_forgotten() -> None:
    signs = Signs()
    watched(signs, 300)
    signs.forget(a_session().id)
    assert not signs.is_quiet(a_session(), at(9_000), SILENCE)
