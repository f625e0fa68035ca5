"""Moments and lengths of time as they are told: `2026-11-27T21:04:05.123Z` in JSON, `3 min` in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["iso", "span"]

_SECOND, _MINUTE, _HOUR, _DAY = 1.0, 60.0, 3600.0, 86_400.0


def iso(unix: float) -> str:
    """A moment in UTC, to the millisecond: `2026-11-27T21:04:05.123Z`."""
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(seconds: float) -> str:
    """A length of time in words, as exact as a person needs it: `340 ms`, `1.2 s`, `3 min`, `5 h`, `2 days`."""
    if seconds < _SECOND:
        return f"{max(seconds, 0.0) * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} days"
