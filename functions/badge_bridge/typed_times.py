"""Moments as people type them: `2h`, `yesterday 18:00`, `9pm`, `27.11.2026`, `2026-01-31T18:00Z`.

What is written without an offset is local time, of the machine on which it is typed; `in_words` says which moment that
was understood as, in local time and in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from badge_bridge.errors import SettingsError

__all__ = ["EXAMPLES", "in_words", "read_time"]

EXAMPLES = "2h, 3 days, today, yesterday 18:00, 9pm, 2026-01-31, 31.1.2026 18:00 or 2026-01-31T18:00Z"

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_UNIT = r"(s|m|h|d|w|sec(?:ond)?s?|min(?:ute)?s?|hours?|days?|weeks?)"
_PART = re.compile(rf"(\d{{1,6}})\s*{_UNIT}(?![a-z])\s*")
_AGO = re.compile(r"(?:last\s+)?(?P<parts>\d.*?)\s*(?:ago)?")
_CLOCK = r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2})(?:(?<=:\d\d):(?P<second>\d{2}))?)?(?:\s*(?P<half>[ap])\.?m\b\.?)?"
_DATE = r"(?P<date>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4})"
"""As in most of Europe. With slashes, 11/10 is another day in London than in Boston: that is not guessed."""
_DAY = re.compile(rf"(?:(?P<day>today|yesterday)|{_DATE})?,?\s*(?:at\s+)?(?P<clock>{_CLOCK})?(?P<utc>\s*(?:utc|z))?")
_ISO = re.compile(r"(?P<moment>\d{4}-\d{2}-\d{2}.*?)(?P<utc>\s+utc)?")
_HALF_A_DAY = 12
_LAST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


def read_time(text: str, *, now: float, zone: tzinfo | None = None) -> float:
    """Unix seconds of the moment that is meant; `zone` is that of local time, None the machine's.

    A length of time is as long before `now`. A time of day alone is the last one of that time: at nine in the morning
    `21:00` is yesterday's.

    Raises:
        SettingsError: it is no moment between 1970 and 9998; says what can be written.
    """
    typed = " ".join(text.casefold().split())
    try:
        found = _read(typed, now, zone)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise SettingsError(f"{text!r} is no time; write it such as {EXAMPLES}")
    if not 0 <= found < _LAST:
        raise SettingsError(f"{text} is not between 1970 and 9998")
    return found


def in_words(unix: float, zone: tzinfo | None = None) -> str:
    """A moment in local time and in UTC: `2026-01-31 18:00:00 CET (17:00:00 UTC)`."""
    utc = datetime.fromtimestamp(unix, UTC)
    local = utc.astimezone(zone)
    said = local.strftime("%Y-%m-%d %H:%M:%S %Z")
    if not local.utcoffset():
        return said
    return f"{said} ({utc.strftime('%H:%M:%S' if utc.date() == local.date() else '%Y-%m-%d %H:%M:%S')} UTC)"


def _read(typed: str, now: float, zone: tzinfo | None) -> float | None:
    if typed == "now":
        return now
    if found := _ISO.fullmatch(typed):
        moment = datetime.fromisoformat(found["moment"].upper())
        if found["utc"]:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return _unix(moment, zone)
    if typed and (found := _DAY.fullmatch(typed)):
        return _on_a_day(found, now, UTC if found["utc"] else zone)
    if found := _AGO.fullmatch(typed):
        length = _length(found["parts"])
        return None if length is None else now - length.total_seconds()
    return None


def _on_a_day(found: re.Match[str], now: float, zone: tzinfo | None) -> float | None:
    at = _clock(found) if found["clock"] else time()
    if at is None:
        return None
    if found["year"]:
        return _unix(_naive(date(int(found["year"]), int(found["month"]), int(found["date"])), at), zone)
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    yesterday = today - timedelta(days=1)
    if found["day"]:
        return _unix(_naive(today if found["day"] == "today" else yesterday, at), zone)
    if not found["clock"]:
        return None
    this = _unix(_naive(today, at), zone)
    return this if this <= now else _unix(_naive(yesterday, at), zone)


def _clock(found: re.Match[str]) -> time | None:
    """None where it is a number alone, which may as well be a day or a length of time."""
    hour, half = int(found["hour"]), found["half"]
    if half is None and found["minute"] is None:
        return None
    if half is not None:
        if not 1 <= hour <= _HALF_A_DAY:
            return None
        hour = hour % _HALF_A_DAY + (_HALF_A_DAY if half == "p" else 0)
    return time(hour, int(found["minute"] or 0), int(found["second"] or 0))


def _naive(day: date, at: time) -> datetime:
    return datetime.combine(day, at)


def _unix(moment: datetime, zone: tzinfo | None) -> float:
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=zone)
    return moment.timestamp()  # one without a zone is in the machine's


def _length(typed: str) -> timedelta | None:
    """`2h`, `1d 12h`, `3 days`: the sum of its parts."""
    at, length = 0, timedelta()
    while at < len(typed):
        part = _PART.match(typed, at)
        if part is None:
            return None
        unit = "m" if part[2].startswith("min") else part[2][0]
        length += timedelta(**{_UNITS[unit]: int(part[1])})
        at = part.end()
    return length
