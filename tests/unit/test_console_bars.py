"""The chart of `/console`, as the numbers that are drawn."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from badge_bridge.console.bars import HEIGHT, ORDER, WIDTH, bars, ceiling
from badge_bridge.store.protocol import State


def minute(start: str = "2026-11-27T21:04:00.000Z", **events: int) -> dict[str, Any]:
    return {"start": start, "events": events}


def test_bars_stand_side_by_side_and_stack_what_they_count() -> None:
    """A bar for each minute, as wide as its share, its states on top of one another and troubles on top of all."""
    first, second = bars([minute(done=3, dead=1), minute()])
    assert (first.x, second.x) == (0.0, WIDTH / 2)
    assert [part.state for part in first.parts] == ["done", "dead"]
    done, dead = first.parts
    assert done.y + done.height == HEIGHT
    assert dead.y + dead.height == pytest.approx(done.y)
    assert done.height == pytest.approx(3 * dead.height, abs=0.2)
    assert (first.title, second.title) == ("21:04 UTC: 3 done, 1 dead", "21:04 UTC: nothing")
    assert second.parts == ()


def test_dead_letter_is_seen_among_thousands() -> None:
    """One of ten thousand would be a hundredth of a unit high; it is drawn high enough to be seen."""
    (bar,) = bars([minute(done=9_999, dead=1)])
    assert bar.parts[-1].state == "dead"
    assert bar.parts[-1].height >= 2


@pytest.mark.parametrize(("most", "top"), [(0, 5), (5, 5), (6, 10), (11, 20), (21, 50), (101, 200), (99_999, 100_000)])
def test_scale_is_a_round_number_above_the_highest_bar(most: int, top: int) -> None:
    """The scale stays while counts change by a few, and no bar leaves the picture."""
    assert ceiling([minute(done=most)]) == top


def test_every_state_has_its_place_in_a_bar() -> None:
    """No state of an event is left out of the picture."""
    assert set(ORDER) == set(get_args(State))
