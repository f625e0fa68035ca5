"""The bucket as a value: however its clock is set back, it never lets more through than time has passed for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badge_bridge.store.turns import EMPTY, Level, drawn

TODAY = 1_767_225_600.25

# The same examples in every run, however busy the machine is.
steady = settings(derandomize=True, deadline=None, max_examples=300)
passing = st.floats(0, 5)
set_back = st.sampled_from([0.0, 0.0, 0.0, 0.5, 3.0, 100.0, 31_536_000.0])


@steady
@given(
    rate=st.floats(0.1, 50),
    burst=st.integers(1, 20),
    steps=st.lists(st.tuples(passing, set_back, st.integers(1, 30)), max_size=20),
)
def test_drawn_exceeds_no_limit_when_clock_is_set_back(
    rate: float, burst: int, steps: Sequence[tuple[float, float, int]]
) -> None:
    """By the time that really passed, no more get through than the burst and what drains meanwhile."""
    level, really, clock = EMPTY, 0.0, TODAY
    let_through: list[float] = []
    for seconds, back, times in steps:
        really += seconds
        clock += seconds - back
        for _ in range(times):
            level, wait = drawn(level, now=clock, rate=rate, burst=burst)
            let_through += [] if wait else [really]

    for number, first in enumerate(let_through):
        for so_many, last in enumerate(let_through[number:], start=1):
            assert so_many <= burst + rate * (last - first) + 1e-3


@steady
@given(rate=st.floats(0.1, 50), burst=st.integers(1, 20), requests=st.floats(0, 20), back=set_back)
def test_drawn_lets_through_when_it_was_waited_as_told(rate: float, burst: int, requests: float, back: float) -> None:
    """Whoever waits as he is told gets through, or a millisecond later because of a clock's last digit; he is told no
    longer than the clock was set back by, or a full bucket takes to drain, and a request after it.
    """
    now = TODAY - back
    level, wait = drawn(Level(min(requests, burst), TODAY), now=now, rate=rate, burst=burst)

    assert wait <= min(back, burst / rate) + 1 / rate + 0.002
    if wait:
        level, again = drawn(level, now=now + wait, rate=rate, burst=burst)
        assert again in (0.0, 0.001)
        assert not again or drawn(level, now=now + wait + again, rate=rate, burst=burst)[1] == 0.0


@pytest.mark.parametrize("hours", [1, 24 * 365])
def test_drawn_comes_to_an_end_when_refused_again_and_again_after_the_clock_was_set_back(hours: int) -> None:
    """Who asks every second is not put off each time by as much as he has waited."""
    level = Level(50.0, TODAY + hours * 3600)
    for second in range(26):
        level, wait = drawn(level, now=TODAY + second, rate=2, burst=50)
        assert wait == 25.5 - second

    assert drawn(level, now=TODAY + 26, rate=2, burst=50)[1] == 0.0
