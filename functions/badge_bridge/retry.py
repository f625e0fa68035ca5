"""Whether and when a failed event is tried again. Pure: an error and a number go in, a decision comes out.

Three things can become of a failure. The portal as a whole cannot be used now: the event waits for the lane and no
attempt is used up. The event itself failed in a way that may pass: it is tried again after a delay that grows. It
will never succeed: it is dead until somebody redrives it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from badge_bridge.errors import (
    BridgeError,
    CallRefused,
    EarlierRulesUnusable,
    InDoubt,
    NotFound,
    PortalPaused,
    StoreUnavailable,
)

__all__ = ["JITTER", "SCHEDULE", "Decision", "GiveUp", "NotSent", "RetryAt", "Wait", "decide"]

SCHEDULE = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 18000.0, 36000.0)
"""Seconds before each further try: 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h, 10 h. After the last: dead."""

JITTER = 0.2
"""Each delay is spread by up to this share either way, so that what failed together does not come back together."""


class NotSent(BridgeError):
    """An attempt's time was over before anything was asked of the portal: it waited for its turn."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at `due` (unix seconds); counts towards dead."""

    due: float
    reason: str


YIELD = 2.0
"""Seconds by which an event whose own call paused a lane lets others probe it first: if it is this event that the
portal cannot take, the lane would otherwise never be found usable."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again when `lane` is resumed; as long as it is not (or where there is none: empty), not before `due` (unix
    seconds). Counts for nothing.

    `until` is when the lane may be usable again, as far as known.
    """

    lane: str
    due: float
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Dead: not tried again by itself."""

    reason: str


Decision = RetryAt | Wait | GiveUp


def decide(error: Exception, *, failures: int, now: float, random: Callable[[], float]) -> Decision:
    """What to do after `error`.

    `failures` are those counted before this one; `random` returns a float in [0, 1).
    """
    reason = str(error) if isinstance(error, BridgeError) else f"internal error: {type(error).__name__}: {error}"
    match error:
        case PortalPaused():
            due = now if error.__cause__ is None else error.until + YIELD
            return Wait(error.lane, due, error.until, reason)
        case InDoubt():
            return Wait("", error.until, error.until, reason)
        case StoreUnavailable() | NotSent():
            return Wait("", now + SCHEDULE[0], now + SCHEDULE[0], reason)
        case CallRefused() | NotFound() | EarlierRulesUnusable():
            return GiveUp(reason)
        case _ if failures >= len(SCHEDULE):
            return GiveUp(f"{failures + 1} attempts failed, the last one with: {reason}")
        case _:
            spread = 1 + JITTER * (2 * random() - 1)
            return RetryAt(now + SCHEDULE[failures] * spread, reason)
