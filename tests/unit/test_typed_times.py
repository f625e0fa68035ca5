"""Moments as an operator types them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from badge_bridge.errors import SettingsError
from badge_bridge.typed_times import in_words, read_time

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 27, 20, 30, tzinfo=UTC).timestamp()  # 21:30 in Berlin


def in_utc(text: str, now: float = NOW) -> str:
    return datetime.fromtimestamp(read_time(text, now=now, zone=BERLIN), UTC).isoformat().removesuffix("+00:00")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", "2026-11-27T20:30:00"),
        ("45s", "2026-11-27T20:29:15"),
        ("90 min", "2026-11-27T19:00:00"),
        ("2h", "2026-11-27T18:30:00"),
        ("2 hours ago", "2026-11-27T18:30:00"),
        ("last 3 days", "2026-11-24T20:30:00"),
        ("1d12h", "2026-11-26T08:30:00"),
        ("1w", "2026-11-20T20:30:00"),
        ("5m", "2026-11-27T20:25:00"),
    ],
)
def test_length_of_time_is_that_long_ago(text: str, meant: str) -> None:
    """With the units that people write, and several of them added up."""
    assert in_utc(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("today", "2026-11-26T23:00:00"),
        ("Yesterday 18:00", "2026-11-26T17:00:00"),
        ("yesterday at 9:05", "2026-11-26T08:05:00"),
        ("today 18:00:30", "2026-11-27T17:00:30"),
        ("yesterday 18:00 UTC", "2026-11-26T18:00:00"),
        ("18:00", "2026-11-27T17:00:00"),
        ("22:00", "2026-11-26T21:00:00"),
        ("2026-01-31", "2026-01-30T23:00:00"),
        ("2026-01-31 18:00", "2026-01-31T17:00:00"),
        ("2026-07-31T18:00", "2026-07-31T16:00:00"),
        ("9pm", "2026-11-27T20:00:00"),
        ("9 PM", "2026-11-27T20:00:00"),
        ("9:15 a.m.", "2026-11-27T08:15:00"),
        ("12am", "2026-11-26T23:00:00"),
        ("12:30pm", "2026-11-27T11:30:00"),
        ("yesterday at 9pm", "2026-11-26T20:00:00"),
        ("21.00", "2026-11-27T20:00:00"),
        ("yesterday 9.05", "2026-11-26T08:05:00"),
        ("26.11.2026", "2026-11-25T23:00:00"),
        ("26.11.2026 21:00", "2026-11-26T20:00:00"),
        ("1. 7. 2026, 9pm", "2026-07-01T19:00:00"),
    ],
)
def test_time_without_an_offset_is_local_time(text: str, meant: str) -> None:
    """As the clock on the wall had it then, in winter and in summer; a time of day alone is its last one."""
    assert in_utc(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-31T18:00Z", "2026-01-31T18:00:00"),
        ("2026-01-31T18:00:00.500+02:00", "2026-01-31T16:00:00.500000"),
        ("2026-01-31 18:00 UTC", "2026-01-31T18:00:00"),
        ("31.1.2026 6pm UTC", "2026-01-31T18:00:00"),
    ],
)
def test_time_with_an_offset_is_what_it_says(text: str, meant: str) -> None:
    """Wherever it is typed."""
    assert in_utc(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "soon", "2", "2x", "h", "25:00", "2026-02-30", "yesterday 2h", "2h yesterday", "at", "utc", "2hx"),
        *("13pm", "0am", "yesterday 9", "30.2.2026", "11/27/2026", "27.11", "10.11.20", "9:5", "at 9", "pm"),
    ],
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(SettingsError, match="is no time; write it such as 2h"):
        read_time(text, now=NOW, zone=BERLIN)


@pytest.mark.parametrize("text", ["1969-12-31T00:00Z", "9999-06-01", "999999 weeks"])
def test_time_out_of_reach_is_refused(text: str) -> None:
    """What no event can have been received at is a slip of the finger."""
    with pytest.raises(SettingsError, match="is not between 1970 and 9998"):
        read_time(text, now=NOW, zone=BERLIN)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (NOW, "2026-11-27 21:30:00 CET (20:30:00 UTC)"),
        (NOW + 9000, "2026-11-28 00:00:00 CET (2026-11-27 23:00:00 UTC)"),
    ],
)
def test_moment_is_said_in_local_time_and_in_utc(now: float, said: str) -> None:
    """With the day of both where they differ."""
    assert in_words(now, BERLIN) == said


def test_moment_is_said_once_where_local_time_is_utc() -> None:
    """Nothing is told twice."""
    assert in_words(NOW, UTC) == "2026-11-27 20:30:00 UTC"
