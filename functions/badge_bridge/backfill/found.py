"""What comes of looking at a portal's call statistics, and how far it is, for somebody who waits for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from badge_bridge.errors import BridgeError, PortalError
from badge_bridge.portal.calling import SingleCalls
from badge_bridge.portal.ended_calls import newest_call

__all__ = ["Course", "Found", "Told"]

Told = Callable[[int, int], None]
"""Hears how many rows are read, and how many there are, both by their numbers."""


@dataclass(slots=True)
class Found:
    """What a look has come to, or several in a row."""

    read: int = 0
    """Calls that were offered to the store or left out, each once."""
    new: int = 0
    old: int = 0
    """Those that began too long ago to be of use to anybody, and are left out."""
    unreadable: int = 0
    begins: Literal["", "first", "anew"] = ""
    """The portal was seen for the first time, or counts so, since the numbers of its calls are not those of before."""
    more: bool = False
    """The end of the rows was not reached; the next look goes on there."""
    elsewhere: bool = False
    """Nothing was read, since another process does."""
    refused: PortalError | None = None
    """The portal does not let us read the rows."""
    error: BridgeError | None = None
    """What else has ended it too early."""

    @property
    def has_failed(self) -> bool:
        return self.refused is not None or self.error is not None

    def add(self, later: Found) -> None:
        """Count in what the next look has come to; how that one ended is how all have."""
        self.read += later.read
        self.new += later.new
        self.old += later.old
        self.unreadable += later.unreadable
        self.begins = later.begins or self.begins
        self.more, self.elsewhere = later.more, later.elsewhere
        self.refused, self.error = later.refused, later.error


class Course:
    """How far looks in a row have come, from where the first of them began to the newest row there is."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._first: int | None = None
        self._newest = 0

    async def reached(self, number: int, client: SingleCalls, *, begun: int, more: bool) -> None:
        """Tell that the row of this number is read by a look that began behind `begun`. Only where there may be `more`,
        and once, the portal is asked for its newest one; raises what that does.
        """
        if self._first is None:
            newest = await newest_call(client) if more else None
            self._first, self._newest = begun, newest.id if newest is not None else number
        self._newest = max(self._newest, number)
        self._told(number - self._first, self._newest - self._first)
