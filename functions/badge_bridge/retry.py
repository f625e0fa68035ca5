"""Whether and when a failed event is tried again. Pure: an error and a number go in, a decision comes out.

Three things can become of a failure. The portal as a whole cannot be used now: the event waits for the lane and no
attempt is used up. The event itself failed in a way that may pass: it is tried again after a delay that grows. It
will never succeed: it is dead until somebody redrives it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from badge_bridge.errors import CallRefused, NotFound, PortalError, PortalPaused

__all__ = ["JITTER", "SCHEDULE", "Decision", "GiveUp", "RetryAt", "WaitForLane", "decide"]

SCHEDULE = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 18000.0, 36000.0)
"""Seconds before each further try: 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h, 10 h. After the last: dead."""

JITTER = 0.2
"""Each delay is spread by up to this share either way, so that what failed together does not come back together."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at `due` (unix seconds); counts towards dead."""

    due: float
    reason: str


YIELD = 2.0
"""Seconds by which an event whose own call paused a lane lets others probe it first: if it is this event that the
portal cannot take, the lane would otherwise never be found usable."""


@dataclass(frozen=True, slots=True)
class WaitForLane:
    """Try again when `lane` is resumed, and not before `due` (unix seconds); counts for nothing."""

    lane: str
    due: float
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Dead: not tried again by itself."""

    reason: str


Decision = RetryAt | WaitForLane | GiveUp


def decide(error: Exception, *, failures: int, now: float, random: Callable[[], float]) -> Decision:
    """What to do after `error`.

    `failures` are those counted before this one; `random` returns a float in [0, 1).
    """
    reason = str(error) if isinstance(error, PortalError) else f"internal error: {type(error).__name__}: {error}"
    match error:
        case PortalPaused():
            due = now if error.__cause__ is None else error.until + YIELD
            return WaitForLane(error.lane, due, reason)
        case CallRefused() | NotFound():
            return GiveUp(reason)
        case _ if failures >= len(SCHEDULE):
            return GiveUp(f"gave up after {failures + 1} failed attempts; the last one: {reason}")
        case _:
            spread = 1 + JITTER * (2 * random() - 1)
            return RetryAt(now + SCHEDULE[failures] * spread, reason)
