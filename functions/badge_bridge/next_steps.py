"""What to do about an event, in a sentence for whoever asks why a card has its badge or has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from badge_bridge.events import event_key
from badge_bridge.portal.reasons import parse
from badge_bridge.sources.legs import judged_identity
from badge_bridge.store.protocol import Pause, StoredEvent

__all__ = ["in_utc", "next_step"]

LATE = 60.0
"""Seconds after which an event that is due, and that nobody has taken up, was forgotten by those who run `serve`."""


def in_utc(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def next_step(stored: StoredEvent, pause: Pause | None, *, now: float, clock: Callable[[float], str] = in_utc) -> str:
    """What happens next, or what to do so that something does; empty where nothing is left to do.

    `pause` is that of the lane it waits for; `clock` writes a moment for whoever reads it.
    """
    match stored.state:
        case "waiting":
            return _waiting(stored, pause, now, clock)
        case "working":
            return "It is being worked on; look again in a moment."
        case "dead":
            return (
                "It is not tried again by itself. Mend what the reason says, then: "
                f"badge-bridge events redrive {stored.key}"
            )
        case "joined":
            return _joined(stored)
        case "ignored":
            return (
                f"Where a rule should have acted: badge-bridge explain {stored.key} tells which part of a condition "
                f"failed. Change the rules file, let badge-bridge check read it, then: badge-bridge events redrive "
                f"{stored.key}"
            )
        case _:
            return ""


def _waiting(stored: StoredEvent, pause: Pause | None, now: float, clock: Callable[[float], str]) -> str:
    if stored.event.leg is not None:
        return f"Its call is judged at {clock(stored.due)} at the latest, from all its legs."
    if pause is not None:
        portal = stored.lane.partition("/")[0]
        reason = parse(pause.reason).message
        # The event that met the trouble has told of it, those that came later have not.
        why = "" if any(attempt.reason == reason for attempt in stored.history) else f": {reason}"
        return (
            f"It goes on by itself when {stored.lane} is usable again; it is paused until {clock(pause.until)}{why}. "
            f"What to mend there is told by: badge-bridge doctor --portal {portal}"
        )
    if stored.due + LATE < now:
        return f"It is due since {clock(stored.due)}, and nobody has taken it up: see that serve runs."
    return f"It is tried again by itself at {clock(stored.due)}."


def _joined(stored: StoredEvent) -> str:
    leg = stored.event.leg
    if leg is None:
        return ""
    judged = event_key(stored.event.source, judged_identity(leg.call))
    return f"What came of its call is told by: badge-bridge events show {judged}"
