"""Times that a provider writes without their zone, `2026-01-31 12:00:00`: read where the rules file tells the zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

__all__ = ["TimeZone", "read_wall_clock", "wall_clock"]

_WALL_CLOCK = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)


def _check_zone(name: str) -> str:
    try:
        if name != "UTC":
            ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError("this machine knows no such time zone; write one such as Europe/Berlin, or UTC") from error
    return name


TimeZone = Annotated[
    Annotated[str, AfterValidator(_check_zone)] | None,
    Field(
        description="The time zone of the provider's account, such as Europe/Berlin: its times come without one. "
        "When it is left out, a call counts as begun when it was told of."
    ),
]


def wall_clock(at: float, zone: str | None) -> str:
    """Unix seconds as such a provider writes them; in UTC where no zone is known."""
    return datetime.fromtimestamp(at, ZoneInfo(zone) if zone else UTC).strftime("%Y-%m-%d %H:%M:%S")


def read_wall_clock(text: str, zone: str | None) -> datetime | None:
    """The moment in UTC; None where the text is no such time, or no zone is known to read it in."""
    if zone is None or not _WALL_CLOCK.fullmatch(text):
        return None
    known = UTC if zone == "UTC" else ZoneInfo(zone)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=known).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
