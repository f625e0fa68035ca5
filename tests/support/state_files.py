"""A store's file as it is without a store at work on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from badge_bridge.store.sqlite.schema import migrate

__all__ = ["state_file"]


@contextmanager
def state_file(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a new file of the newest schema."""
    with closing(sqlite3.connect(folder / "state.db", isolation_level=None)) as connection:
        migrate(connection, "state.db")
        yield connection
