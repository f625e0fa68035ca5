"""The time that has passed for certain, by a clock that may be wrong.

What is deleted because its time is over does not come back, so one look at a wall clock is not enough for it: a wrong
NTP server, an empty battery or a virtual machine that is woken up puts it ahead by a year, if only for seconds. Each
look adds what a clock that cannot be set has counted since the look before. The wall clock's lead over that is believed
once it has been the same for as long as it is, or for a day where it is longer: a machine that was off for a year goes
on after a day. What is certain is kept in the store, so that a start with a wrong clock is no way around it, and nobody
has to live long. Pure: readings go in, the next state comes out.
"""

from __future__ import annotations

from typing import Self

from badge_bridge.noted import Noted
from badge_bridge.plural import counted

__all__ = ["LONGEST_DOUBT", "NOTE", "WORTH_TELLING", "CertainTime"]

NOTE = "certain time"
"""The name of the note."""

LONGEST_DOUBT = 86_400.0
"""Seconds for which the clock has to say the same, however far ahead of what is known."""

WORTH_TELLING = 3600.0
"""Seconds of lead that people hear about. A restart makes one of minutes, which is believed within minutes."""

_TOLERANCE = 60.0
"""Seconds of lead that are no lead: clocks are set right by little, and are not read at the same moment."""

_SAME = 3600.0
"""Seconds by which a lead may change and still be the same one: nobody counts between two processes."""


class CertainTime(Noted):
    """As of one look: `known` is the time that has come for certain, `clock` what the wall clock said, both in unix
    seconds; its `lead` over that is 0 where it is believed, and `agreed` for how many seconds it has been the same.
    """

    known: float
    clock: float
    lead: float = 0.0
    agreed: float = 0.0

    @classmethod
    def beginning(cls, newest: float | None, *, now: float) -> Self:
        """Where nothing was noted yet: not before the newest event was received, and `now` where there is none."""
        known = now if newest is None else min(newest, now)
        return cls(known=known, clock=now)

    @property
    def is_doubted(self) -> bool:
        """The clock is so far ahead that somebody should hear about it."""
        return self.lead > WORTH_TELLING

    @property
    def needed(self) -> float:
        """Seconds for which the lead has to be the same until it is believed."""
        return min(self.lead, LONGEST_DOUBT)

    def after(self, passed: float, *, now: float) -> CertainTime:
        """As of the next look: the wall clock says `now`, a steady one has counted `passed` seconds in this process.

        That may be more than has passed since the last look, which may have been another process's.
        """
        passed = min(passed, max(now - self.clock, 0.0))
        known = self.known + passed
        lead = now - known
        if lead <= _TOLERANCE:
            return CertainTime(known=now, clock=now)
        agreed = self.agreed + passed if self.lead and abs(lead - self.lead) <= _SAME else 0.0
        if agreed >= min(lead, LONGEST_DOUBT):
            return CertainTime(known=now, clock=now)
        return CertainTime(known=known, clock=now, lead=lead, agreed=agreed)

    def __str__(self) -> str:
        """Of a clock that is doubted."""
        return (
            f"the clock is {_length(self.lead)} ahead of the time that has passed for certain; what is over by the "
            f"clock alone is deleted when it has said the same for {_length(self.needed)} "
            f"({_length(self.agreed)} so far)"
        )


def _length(seconds: float) -> str:
    if seconds < 3600:
        return counted(round(seconds / 60), "minute")
    return counted(round(seconds / 3600), "hour") if seconds < 172_800 else counted(round(seconds / 86_400), "day")
