"""Walking through events, newest first, that are in several ordered lists at once.

Each list is only asked where it goes on behind a place, which an index answers at once. Where the lists disagree, the
walk leaps to the oldest answer, so it is about as short as the rarest of them, whichever that is.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from badge_bridge.store.wanted import Place

__all__ = ["Seek", "Step", "any_of", "in_all", "listed", "or_newer"]

Seek = Callable[[Place], Place | None]
"""The newest place of a list that is older than this one; None where there is none.

Who walks only ever goes on to older places.
"""


@dataclass(frozen=True, slots=True)
class Step:
    place: Place
    in_all: bool
    """False where it is known of one list that the place is not in it."""


def in_all(lists: Sequence[Seek], start: Place) -> Iterator[Step]:
    """The places older than `start` that are in all lists, and those that were looked at in vain on the way."""
    behind, turn = start, 0
    while (place := lists[turn](behind)) is not None:
        agreed = 1
        while agreed < len(lists):
            turn = (turn + 1) % len(lists)
            found = lists[turn](or_newer(place))
            if found == place:
                agreed += 1
                continue
            yield Step(place, in_all=False)
            if found is None:
                return
            place, agreed = found, 1
        yield Step(place, in_all=True)
        behind = place


def or_newer(place: Place) -> Place:
    """The place right before this one: what is older than it is this one or older."""
    received_at, key = place
    return received_at, f"{key}\0"


def listed(places: Sequence[Place]) -> Seek:
    """A list that is known; its oldest place comes first."""

    def seek(behind: Place) -> Place | None:
        count = bisect_left(places, behind)
        return places[count - 1] if count else None

    return seek


def any_of(lists: Sequence[Seek]) -> Seek:
    """The places that are in one of these lists."""
    heads: list[tuple[Place, int]] | None = None
    """The next place of each list that goes on, with the list's number; the newest last."""

    def seek(behind: Place) -> Place | None:
        nonlocal heads
        moved = range(len(lists)) if heads is None else []
        heads = [] if heads is None else heads
        while heads and heads[-1][0] >= behind:
            moved = [*moved, heads.pop()[1]]
        for number in moved:
            if (place := lists[number](behind)) is not None:
                insort(heads, (place, number))
        return heads[-1][0] if heads else None

    return seek
