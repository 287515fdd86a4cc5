"""Each vendor says in its own way what is left."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from ao_core.http.limits import Reading, asked_to_wait, readings
from ao_core.testing.clock import FakeClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


def headers(**given: str) -> httpx.Headers:
    return httpx.Headers({name.replace("_", "-"): value for name, value in given.items()})


def lead(start: str, limit: str, remaining: str, reset: str) -> dict[str, str]:
    return {f"{start}_limit": limit, f"{start}_remaining": remaining, f"{start}_reset": reset}


GITHUB = lead("x_ratelimit", "5000", "4999", str(EPOCH + 60))
GITLAB = lead("ratelimit", "60", "33", str(EPOCH + 60))
LINEAR = lead("x_ratelimit_requests", "2500", "9", str((EPOCH + 60) * 1000)) | lead(
    "x_ratelimit_complexity", "3000000", "8", str((EPOCH + 60) * 1000)
)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (GITHUB, [("core", 5000, 4999)]),
        (GITHUB | {"x_ratelimit_resource": "search"}, [("search", 5000, 4999)]),
        (GITLAB, [("core", 60, 33)]),
        (GITLAB | {"ratelimit_name": "throttle_authenticated_api"}, [("core", 60, 33)]),
        (GITLAB | {"ratelimit_name": "throttle_files"}, [("throttle_files", 60, 33)]),
        (LINEAR, [("requests", 2500, 9), ("complexity", 3000000, 8)]),
        (lead("ratelimit", "60", "33", "60"), [("core", 60, 33)]),
        (GITHUB | {"x_ratelimit_resource": "a\tb <x>"}, [("core", 5000, 4999)]),
    ],
)
def test_what_is_left_is_read(given: dict[str, str], found: list[tuple[str, int, int]]) -> None:
    resets = NOW + timedelta(seconds=60)
    told = [Reading(*one, resets) for one in found]
    assert list(readings(headers(**given), FakeClock(NOW))) == told


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"x_ratelimit_limit": "5000", "x_ratelimit_remaining": "1"},
        lead("x_ratelimit", "-1", "1", "1"),
        lead("x_ratelimit", "1", "one", "1"),
        lead("x_ratelimit", "1", "1", "9" * 99),
        lead("ratelimit", "100, 100;w=60", "98", "3"),
    ],
)
def test_what_is_not_as_expected_says_nothing(given: dict[str, str]) -> None:
    assert readings(headers(**given), FakeClock(NOW)) == ()


@pytest.mark.parametrize("reset", ["9" * 15, "99999999999", "999999999"])
def test_no_reset_is_further_away_than_a_day(reset: str) -> None:
    (one,) = readings(headers(**lead("ratelimit", "60", "33", reset)), FakeClock(NOW))
    assert one.resets_at == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("given", "wait"),
    [
        (GITHUB, None),
        (lead("x_ratelimit", "5000", "0", str(EPOCH + 60)), 60.0),
        (lead("x_ratelimit", "5000", "0", str(EPOCH - 60)), 0.0),
        (lead("x_ratelimit", "5000", "0", str(EPOCH + 60)) | {"retry_after": "7"}, 7.0),
    ],
)
def test_an_empty_bucket_says_how_long_to_wait(given: dict[str, str], wait: float | None) -> None:
    assert asked_to_wait(headers(**given), FakeClock(NOW)) == wait
