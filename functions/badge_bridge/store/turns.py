"""Whose turn it is, where all processes share one limit or one task: the rules that every store follows.

A bucket counts what is asked of a portal, because the portal counts it for all of us together. It leaks: it holds a
burst of requests, and so many a second drain from it. A hold is for what only one may do at a time, such as renewing a
portal's tokens.

Both are values. A store reads what it has, asks here, and writes down what it is told, in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from badge_bridge.store.clock import reached
from badge_bridge.store.protocol import LONGEST_LEASE

__all__ = ["EMPTY", "Hold", "Level", "drawn", "held", "left_in"]

_SHORTEST_WAIT = 0.001
"""Seconds. Adding less to a moment of today may not change it, and whoever waits would ask again at the same moment."""


@dataclass(frozen=True, slots=True)
class Level:
    """How many requests a bucket held at a moment, in unix seconds. From that moment on it drains."""

    requests: float
    at: float


EMPTY = Level(requests=0.0, at=0.0)
"""A bucket that nobody drew from yet."""


def drawn(level: Level, *, now: float, rate: float, burst: int) -> tuple[Level, float]:
    """The level after one request was asked for, and how many seconds there is no room for it; 0.0 where it is counted.

    `rate` is above 0 and `burst` at least 1, or nothing would ever get through. A refusal may change the level too, and
    has to be written down as well: it corrects a moment that is further ahead than a full bucket takes to drain, and
    corrected anew each time, that moment would never come.
    """
    start = _drains_from(level, now=now, rate=rate, burst=burst)
    left = left_in(level, now=now, rate=rate, burst=burst)
    if left + 1 <= burst:
        return Level(left + 1, max(start, now)), 0.0
    wait = max(0.0, start - now) + (left + 1 - burst) / rate
    return Level(level.requests, start), max(wait, _SHORTEST_WAIT)


def left_in(level: Level, *, now: float, rate: float, burst: int) -> float:
    """How many requests have not drained by `now`."""
    start = _drains_from(level, now=now, rate=rate, burst=burst)
    return max(0.0, level.requests - max(0.0, now - start) * rate)


def _drains_from(level: Level, *, now: float, rate: float, burst: int) -> float:
    # Where the clock was set back, what it has shown twice drains once: no limit is exceeded by setting a clock.
    return min(level.at, now + burst / rate)


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds a name, and until when, in unix seconds."""

    holder: str
    until: float


def held(before: Hold | None, *, holder: str, now: float, seconds: float) -> Hold | None:
    """The hold as it is once `holder` has asked for it; None where another one has it.

    Asking again never shortens it.
    """
    until = now + min(seconds, LONGEST_LEASE)
    if before is None or reached(before.until, now=now, longest=LONGEST_LEASE):
        return Hold(holder, until)
    return Hold(holder, max(until, before.until)) if before.holder == holder else None
