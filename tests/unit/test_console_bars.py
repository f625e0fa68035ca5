"""The chart of `/console`, as the numbers that are drawn."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any, get_args

import pytest

from badge_bridge.console.bars import HEIGHT, ORDER, WIDTH, bars, ceiling
from badge_bridge.outcomes import Result


def minute(start: str = "2026-11-27T21:04:00.000Z", **events: int) -> dict[str, Any]:
    return {"start": start, "events": events}


def test_bars_stand_side_by_side_and_stack_what_they_count() -> None:
    """A bar for each minute, as wide as its share, its outcomes on top of one another and troubles on top of all."""
    first, second = bars([minute(badged=3, failed=1), minute()])
    assert (first.x, second.x) == (0.0, WIDTH / 2)
    assert [part.outcome for part in first.parts] == ["badged", "failed"]
    badged, failed = first.parts
    assert badged.y + badged.height == HEIGHT
    assert failed.y + failed.height == pytest.approx(badged.y)
    assert badged.height == pytest.approx(3 * failed.height, abs=0.2)
    assert (first.title, second.title) == ("21:04 UTC: 3 badged, 1 failed", "21:04 UTC: nothing")
    assert second.parts == ()


def test_dead_letter_is_seen_among_thousands() -> None:
    """One of ten thousand would be a hundredth of a unit high; it is drawn high enough to be seen."""
    (bar,) = bars([minute(badged=9_999, failed=1)])
    assert bar.parts[-1].outcome == "failed"
    assert bar.parts[-1].height >= 2


@pytest.mark.parametrize(("most", "top"), [(0, 5), (5, 5), (6, 10), (11, 20), (21, 50), (101, 200), (99_999, 100_000)])
def test_scale_is_a_round_number_above_the_highest_bar(most: int, top: int) -> None:
    """The scale stays while counts change by a few, and no bar leaves the picture."""
    assert ceiling([minute(badged=most)]) == top


def test_every_outcome_has_its_place_in_a_bar_and_its_colour() -> None:
    """Of what an event comes to nothing is left out of the picture, and nothing looks like something else."""
    assert set(ORDER) == {*get_args(Result), "done", "working", "waiting"}
    style = resources.files("badge_bridge.console").joinpath("static/now.css").read_text("utf-8")
    colours = dict(re.findall(r"--(\w+): (#\w+);", style.partition("@media")[0]))
    assert len({colours[name] for name in ORDER}) == len(ORDER)
    painted = re.findall(r"\.chart rect\.(\w+) \{ fill: var\(--(\w+)\); \}", style)
    assert painted == [(name, name) for name in ORDER if name != "ignored"]
    assert ".chart rect { fill: var(--ignored); }" in style
