"""How many rows one statement writes or looks for, and what a row of an event is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["DAY", "MOST_ROWS", "EventRow", "JoinRow", "day_of", "filled", "portions"]

Row = TypeVar("Row")

EventRow = tuple[str, str, str, str, float, float, str]
"""key, source, type, verified, received_at, due, event"""
DAY = 86_400
"""Seconds."""

JoinRow = tuple[int, str, float, str]
"""day, value, time, key"""

MOST_ROWS = 256
"""Rows of one statement: at most 13 values each, well below the 32,766 that SQLite allows."""


def day_of(time: float) -> int:
    """The day of a moment, counted from the beginning of 1970."""
    return int(time // DAY)


def portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows, so many at a time as one statement takes.

    Their numbers are powers of two, so that a handful of prepared statements serves every number of rows.
    """
    start = 0
    while start < len(rows):
        size = min(MOST_ROWS, 1 << ((len(rows) - start).bit_length() - 1))
        yield rows[start : start + size]
        start += size


def filled(rows: Sequence[Row]) -> Iterator[tuple[Sequence[Row], int]]:
    """The same in as few statements as can be, and how many of the rows of each are there to be written or looked for.

    The last row is repeated up to a power of two, for statements to which a row that is there already, or is looked for
    already, is nothing: each statement waits for the interpreter's lock, which takes longer than to find such a row.
    """
    for start in range(0, len(rows), MOST_ROWS):
        some = rows[start : start + MOST_ROWS]
        size = 1 << (len(some) - 1).bit_length()
        yield [*some, *[some[-1]] * (size - len(some))], len(some)
