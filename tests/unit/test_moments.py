"""Moments and lengths of time as they are told."""

from __future__ import annotations

import pytest

from badge_bridge.moments import iso, span


def test_moment_is_written_in_utc() -> None:
    """To the millisecond, as the JSON of the console and of the terminal has it."""
    assert iso(1_795_345_200.5) == "2026-11-22T11:00:00.500Z"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1.0, "0 ms"),
        (0.34, "340 ms"),
        (1.21, "1.2 s"),
        (3.0, "3 s"),
        (12.4, "12 s"),
        (90.0, "2 min"),
        (7200.0, "2 h"),
        (47 * 3600.0, "47 h"),
        (72 * 3600.0, "3 days"),
    ],
)
def test_length_of_time_is_as_exact_as_a_person_needs_it(seconds: float, said: str) -> None:
    """The same on the console's pages and in a terminal."""
    assert span(seconds) == said
