"""Who goes next where several lanes have events that are due: the one rule that every store follows.

A portal that was away leaves thousands of events behind, all older than what comes in now. By age alone each new event
would wait until the last of them is done, and so would those of every other portal. So the places are dealt out by
lane, one each in turn: within a lane by age, and what waits for no lane, as new events do, is one among the others. A
lane that wants fewer places than it could have leaves them to the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, repeat, zip_longest
from typing import TypeVar

__all__ = ["Dealer"]

T = TypeVar("T")


class Dealer:
    """Remembers whose turn it was, since often there is only one place at a time. Not for several threads at once."""

    def __init__(self) -> None:
        self._last = ""

    def deal(self, waiting: Mapping[str, Sequence[T]], limit: int) -> list[T]:
        """At most `limit` of those that wait by lane, each lane's in its order."""
        names = self._in_turn(name for name, those in waiting.items() if those)
        rounds = zip_longest(*(zip(repeat(name), waiting[name], strict=False) for name in names))
        dealt = list(islice((one for all_ in rounds for one in all_ if one is not None), limit))
        if dealt and len(names) > 1:
            self._last = dealt[-1][0]
        return [one for _, one in dealt]

    def _in_turn(self, names: Iterable[str]) -> list[str]:
        ordered = sorted(names)
        return [name for name in ordered if name > self._last] + [name for name in ordered if name <= self._last]
