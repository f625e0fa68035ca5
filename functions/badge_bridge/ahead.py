"""Times that lie ahead of the moment in which they were told: which of them count, and what is said of them.

Order is by what is told, so that a time in the future lets all that is told rightly look as if it had come before. Up
to a day ahead it counts all the same, since it may be this machine's clock that is wrong, or a time zone that was mixed
up: none is further from UTC than 14 hours.
"""

from __future__ import annotations

from datetime import UTC, datetime

from badge_bridge.events import Event
from badge_bridge.moments import span

__all__ = ["MOST", "NOTICED", "believed", "is_noticed", "latest_tells", "lead", "see", "tells"]

MOST = 86_400.0
"""Seconds. What is further ahead cannot be true."""

NOTICED = 300.0
"""Seconds from which somebody should look: as much as a signed time may be off (Standard Webhooks, Stripe)."""


def believed(event: Event, received_at: float) -> Event:
    """The event with a time that can be true: for one too far ahead that of receipt counts, in unix seconds."""
    if event.time.timestamp() - received_at <= MOST:
        return event
    return event.model_copy(update={"time": datetime.fromtimestamp(received_at, UTC), "told_time": event.time})


def lead(event: Event, received_at: float) -> float:
    """Seconds by which what was told was ahead of this machine's clock, whether it was believed or not."""
    return (event.told_time or event.time).timestamp() - received_at


def is_noticed(event: Event, received_at: float) -> bool:
    """Whether somebody should look at the clocks."""
    return lead(event, received_at) > NOTICED


def tells(event: Event, received_at: float) -> str:
    """That it tells such a time, in words that go on after `the event`."""
    unused = "" if event.told_time is None else ", which cannot be true and is not used"
    return f"tells a time {span(lead(event, received_at))} ahead of this machine's clock{unused}"


def latest_tells(event: Event, received_at: float) -> str:
    """What is said of a source whose latest event this is; empty where nobody has to look."""
    return f"its latest event {tells(event, received_at)}" if is_noticed(event, received_at) else ""


def see(options: object) -> str:
    """What to look at, in words that go on after `see`; `options` are those of the event's source."""
    zone = "time_zone of the source in the rules file"
    if not hasattr(options, "time_zone"):
        zone = "in which time zone the sender writes its times"
    return f"{zone}, the sender's clock, and this one's"
