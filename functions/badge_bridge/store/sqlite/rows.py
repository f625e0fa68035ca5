"""How many rows one statement writes or looks for, and what a row of an event is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["EventRow", "JoinRow", "portions"]

Row = TypeVar("Row")

EventRow = tuple[str, str, str, str, float, float, str]
"""key, source, type, verified, received_at, due, event"""
JoinRow = tuple[str, float, str]
"""value, time, key"""

_MOST_ROWS = 256
"""Rows of one statement: at most 11 values each, well below the 32,766 that SQLite allows."""


def portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows, so many at a time as one statement takes.

    Their numbers are powers of two, so that a handful of prepared statements serves every number of rows.
    """
    start = 0
    while start < len(rows):
        size = min(_MOST_ROWS, 1 << ((len(rows) - start).bit_length() - 1))
        yield rows[start : start + size]
        start += size
