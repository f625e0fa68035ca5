"""Moments by a clock that may have been set back.

A moment further ahead than anything is ever planned was written by the clock of before. It counts as reached: an event
that is tried too early has a retry left, one that waits for next year is lost to everybody.
"""

from __future__ import annotations

__all__ = ["counted", "reached"]


def reached(moment: float, *, now: float, longest: float) -> bool:
    """Whether `moment` has come by a clock that says `now`, where nothing is planned for later than `longest` s on."""
    return moment <= now or moment > now + longest


def counted(moment: float, *, now: float, longest: float) -> float:
    """The moment as it counts: `now` where it has been reached."""
    return now if reached(moment, now=now, longest=longest) else moment
