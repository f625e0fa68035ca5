"""For how long nobody knows what became of an add that brought no answer, by a clock that may be put forward.

The ledger says by the wall clock when an add left, since whoever reads it next may be another process. To a clock that
was put forward meanwhile it left longer ago than it did. The event loop's clock cannot be put anywhere: where the other
one gains on it, no doubt ends for as long as one can last. What a clock did before this process began it cannot know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["CERTAIN_AFTER", "Doubts", "Look", "loop_time"]

CERTAIN_AFTER = 65.0
"""Seconds after which an add that brought no answer is over: Bitrix24 ends a request after 60 (docs, "Limits")."""

_GAIN = 1.0
"""Seconds that the wall clock may gain before that counts: the two are not read at the same moment."""


def loop_time() -> float:
    """Seconds by the clock of the running event loop."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Look:
    """A moment, `now` in unix seconds, and when no clock that was put forward matters any more (`sure_at`, as well).
    `budget` is how many seconds an attempt takes at most.
    """

    now: float
    sure_at: float
    budget: float

    def left(self, sent_at: float) -> float:
        """By when an add left at the latest, of which an earlier attempt has written down `sent_at` (unix seconds).

        That attempt is over, and sends nothing any more. But where the clock was put back since, its lease may have
        ended for that, while it works on.
        """
        was_put_back = sent_at > self.now + self.budget
        return self.now + self.budget if was_put_back else min(sent_at, self.now)

    def ends(self, sent_at: float) -> float:
        """When the doubt about an add ends (unix seconds) that left at `sent_at` by a clock like this one."""
        return max(sent_at + CERTAIN_AFTER, self.sure_at)


class Doubts:
    """Made when the process begins. `clock` returns unix seconds, `steady` seconds that only ever pass; an add may
    leave up to `budget` seconds after it was written down.
    """

    def __init__(self, *, clock: Callable[[], float], steady: Callable[[], float], budget: float) -> None:
        self._clock = clock
        self._steady = steady
        self._budget = budget
        self._ahead = clock() - steady()
        self._sure_at = steady()

    def look(self) -> Look:
        """Read the clock: when an add is written down, and before its activity is looked up."""
        now, steady = self._clock(), self._steady()
        ahead = now - steady
        if ahead > self._ahead + _GAIN:
            self._ahead, self._sure_at = ahead, steady + self._budget + CERTAIN_AFTER
        self._ahead = min(self._ahead, ahead)
        return Look(now, now + self._sure_at - steady, self._budget)
