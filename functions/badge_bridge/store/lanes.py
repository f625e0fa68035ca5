"""Which events of a paused lane may go: the one rule that every store follows.

A lane that was never paused, or was resumed, lets everything through. A paused lane lets nothing through until its
time is over. From then until it is resumed it is half open: one of the events that wait for it goes at a time, and it
goes only while nobody else is probing. Somebody probes while the probe is held (`Store.probe`), or while an event that
was handed out from the half-open lane is under lease. So the lease is the probe's time limit, and a probe that ended
without pausing or resuming the lane makes room for the next one.

Times that lie further ahead than any pause, hold or lease is long were written before the clock was set back; they
count as over.
"""

from __future__ import annotations

from dataclasses import dataclass

from badge_bridge.store.clock import counted
from badge_bridge.store.protocol import LONGEST_LEASE, LONGEST_PAUSE

__all__ = ["Gate", "room"]


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
            until=counted(self.until, now=now, longest=LONGEST_PAUSE),
            held_until=counted(self.held_until, now=now, longest=LONGEST_LEASE),
            leased_until=counted(self.leased_until, now=now, longest=LONGEST_LEASE),
        )


def room(gate: Gate | None, *, now: float, limit: int) -> int:
    """How many events, up to `limit`, a lane lets through now. `gate` is None where the lane is not paused."""
    if gate is None:
        return limit
    return min(limit, 1) if gate.opens_at <= now else 0
