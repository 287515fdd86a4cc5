"""Whether an agent says that its quota is used up, and when there is more. Pure.

What it says is untrusted text: the worst it can bring about is that its own session is paused.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LONGEST = 600  # characters; whoever says more than that says something else
_BEGINNING = 24  # characters; whoever is out of quota says so first
_USED_UP = re.compile(
    r"\bhit your (?:[\w-]+ ){0,2}limit\b"
    r"|\b(?:usage|session|weekly|hour|daily) limit (?:has been )?reached\b"
    r"|\b(?:exhausted|exceeded) your (?:[\w-]+ )?(?:capacity|quota)\b"
    r"|\bquota (?:exceeded|exhausted|will reset)\b"
    r"|\b(?:usage_limit_reached|insufficient_quota)\b",
    re.IGNORECASE,
)
_EPOCH = re.compile(r'(?:\||resets_at"?[:=]\s*)(\d{10})\b')
_SECONDS = re.compile(r'resets_in_seconds"?[:=]\s*(\d{1,8})\b')
_SPAN = re.compile(
    r"(?:resets? (?:after|in)|try again in)\s+"
    r"((?:(?:about |and )?\d{1,6}\s*(?:days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)"
    r"[\s,]*){1,4})",
    re.IGNORECASE,
)
_PIECE = re.compile(r"(\d{1,6})\s*([dhms])", re.IGNORECASE)
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = re.compile(
    r"(?:resets?(?: at| on)?|try again (?:at|on))\s+"
    rf"(?:(?P<month>{'|'.join(_MONTHS)})[a-z]*\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?"
    r"(?:,? (?P<year>20\d\d))?(?:,| at)*\s+)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?(?:\s?(?P<half>[ap]m)\b)?"
    r"(?:\s*\((?P<zone>[A-Za-z_]+(?:/[A-Za-z0-9_+-]+){0,2})\))?",
    re.IGNORECASE,
)
_FARTHEST = timedelta(days=40)
_JUST = timedelta(minutes=10)  # a time of day that has only just passed is not tomorrow's
_SOON = timedelta(minutes=5)
_SPREAD = 5.0


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The quota is used up; `until` is when there is more, if that was said."""

    until: datetime | None = None


def exhausted(text: str | None, now: datetime, *, prose: bool = False) -> Exhausted | None:
    """What a text of the agent's says of its quota; None where it says nothing of it.

    In `prose`, which no error is, it may tell of its work: of a quota of somebody else's.
    """
    told = _USED_UP.search(text) if text and len(text) <= _LONGEST else None
    if text is None or told is None:
        return None
    found = _until(text, now)
    its_own = found.until is not None or "your" in told[0].lower()
    return None if prose and (told.start() > _BEGINNING or not its_own) else found


def _until(text: str, now: datetime) -> Exhausted:
    for reads in _READERS:
        if (until := reads(text, now)) is not None:
            return Exhausted(until if now < until <= now + _FARTHEST else None)
    return Exhausted()


def jitter(session: str) -> timedelta:
    """A few seconds, so that not all come back at the same moment; always the same for one."""
    first = hashlib.sha256(session.encode()).digest()[0]
    return timedelta(seconds=1 + _SPREAD * first / 255)


def _epoch(text: str, now: datetime) -> datetime | None:
    found = _EPOCH.search(text)
    return datetime.fromtimestamp(int(found[1]), UTC) if found else None


def _seconds(text: str, now: datetime) -> datetime | None:
    found = _SECONDS.search(text)
    return now + timedelta(seconds=int(found[1])) if found else None


def _span(text: str, now: datetime) -> datetime | None:
    found = _SPAN.search(text)
    if found is None:
        return None
    spans = [timedelta(**{_UNITS[unit.lower()]: int(n)}) for n, unit in _PIECE.findall(found[1])]
    return now + sum(spans, timedelta())


def _clock(text: str, now: datetime) -> datetime | None:
    found = _CLOCK.search(text)
    if found is None or not (found["half"] or found["minute"]):
        return None
    here = _here(found["zone"], now)
    try:
        time = here and here.replace(
            hour=_hour(int(found["hour"]), found["half"]), minute=int(found["minute"] or 0),
            second=0, microsecond=0,
        )  # fmt: skip
        if time is None or here is None:
            return None
        return _dated(time, here, found.groupdict()) if found["month"] else _next(time, here)
    except ValueError:  # a 31st of June, say
        return None


def _here(zone: str | None, now: datetime) -> datetime | None:
    """Now, as clocks show it where that time is meant; without a zone, where the engine is."""
    if zone is None:
        return now.astimezone()
    try:
        return now.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    return hour % 12 + (12 if half.lower() == "pm" else 0)


def _next(time: datetime, here: datetime) -> datetime:
    if time > here:
        return time
    return here + _SOON if here - time <= _JUST else time + timedelta(days=1)


def _dated(time: datetime, here: datetime, said: Mapping[str, str | None]) -> datetime:
    month = _MONTHS.index(str(said["month"]).lower()[:3]) + 1
    year = int(said["year"] or here.year)
    dated = time.replace(year=year, month=month, day=int(str(said["day"])))
    past = said["year"] is None and dated < here - timedelta(days=1)
    dated = dated.replace(year=year + 1) if past else dated
    return here + _SOON if timedelta(0) <= here - dated <= _JUST else dated


_Reader = Callable[[str, datetime], "datetime | None"]
_READERS: tuple[_Reader, ...] = (_epoch, _seconds, _span, _clock)
