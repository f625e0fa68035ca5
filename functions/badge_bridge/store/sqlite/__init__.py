"""The store in one SQLite file. Read `store.py` first; `writer.py` is how it commits, `sql.py` and `schema.py` what."""

from badge_bridge.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
