"""How many commands one `batch` may hold now.

Bitrix24 takes fifty, and ends a request after 60 s (Bitrix24 docs, "Batch", "Limits"). What fifty commands take depends
on the commands and on the hour, so the size follows what the last batches took, far from those 60 s: a batch that is
cut off leaves fifty outcomes unknown.
"""

from __future__ import annotations

__all__ = ["LARGEST", "QUICK", "SLOW", "BatchSize"]

LARGEST = 50
"""Commands that a batch takes (Bitrix24 docs, "Batch")."""

SLOW = 20.0
"""Seconds; a batch that took longer was too large."""

QUICK = 10.0
"""Seconds; a full batch that took less leaves room for more."""

_STEP = 5
_QUICK_ONES = 3
"""So many quick full batches in a row make the size grow by a step."""


class BatchSize:
    """The size of the next batch, from 1 to `largest`."""

    def __init__(self, largest: int = LARGEST) -> None:
        self.now = largest
        self._largest = largest
        self._quick = 0

    def took(self, count: int, seconds: float) -> None:
        """A request with `count` commands was answered after so many seconds."""
        if seconds > SLOW:
            self.too_large(count)
        elif count >= self.now and seconds < QUICK:
            self._quick += 1
            if self._quick == _QUICK_ONES:
                self._quick = 0
                self.now = min(self.now + _STEP, self._largest)
        elif count >= self.now:
            self._quick = 0

    def too_large(self, count: int) -> None:
        """A batch of `count` was refused for its length, was slow or got no answer in time.

        Halved is what it held, so that those which left side by side shrink the size once.
        """
        self._quick = 0
        if count > 1:  # what a command alone takes says nothing about batches
            self.now = min(self.now, count // 2)

    def refused(self) -> None:
        """The portal took no batch: send commands alone, and try again after some."""
        self._quick = 0
        self.now = 1
