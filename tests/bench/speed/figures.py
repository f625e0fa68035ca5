"""What a row of the table is: what was measured in turns that ran side by side, a goal, and whether it is met."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Figure", "Row", "Uncounted", "check_count", "percentile"]

Sense = Literal["at least", "at most"]


class Uncounted(AssertionError):
    """What was answered with 2xx and what is stored are not the same number: such a run measures nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured in several turns, `ours` and `theirs` in `unit`, those of one turn at the same place.

    Without `theirs`, what was measured is a figure by itself: seconds, megabytes.
    """

    ours: Sequence[float]
    theirs: Sequence[float]
    unit: str

    def __post_init__(self) -> None:
        if not self.ours or len(self.theirs) not in {0, len(self.ours)}:
            raise ValueError(f"{len(self.ours)} turns against {len(self.theirs)} are no pairs")

    @property
    def values(self) -> list[float]:
        """What a goal is about: the ratio of each turn, or what each measured where there is nothing to compare."""
        if not self.theirs:
            return list(self.ours)
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest of the turns."""
        return min(self.values), max(self.values)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Without a figure it was not measured, and `remark` says why: `apt install wrk`."""

    what: str
    against: str
    sense: Sense
    goal: float
    figure: Figure | None
    remark: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What goes into the JSON only, by names with their units."""
    doubt: str = ""
    """Why the figure says nothing about the goal, such as that the machine was too busy for the one who measured."""

    @property
    def met(self) -> bool | None:
        """Whether the median of the turns is as good as the goal; None where nothing was measured, or is in doubt."""
        if self.figure is None or self.doubt:
            return None
        median = self.figure.median
        return median >= self.goal if self.sense == "at least" else median <= self.goal


def check_count(answered: int, stored: int) -> None:
    """Every 2xx is one new row, and every new row was a 2xx.

    Raises:
        Uncounted: it is not so.
    """
    if answered != stored:
        raise Uncounted(f"{answered} deliveries were answered with 2xx, and {stored} are new in the store")


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]
