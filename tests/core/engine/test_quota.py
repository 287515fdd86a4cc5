"""What agents say of their quota, as they really say it."""

from datetime import UTC, datetime, timedelta

import pytest

from ao_core.engine.quota import exhausted, jitter

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)  # 13:00 in Berlin


def at(hour: int, minute: int = 0, *, day: int = 10, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("Claude AI usage limit reached|1773151200", at(14)),
        ("Claude usage limit reached. Your limit will reset at 3pm (Europe/Berlin).", at(14)),
        ("You've hit your limit · resets 3pm (Europe/Berlin)", at(14)),
        ("You've hit your session limit · resets 12:50am (America/Los_Angeles)", at(7, 50, day=11)),
        ("5-hour limit reached ∙ resets 9am (UTC)", at(9, day=11)),
        ("You've hit your usage limit. Try again in 4 days 20 hours 9 minutes.", at(8, 9, day=15)),
        (
            "You've hit your usage limit. Upgrade to Pro (https://a.invalid/b) or try again in 3"
            " hours 2 minutes.",
            at(15, 2),
        ),
        ("hit your usage limit, try again at Mar 11th, 2026 1:36 PM (UTC).", at(13, 36, day=11)),
        (
            "You have exhausted your capacity on this model. Your quota will reset after 4h28m20s.",
            at(16, 28) + timedelta(seconds=20),
        ),
        ('{"type":"usage_limit_reached","resets_at":1773151200,"resets_in_seconds":1}', at(14)),
        ("usage_limit_reached resets_in_seconds: 90", NOW + timedelta(seconds=90)),
        ("You've hit your usage limit.", None),
        ("You exceeded your current quota, please check your plan and billing details.", None),
        ("Your quota will reset after 999999h.", None),
        ("You've hit your limit · resets 3pm (Nowhere/Town)", None),
        ("You've hit your usage limit, try again at Feb 31st, 2026 1:36 PM.", None),
    ],
)  # fmt: skip
def test_a_quota_that_is_used_up_is_recognised(text: str, until: datetime | None) -> None:
    found = exhausted(text, NOW)
    assert found is not None
    assert found.until == until


@pytest.mark.parametrize(
    "text",
    [
        "", None, "All done.", "I raised the rate limit of the API to 5.", "It resets at 3pm.",
        "The limit of the list is 5; quota handling comes next. " * 20,
        "You've hit your usage limit. " + "x" * 600,
    ],
)  # fmt: skip
def test_other_words_are_not(text: str | None) -> None:
    assert exhausted(text, NOW) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Claude AI usage limit reached|1773151200", True),
        ("You've hit your limit · resets 3pm (Europe/Berlin)", True),
        ("5-hour limit reached ∙ resets 9am (UTC)", True),
        ("You've hit your usage limit.", True),
        ("Done: where the API says quota exceeded, we try again in 5 minutes.", False),
        ("The banner now says 'daily limit reached'.", False),
        ("Fixed insufficient_quota in the client.", False),
        ("I made the page say: you have hit your usage limit.", False),
    ],
)
def test_who_tells_of_its_work_at_the_end_of_a_turn_is_not_out_of_quota(
    text: str, meant: bool
) -> None:
    assert exhausted(text, NOW) is not None
    assert (exhausted(text, NOW, prose=True) is not None) == meant


def test_a_time_that_has_only_just_come_is_not_tomorrows() -> None:
    found = exhausted("You've hit your limit · resets 12pm (UTC)", NOW + timedelta(minutes=2))
    assert found is not None
    assert found.until == NOW + timedelta(minutes=7)


def test_sessions_come_back_at_moments_of_their_own_and_always_the_same() -> None:
    waits = [jitter(f"app-{n}") for n in range(20)]
    assert len(set(waits)) > 10
    assert all(timedelta(seconds=1) <= one <= timedelta(seconds=6) for one in waits)
    assert waits == [jitter(f"app-{n}") for n in range(20)]
