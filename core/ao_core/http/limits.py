"""What a vendor's answer says of its limits.

https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api,
https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/ (as the older drafts of
the IETF have it), https://linear.app/developers/rate-limiting
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from ao_core.clock import Clock

USUAL = "core"  # the bucket for whatever has none of its own

_LONGEST = 86_400.0
_NUMBER = re.compile(r"[0-9]{1,15}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_NAME = re.compile(r"[a-z0-9_]{1,60}")
_MILLISECONDS = (
    100_000_000_000  # no time to come is so many seconds, and every one so many of these
)
_A_MOMENT = 1_000_000_000  # what is less is a number of seconds from now
_SAME = frozenset({"throttle_authenticated_api", "throttle_unauthenticated_api"})
_FAMILIES = (  # the start of three headers, and the bucket or the header that names it
    ("x-ratelimit-", "x-ratelimit-resource"),
    ("ratelimit-", "ratelimit-name"),
    ("x-ratelimit-requests-", "requests"),
    ("x-ratelimit-complexity-", "complexity"),
)
_LIMITED = re.compile(r"rate limit|abuse detection", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """What is left in one bucket, as the other side counts."""

    bucket: str
    limit: int
    remaining: int
    resets_at: datetime


def readings(headers: httpx.Headers, clock: Clock) -> tuple[Reading, ...]:
    """Everything the headers say; nothing where they say it in part or not as expected."""
    found = (_reading(headers, *family, clock) for family in _FAMILIES)
    return tuple(one for one in found if one is not None)


def retry_after(headers: httpx.Headers, clock: Clock) -> float | None:
    """Seconds asked for by `Retry-After`, in either of its two forms; a day at most."""
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), _LONGEST)
    try:
        moment = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, moment - clock.now().timestamp()), _LONGEST)


def asked_to_wait(headers: httpx.Headers, clock: Clock) -> float | None:
    """Seconds until it may be asked again: as told, or until an empty bucket is full again."""
    told = retry_after(headers, clock)
    if told is not None:
        return told
    empty = [one.resets_at for one in readings(headers, clock) if one.remaining == 0]
    waits = [(moment - clock.now()).total_seconds() for moment in empty]
    return max(0.0, *waits) if waits else None


def is_limited(response: httpx.Response, clock: Clock, said: str = "") -> bool:
    """Whether it refuses because of a limit: GitHub says so with 403 as well as with 429."""
    if response.status_code == 429:
        return True
    if response.status_code != 403:
        return False
    return asked_to_wait(response.headers, clock) is not None or speaks_of_a_limit(said)


def speaks_of_a_limit(said: str) -> bool:
    """Whether these are the words of a limit; of GitHub's secondary ones there is no other sign."""
    return bool(_LIMITED.search(said))


def _reading(headers: httpx.Headers, start: str, named: str, clock: Clock) -> Reading | None:
    limit, remaining = _number(headers, f"{start}limit"), _number(headers, f"{start}remaining")
    reset = _number(headers, f"{start}reset")
    if limit is None or remaining is None or reset is None:
        return None
    name = headers.get(named, USUAL).lower() if "-" in named else named
    bucket = name if _NAME.fullmatch(name) and name not in _SAME else USUAL
    return Reading(bucket, limit, remaining, _moment(reset, clock.now()))


def _number(headers: httpx.Headers, name: str) -> int | None:
    value = headers.get(name, "").strip()
    return int(value) if _NUMBER.fullmatch(value) else None


def _moment(value: int, now: datetime) -> datetime:
    """Linear counts milliseconds, GitHub and GitLab seconds, the drafts seconds from now."""
    seconds = value / 1000 if value >= _MILLISECONDS else float(value)
    away = seconds if seconds < _A_MOMENT else seconds - now.timestamp()
    return now + timedelta(seconds=min(away, _LONGEST))
