"""Fields that decide nothing: a text, a time or a duration that cannot be read is passed over, and a note says so.

For providers that do not send a refused delivery again, or switch a webhook off that refuses too much.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from badge_bridge.sources.fields import MAX_SECONDS, Notes

__all__ = ["content_digest", "iso_text", "iso_time", "seconds_told", "told", "unix_time"]

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)", re.ASCII)
_EARLIEST = 1_000_000_000
_LATEST = 100_000_000_000
"""Unix seconds of the years 2001 and 5138: what is outside is another unit, or no time."""


def told(body: Mapping[str, Any], key: str, notes: Notes) -> str:
    """The text of a field, or its whole number as text; "" where it is missing, null or anything else."""
    value = body.get(key)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None:
        notes.passed_over(key, value)
    return ""


def iso_text(at: float, timespec: str = "milliseconds") -> str:
    """Unix seconds as ISO 8601 in UTC: 2026-01-31T12:00:00.000Z, or with `seconds` without their fractions."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def iso_time(body: Mapping[str, Any], key: str, notes: Notes) -> datetime | None:
    """A time of ISO 8601 with its offset."""
    value = body.get(key)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str) and _ISO.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    notes.passed_over(key, value)
    return None


def unix_time(body: Mapping[str, Any], key: str, notes: Notes, *, per_second: int = 1) -> datetime | None:
    """A time as a number since 1970, `per_second` of them in a second."""
    value = body.get(key)
    if value is None or value == "":
        return None
    number = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value) else value
    if isinstance(number, int | float) and not isinstance(number, bool):
        seconds = number / per_second
        if _EARLIEST <= seconds < _LATEST:
            return datetime.fromtimestamp(seconds, UTC)
    notes.passed_over(key, value)
    return None


def seconds_told(body: Mapping[str, Any], key: str, notes: Notes, *, per_second: int = 1) -> int | None:
    """A duration in whole seconds, of which the sender writes `per_second` for each."""
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value / per_second <= MAX_SECONDS:
        return int(value / per_second)
    notes.passed_over(key, value)
    return None


def content_digest(*parts: Any) -> str:
    """Stands in for an id where the provider gives none: the same content is the same event."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).hexdigest()[:32]
