"""What the table of speed says of what was measured."""

from __future__ import annotations

import pytest

from bench.speed.figures import Figure, Row, Sense, Uncounted, check_count, percentile


def row(figure: Figure | None, sense: Sense = "at most", goal: float = 2.0) -> Row:
    return Row("accepts", "nothing", sense, goal, figure)


def test_figure_is_the_median_of_the_ratios_of_its_turns() -> None:
    """A turn in which the machine was busy slows both sides of it, and no other turn."""
    figure = Figure(ours=[10, 100, 30], theirs=[5, 25, 20], unit="us")

    assert figure.values == [2.0, 4.0, 1.5]
    assert figure.median == 2.0
    assert figure.spread == (1.5, 4.0)


def test_figure_stands_for_itself_when_it_is_compared_with_nothing() -> None:
    """Seconds or megabytes have goals of their own."""
    figure = Figure(ours=[40.0, 10.0, 20.0, 30.0], theirs=(), unit="s")

    assert figure.median == 25.0
    assert figure.spread == (10.0, 40.0)


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([1.0, 2.0], [1.0])])
def test_figure_is_refused_when_turns_are_no_pairs(ours: list[float], theirs: list[float]) -> None:
    """What did not run side by side is not compared."""
    with pytest.raises(ValueError, match="no pairs"):
        Figure(ours, theirs, "us")


@pytest.mark.parametrize(
    ("sense", "measured", "met"),
    [
        ("at most", 2.0, True),
        ("at most", 2.001, False),
        ("at least", 2.0, True),
        ("at least", 1.999, False),
    ],
)
def test_goal_is_met_when_the_median_is_as_good(sense: Sense, measured: float, met: bool) -> None:
    """The goal itself is good enough, and one lucky turn is not."""
    lucky = 0.0 if sense == "at most" else 100.0

    assert row(Figure([measured, measured, lucky], (), "s"), sense).met is met


def test_goal_is_neither_met_nor_missed_when_nothing_was_measured() -> None:
    """What could not be measured is no success."""
    assert row(None).met is None


def test_goal_is_neither_met_nor_missed_when_the_figure_is_in_doubt() -> None:
    """What was measured is told all the same."""
    row = Row("p99", "others", "at most", 3, Figure([1.0], [1.0], "ms"), doubt="sent late")
    assert row.met is None


def test_count_is_refused_when_an_answer_has_no_row_or_a_row_no_answer() -> None:
    """A run in which something was lost or doubled says nothing of speed."""
    check_count(5, 5)
    with pytest.raises(Uncounted, match="5 deliveries were answered with 2xx, and 4 are new"):
        check_count(5, 4)
    with pytest.raises(Uncounted):
        check_count(4, 5)


@pytest.mark.parametrize(
    ("count", "percent", "value"), [(100, 99, 99), (100, 50, 50), (1000, 99, 990), (10, 99, 10), (1, 99, 1), (3, 0, 1)]
)
def test_percentile_is_a_value_that_so_many_do_not_exceed(count: int, percent: float, value: int) -> None:
    """It is one of those that were measured, in whatever order they came, and never a better one."""
    assert percentile([*range(count, 0, -1)], percent) == value
