"""Moments as the portal writes them: ISO 8601 with an offset and without fractions."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["iso", "read_moment"]


def iso(moment: float) -> str:
    """Unix seconds as `2026-01-05T09:00:00+00:00`."""
    return datetime.fromtimestamp(int(moment), UTC).isoformat()


def read_moment(text: str) -> float | None:
    """Unix seconds of an ISO 8601 date or time, in UTC where no offset says otherwise; None where it is neither."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
