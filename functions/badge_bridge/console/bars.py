"""The bars of a chart, as numbers for an SVG: stacked, one for each stretch of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["HEIGHT", "ORDER", "WIDTH", "Bar", "Part", "bars", "ceiling"]

WIDTH, HEIGHT = 720, 120
"""Of the drawing, in its own units."""

ORDER = ("badged", "cleared", "ensured", "done", "ignored", "working", "waiting", "failed")
"""What events came to, from the bottom up: what needs somebody is on top. `done` are those of which nothing more can be
read; what has not ended has the name of its state."""

_GAP = 2
_LEAST = 2.0
"""Units that one event is high at least, or a dead letter among thousands would not be seen."""


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of one outcome."""

    outcome: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of time: where it stands, what it is made of, and what it says."""

    x: float
    width: float
    parts: tuple[Part, ...]
    start: str
    title: str


def bars(minutes: Sequence[Mapping[str, Any]]) -> tuple[Bar, ...]:
    """The bars of stretches that each have a `start` (as `moments.iso` writes it) and `events` by outcome."""
    most = ceiling(minutes)
    step = WIDTH / max(len(minutes), 1)
    return tuple(_bar(number * step, step - _GAP, one, most) for number, one in enumerate(minutes))


def ceiling(minutes: Sequence[Mapping[str, Any]]) -> int:
    """How many events the top of the chart stands for: a round number, so that it does not jump with each of them."""
    most = max((sum(one["events"].values()) for one in minutes), default=0)
    step = 1
    while True:
        for times in (5, 10, 20):
            if most <= times * step:
                return times * step
        step *= 10


def _bar(x: float, width: float, one: Mapping[str, Any], most: int) -> Bar:
    counts = {outcome: one["events"][outcome] for outcome in ORDER if one["events"].get(outcome)}
    parts, top = [], float(HEIGHT)
    for outcome, count in counts.items():
        height = max(count / most * HEIGHT, _LEAST)
        top -= height
        parts.append(Part(outcome, round(top, 1), round(height, 1)))
    said = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items()) or "nothing"
    return Bar(round(x, 1), round(width, 1), tuple(parts), one["start"], f"{one['start'][11:16]} UTC: {said}")
