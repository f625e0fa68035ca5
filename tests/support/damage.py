"""A store's file that its disk has damaged in one place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["damage"]

_EVENTS_BY_TYPE = "events_by_type"
"""Each event that is accepted is written into it; who asks how the store is, or takes what is due, does without."""


def damage(path: Path, name: str = _EVENTS_BY_TYPE) -> None:
    """Overwrite the first page of a table or an index with what nobody has written there. Nobody may have it open."""
    with closing(sqlite3.connect(path)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchall()
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
