"""Which events of a paused lane may go: the one rule that every store follows.

A lane that was never paused, or was resumed, lets everything through. A paused lane lets nothing through until its
time is over. From then until it is resumed it is half open: one of the events that wait for it goes at a time, and it
goes only while nobody else is probing. Somebody probes while the probe is held (`Store.probe`), or while an event that
was handed out from the half-open lane is under lease. So the lease is the probe's time limit, and a probe that ended
without pausing or resuming the lane makes room for the next one.

An event that waits for a lane has a time of its own, reckoned from when the pause was to end. It may end long before: a
call passes, the credential is replaced, somebody says that all is well. So that time counts only while the lane is
paused, and no longer than a little beyond the end of the pause as that is known now.

Times that lie further ahead than any pause, hold or lease is long were written before the clock was set back; they
count as over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from badge_bridge.store.clock import counted
from badge_bridge.store.protocol import LONGEST_LEASE, LONGEST_PAUSE, LONGEST_YIELD

__all__ = ["Gate", "due_by", "room"]


@dataclass(frozen=True, slots=True)
class Gate:
    """A paused lane. All times are unix seconds; 0 where there is none."""

    until: float
    held_until: float
    """Until then somebody holds the probe."""
    leased_until: float
    """Until then an event that was handed out as a probe is under lease."""

    @property
    def opens_at(self) -> float:
        """When the next event may go, if nothing else happens before."""
        return max(self.until, self.held_until, self.leased_until)

    def corrected(self, now: float) -> Gate:
        """The same pause by a clock that says `now`."""
        return Gate(
            until=min(self.until, counted(self.until, now=now, longest=LONGEST_PAUSE)),
            held_until=min(self.held_until, counted(self.held_until, now=now, longest=LONGEST_LEASE)),
            leased_until=min(self.leased_until, counted(self.leased_until, now=now, longest=LONGEST_LEASE)),
        )


def due_by(lane: str, gate: Gate | None) -> float:
    """When an event that waits for the lane is due at the latest, in unix seconds, whatever its own time.

    `gate` is None where the lane is not paused, and `lane` is empty where the event waits for none.
    """
    if not lane:
        return math.inf
    return gate.until + LONGEST_YIELD if gate else -math.inf


def room(gate: Gate | None, *, now: float, limit: int) -> int:
    """How many events, up to `limit`, a lane lets through now. `gate` is None where the lane is not paused."""
    if gate is None:
        return limit
    return min(limit, 1) if gate.opens_at <= now else 0
