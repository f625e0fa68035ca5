"""Looking for a text in all that the file holds, a portion at a time, so that others read and write in between."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

from badge_bridge.store.forgetting import KEY_NOTE, Place, Trace
from badge_bridge.store.sqlite import sql
from badge_bridge.store.sqlite.forgetting import Doing

__all__ = ["search"]

_PORTION = 1_000


class _Table(NamedTuple):
    place: Place
    statement: str
    start: Sequence[Any]
    """Before the first row. So many columns of each row, from the first, say where the next portion begins."""
    name: int
    """The column with the trace's name."""
    texts: slice


_TABLES = (
    _Table("event", sql.SEARCH_EVENTS, (-1,), 1, slice(1, None)),
    _Table("event", sql.SEARCH_ATTEMPTS, (-1, 0), 2, slice(3, None)),
    _Table("event", sql.SEARCH_JOINS, (-math.inf, "", -math.inf, ""), 3, slice(1, 2)),
    _Table("ledger", sql.SEARCH_ATTACHMENTS, (-1,), 1, slice(1, None)),
    _Table("call", sql.SEARCH_CALLS, ("",), 0, slice(0, 1)),
    _Table("note", sql.SEARCH_NOTES, (-1,), 1, slice(1, None)),
    _Table("pause", sql.SEARCH_PAUSES, ("",), 0, slice(0, None)),
)


async def search(read: Doing, matches: Callable[[str], bool]) -> Sequence[Trace]:
    """As `Store.search`."""
    found: dict[Trace, None] = {}
    for table in _TABLES:
        async for traces in _portions(read, table, matches):
            found.update(dict.fromkeys(traces))
    return tuple(found)


async def _portions(read: Doing, table: _Table, matches: Callable[[str], bool]) -> AsyncIterator[Sequence[Trace]]:
    start: Sequence[Any] | None = table.start
    while start is not None:
        traces, start = await read(_look(table, start, matches))
        yield traces


def _look(
    table: _Table, start: Sequence[Any], matches: Callable[[str], bool]
) -> Callable[[sqlite3.Connection], tuple[Sequence[Trace], Sequence[Any] | None]]:
    def look(connection: sqlite3.Connection) -> tuple[Sequence[Trace], Sequence[Any] | None]:
        rows = connection.execute(table.statement, (*start, _PORTION)).fetchall()
        traces = [
            Trace(table.place, row[table.name])
            for row in rows
            if row[table.name] != KEY_NOTE and any(map(matches, row[table.texts]))
        ]
        return traces, rows[-1][: len(start)] if len(rows) == _PORTION else None

    return look
