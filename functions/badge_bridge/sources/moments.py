"""Times as providers write them in JSON: ISO 8601 with an offset."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from badge_bridge.sources.fields import Notes

__all__ = ["iso_moment"]


def iso_moment(body: Mapping[str, Any], field: str, notes: Notes) -> datetime | None:
    """The time in a field, in UTC; None where there is none. One that cannot be read is passed over and noted: a time
    decides nothing about how a call ended.
    """
    value = body.get(field)
    if value is None or value == "":
        return None
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        if moment.tzinfo:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    notes.passed_over(field, value)
    return None
